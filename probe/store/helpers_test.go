package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// noon is 2026-11-21T12:00:00Z, an interval end.
const noon = int64(1795262400)

var quiet = slog.New(slog.DiscardHandler)

func mustOpen(t testing.TB, files vfs.FS, cfg Config) *Store {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = "/db"
	}
	s, err := Open(cfg, Deps{FS: files, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustAppend(t testing.TB, s *Store, iface string, interval flow.Interval, records []flow.Record) {
	t.Helper()
	if err := s.Append(context.Background(), iface, interval, records); err != nil {
		t.Fatal(err)
	}
}

// interval makes an interval of five minutes.
func interval(end int64, sequence uint64) flow.Interval {
	iv := flow.Interval{End: end, Duration: 5 * time.Minute, Boot: [16]byte{0xB0, 0x07}, Sequence: sequence}
	iv.Accounting = flow.Accounting{Received: 10 + sequence, Dropped: 1, Metered: 8 + sequence}
	iv.Accounting.Issues[flow.IssueNotIP] = 2
	return iv
}

// randomRecords makes n rows with few distinct values, sorted by key, keys unique.
func randomRecords(r *rand.Rand, n int) []flow.Record {
	records := make([]flow.Record, n)
	for i := range records {
		records[i] = randomRecord(r)
	}
	slices.SortFunc(records, func(a, b flow.Record) int { return a.Key.Compare(b.Key) })
	return slices.CompactFunc(records, func(a, b flow.Record) bool { return a.Key == b.Key })
}

func randomRecord(r *rand.Rand) (record flow.Record) {
	k, c := &record.Key, &record.Counters
	k.Family = flow.IPv4
	bytes := 4
	if r.IntN(3) == 0 {
		k.Family, bytes = flow.IPv6, 16
	}
	for i := range bytes {
		if r.IntN(3) == 0 {
			k.Source[i], k.Destination[i] = byte(r.Uint32()), byte(r.Uint32())
		}
	}
	k.Protocol = flow.Protocol(r.IntN(4) * 17)
	k.DestinationPort = uint16(r.Uint32())
	c.BytesReceived, c.PacketsReceived = r.Uint64N(1<<uint(r.IntN(64))), r.Uint64N(1000)
	if r.IntN(2) == 0 {
		c.BytesSent, c.PacketsSent = r.Uint64N(1<<40), r.Uint64N(1<<20)
	}
	if r.IntN(20) == 0 {
		c.Attempts, c.Accepts, c.Rejects = 3, 2, 1
		c.RoundTripNanoseconds, c.RoundTrips = r.Uint64(), 2
	}
	return record
}

// visited is an interval as Scan hands it over.
type visited struct {
	Interval flow.Interval
	Records  []flow.Record
}

// scan collects what Scan visits, chunks of an interval joined.
func scan(t testing.TB, s *Store, iface string, first, last int64) ([]visited, ScanStats) {
	t.Helper()
	var all []visited
	stats, err := s.Scan(context.Background(), iface, first, last, func(iv flow.Interval, records []flow.Record) error {
		n := len(all)
		if part := iv.Accounting == (flow.Accounting{}); part && n > 0 && len(all[n-1].Records)%ChunkRows == 0 && len(records) > 0 {
			all[n-1].Records = append(all[n-1].Records, records...)
			return nil
		}
		all = append(all, visited{iv, slices.Clone(records)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, stats
}

const allTime = int64(1) << 60

// sortedByEnd is the order in which Scan visits blocks that were appended in the order given.
func sortedByEnd(all []visited) []visited {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b visited) int { return cmp.Compare(a.Interval.End, b.Interval.End) })
	return all
}

// v4 makes an IPv4 row.
func v4(source, destination uint32, port uint16, protocol flow.Protocol, c flow.Counters) flow.Record {
	r := flow.Record{Key: flow.Key{DestinationPort: port, Protocol: protocol, Family: flow.IPv4}, Counters: c}
	binary.BigEndian.PutUint32(r.Key.Source[:4], source)
	binary.BigEndian.PutUint32(r.Key.Destination[:4], destination)
	return r
}

// same compares what was written with what was visited; the difference is text, empty if there is none.
func same(want, got []visited) string {
	if slices.EqualFunc(want, got, func(a, b visited) bool {
		return a.Interval == b.Interval && slices.Equal(a.Records, b.Records)
	}) {
		return ""
	}
	return gocmp.Diff(want, got, cmpopts.EquateEmpty())
}
