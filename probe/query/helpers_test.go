package query

import (
	"context"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// noon is 2026-11-21T12:00:00Z, an interval end.
const noon = int64(1795262400)

// block is an interval with its rows.
type block struct {
	flow.Interval
	records []flow.Record
}

// memory is a Source of blocks by interface. It hands rows over in parts of two and spoils them afterwards, as a
// source that reuses its buffers does.
type memory map[string][]block

func (m memory) Interfaces(context.Context) ([]string, error) {
	return slices.Collect(maps.Keys(m)), nil
}

func (m memory) Coverage(_ context.Context, iface string) (first, last int64, err error) {
	for _, b := range m[iface] {
		start := b.End - int64(b.Duration/time.Second)
		if first == 0 || start < first {
			first = start
		}
		last = max(last, b.End)
	}
	return first, last, nil
}

func (m memory) Scan(ctx context.Context, iface string, first, last int64, visit Visit) (stats ScanStats, err error) {
	for _, b := range m[iface] {
		if b.End < first || b.End > last {
			continue
		}
		stats.Blocks++
		stats.Rows += uint64(len(b.records))
		iv := b.Interval
		for rest := b.records; ; {
			n := min(2, len(rest))
			part := slices.Clone(rest[:n])
			if err := visit(iv, part); err != nil {
				return stats, err
			}
			for i := range part {
				part[i] = flow.Record{}
			}
			iv.Accounting = flow.Accounting{}
			if rest = rest[n:]; len(rest) == 0 {
				break
			}
		}
	}
	return stats, ctx.Err()
}

// add appends an interval of five minutes.
func (m memory) add(iface string, end int64, sequence uint64, records ...flow.Record) {
	iv := flow.Interval{End: end, Duration: 5 * time.Minute, Boot: [16]byte{1}, Sequence: sequence}
	iv.Accounting.Received, iv.Accounting.Metered = uint64(len(records))+1, uint64(len(records))
	iv.Accounting.Issues[flow.IssueNotIP] = 1
	m[iface] = append(m[iface], block{iv, records})
}

// record makes an IPv4 row with equal bytes both ways.
func record(source, destination uint32, port uint16, protocol flow.Protocol, bytes uint64) flow.Record {
	r := flow.Record{Key: flow.Key{DestinationPort: port, Protocol: protocol, Family: flow.IPv4}}
	binary.BigEndian.PutUint32(r.Key.Source[:], source)
	binary.BigEndian.PutUint32(r.Key.Destination[:], destination)
	r.Counters = flow.Counters{BytesReceived: bytes, BytesSent: bytes, PacketsReceived: 1, PacketsSent: 1}
	return r
}

// random makes a row of few distinct keys.
func random(r *rand.Rand) flow.Record {
	rec := record(0x0a000000+r.Uint32N(3), 0xc0a80000+r.Uint32N(3), uint16(80+r.UintN(3)), flow.Protocol(6+11*r.UintN(2)), 0)
	if r.IntN(3) == 0 {
		rec.Key.Family = flow.IPv6
		rec.Key.Source[0], rec.Key.Destination[15] = 0x20, byte(r.UintN(2))
	}
	rec.Counters = flow.Counters{BytesReceived: r.Uint64N(50), BytesSent: r.Uint64N(5), PacketsReceived: r.Uint64N(4), PacketsSent: r.Uint64N(4)}
	switch r.IntN(5) {
	case 0:
		rec.Counters.Attempts, rec.Counters.Accepts = 1, 1
	case 1:
		rec.Counters.Attempts, rec.Counters.Rejects = 2, 1
	case 2:
		rec.Counters.Attempts = 1
	}
	return rec
}

func engine(t testing.TB, deps Deps) *Engine {
	t.Helper()
	if deps.Host == "" {
		deps.Host, deps.HostID = "host1", "id1"
	}
	if deps.Now == nil {
		deps.Now = func() time.Time { return time.Unix(noon+100, 0) }
	}
	e, err := New(DefaultConfig(), deps)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// prepare checks a request as the server does. First defaults to the beginning of time.
func prepare(t testing.TB, r wire.Request) *wire.Query {
	t.Helper()
	if r.Ifaces == "" {
		r.Ifaces = "any"
	}
	if r.First == "" {
		r.First = "1"
	}
	q, err := r.Prepare(time.Unix(noon+100, 0))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func ask(t testing.TB, e *Engine, r wire.Request) *wire.Result {
	t.Helper()
	result, err := e.Query(context.Background(), prepare(t, r))
	if err != nil {
		t.Fatal(err)
	}
	return result
}
