package query

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/segment"
	"github.com/weirflow/weir/probe/vfs"
)

// columnar is a Viewer: the blocks of a memory, some of them in segments.
type columnar struct {
	memory // all blocks
	logs   memory
	cut    map[string][]*segment.Reader
}

type columnarView struct {
	columnar
	iface       string
	first, last int64
}

func (c columnar) Open(_ context.Context, iface string, first, last int64) (View, error) {
	return columnarView{c, iface, first, last}, nil
}

func (v columnarView) Segments() []*segment.Reader { return v.cut[v.iface] }
func (v columnarView) Close()                      {}
func (v columnarView) Scan(ctx context.Context, visit Visit) (ScanStats, error) {
	return v.logs.Scan(ctx, v.iface, v.first, v.last, visit)
}

const daySeconds = 24 * 60 * 60

// write makes a segment of blocks, which are of one day.
func write(t testing.TB, config segment.Config, iface string, blocks []block) *segment.Reader {
	t.Helper()
	return writeTo(t, vfs.NewMemory(), config, iface, blocks)
}

// writeTo makes it as /s/segment.
func writeTo(t testing.TB, files *vfs.Memory, config segment.Config, iface string, blocks []block) *segment.Reader {
	t.Helper()
	var rows []segment.Row
	var intervals []flow.Interval
	var words segment.Vocabulary
	for _, b := range blocks {
		intervals = append(intervals, b.Interval)
		for _, r := range b.records {
			rows = append(rows, segment.Row{Key: r.Key, Stamp: b.End, Counters: r.Counters})
			words.Add(&rows[len(rows)-1])
		}
	}
	slices.SortFunc(rows, func(a, b segment.Row) int { return cmp.Or(a.Key.Compare(b.Key), cmp.Compare(a.Stamp, b.Stamp)) })
	if err := files.MkdirAll("/s", 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := files.Create("/s/segment", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	day := (blocks[0].End - 1) / daySeconds
	w, err := segment.Create(f, config, segment.Meta{Interface: iface, Day: day, First: day*daySeconds + 1, Last: (day + 1) * daySeconds}, intervals, &words)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := w.Add(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("%s/%s.wseg", iface, moment(blocks[0].End-1).Format(time.DateOnly))
	reader, err := segment.Open(f, name)
	if err != nil {
		t.Fatal(err)
	}
	return reader
}

// inColumns puts most blocks into segments of up to perSegment blocks, the others stay in logs.
func inColumns(t testing.TB, r *rand.Rand, m memory, config segment.Config, perSegment int) columnar {
	c := columnar{memory: m, logs: memory{}, cut: map[string][]*segment.Reader{}}
	for iface, blocks := range m {
		rest := slices.Clone(blocks)
		for len(rest) > 0 {
			n := 1
			for n < len(rest) && n < perSegment && (rest[n].End-1)/daySeconds == (rest[0].End-1)/daySeconds {
				n++
			}
			if r.IntN(5) == 0 {
				c.logs[iface] = append(c.logs[iface], rest[:n]...)
			} else {
				c.cut[iface] = append(c.cut[iface], write(t, config, iface, rest[:n]))
			}
			rest = rest[n:]
		}
	}
	return c
}

// days is random data of some days: many blocks, distinct keys in each, folded rows in a few.
func days(r *rand.Rand, blocks, rows int) memory {
	m := memory{}
	for _, iface := range []string{"eth0", "eth1", "lo"} {
		for i := range uint64(blocks) {
			m.add(iface, noon-int64(blocks-int(i))*7200, i)
			b := &m[iface][i]
			seen := map[flow.Key]bool{}
			for range r.IntN(rows) {
				rec := wide(r)
				if !seen[rec.Key] {
					seen[rec.Key] = true
					b.records = append(b.records, rec)
				}
			}
		}
	}
	return m
}

// wide makes a row of more keys than random does, some of them folded or from 0.0.0.0.
func wide(r *rand.Rand) flow.Record {
	rec := random(r)
	rec.Counters.PacketsReceived++
	switch r.IntN(30) {
	case 0:
		rec.Key.Source, rec.Key.Destination, rec.Key.DestinationPort = flow.Address{}, flow.Address{}, 0
		return rec
	case 1:
		rec.Key.Source = flow.Address{}
		return rec
	}
	if rec.Key.Family == flow.IPv6 {
		rec.Key.Source[7], rec.Key.Source[8] = byte(r.IntN(4)), byte(r.IntN(3))
		return rec
	}
	binary.BigEndian.PutUint32(rec.Key.Source[:], 0x0a000000+r.Uint32N(40)*0x0101)
	if r.IntN(3) == 0 {
		binary.BigEndian.PutUint32(rec.Key.Destination[:], 0xc0a80000+r.Uint32N(700))
	}
	if r.IntN(4) == 0 {
		rec.Key.Protocol, rec.Key.DestinationPort = flow.ICMP, uint16(r.IntN(2)*2048)
	}
	return rec
}

// randomCondition makes a condition of a few terms.
func randomCondition(r *rand.Rand, depth int) string {
	if depth > 0 && r.IntN(2) == 0 {
		return fmt.Sprintf("(%s %s %s)", randomCondition(r, depth-1), []string{"&", "|"}[r.IntN(2)], randomCondition(r, depth-1))
	}
	not := []string{"", "", "!"}[r.IntN(3)]
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("10.0.%d.%d", r.IntN(40), r.IntN(40))
	}
	terms := []string{
		fmt.Sprintf("sip = 10.0.%d.%d", r.IntN(4), r.IntN(4)), "sip = 10.0.0.0/21", fmt.Sprintf("dip = 192.168.0.%d", r.IntN(4)),
		"dip in (192.168.0.0/24, 2000::/3, ::/64)", "host = 10.0.7.7", "net = 10.0.16.0/20", "host in (" + strings.Join(many, ",") + ")",
		"dport = 80", "dport in (81-90, 2048)", "proto = tcp", "proto = icmp & dport = 2048", "ipversion = 6", "verdict = rejected",
		"verdict in (accepted, n/a)", "iface = eth1", "hostname = host1", "sip is private", "sip = 0.0.0.0", "sip = 2000:0:0:1::/64",
		"dip is unspecified",
	}
	return not + "(" + terms[r.IntN(len(terms))] + ")"
}

func randomRequest(r *rand.Rand) wire.Request {
	one := func(texts ...string) string { return texts[r.IntN(len(texts))] }
	first := noon - r.Int64N(60)*7200/2 - r.Int64N(2)*77
	request := wire.Request{
		Query: one("sip", "sip,dip", "dport,proto", "raw", "proto,verdict", "time", "time,dip", "time,iface,dport", "dip,dport",
			"host,proto", "iface", "verdict,time", "sip,dip,dport,proto", "sip/20", "sip/20,dip/24,proto", "dip/31,dport", "sip,dport",
			"time,sip/24,dip", "time,proto", "dport", "sip/56,dip", "sip,dip/48,verdict", "time,sip"),
		Ifaces: one("any", "eth0", "eth0,eth1", "any,!eth1"), In: r.IntN(4) == 0, Out: r.IntN(4) == 0,
		First: fmt.Sprint(first), Last: fmt.Sprint(first + r.Int64N(60)*3600),
		SortBy: one("bytes", "packets"), SortAscending: r.IntN(4) == 0, NumResults: 1 + r.Int64N(40),
		TimeResolution: one("", "", "1d", "4h", "2h"), Merge: r.IntN(2) == 0, Other: r.IntN(2) == 0,
	}
	if r.IntN(3) > 0 {
		request.Condition = randomCondition(r, 2)
	}
	if r.IntN(6) == 0 {
		group := one("bytes > 60", "packets <= 4", "dir = in", "not rtt > 1ms")
		if request.Condition != "" {
			request.Condition += " & "
		}
		request.Condition += group
	}
	request.Series = r.IntN(2) == 0 && (strings.HasPrefix(request.Query, "time") || request.Query == "raw" || request.Query == "verdict,time")
	request.Seen = r.IntN(2) == 0 && !strings.Contains(request.Query, "time") && request.Query != "raw"
	if r.IntN(5) == 0 {
		request.Compare = one("10d", "5d")
		request.Last = fmt.Sprint(first + r.Int64N(5*daySeconds))
	}
	return request
}

// same compares answers but for their cost.
func same(a, b *wire.Result) string {
	return gocmp.Diff(a, b, gocmp.Comparer(func(x, y wire.Attributes) bool { return x == y }),
		cmpopts.IgnoreFields(wire.Summary{}, "Stats", "Timings", "Explain"), cmpopts.IgnoreFields(wire.Status{}, "BytesScanned", "DurationNanoseconds"))
}

// TestSegmentsAnswerLikeRows: rows in segments, logs and memory give the answer that the same rows give one by one,
// however segments are cut and whatever the bounds on memory and processors are.
func TestSegmentsAnswerLikeRows(t *testing.T) {
	r := testenv.Random(t)
	for range 5 {
		m := days(r, 30, 60)
		rows := engine(t, Deps{Stored: m})
		config := segment.Config{ChunkTuples: 1 + r.IntN(40), ChunkRows: 1 + r.IntN(200), RollupRows: uint64(r.IntN(30))}
		stored := inColumns(t, r, m, config, 1+r.IntN(20))
		var engines []*Engine
		for _, c := range []Config{
			{Parallel: 1, neverSparse: true}, {Parallel: 4, alwaysSparse: true}, {Parallel: 3},
			{Parallel: 2, Memory: 40 << 10, neverSparse: true}, {Parallel: 1, Memory: 24 << 10, neverSparse: true},
		} {
			c.MaxGroups = DefaultConfig().MaxGroups
			e, err := New(c, Deps{Stored: stored, Host: "host1", HostID: "id1", Now: rows.deps.Now})
			if err != nil {
				t.Fatal(err)
			}
			engines = append(engines, e)
		}
		for range 60 {
			request := randomRequest(r)
			q := prepare(t, request)
			want, err := rows.Query(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			for i, e := range engines {
				got, err := e.Query(context.Background(), q)
				if err != nil {
					t.Fatalf("engine %d, %+v: %v", i, request, err)
				}
				if diff := same(want, got); diff != "" {
					t.Fatalf("engine %d, chunks of %d, %+v:\n%s", i, config.ChunkTuples, request, diff)
				}
			}
		}
	}
}

// TestRemainderOfGreatSums: what a bin holds beside the rows shown is exact where the sum of both does not fit.
func TestRemainderOfGreatSums(t *testing.T) {
	m := memory{}
	m.add("eth0", noon, 1, record(1, 9, 80, flow.TCP, 1<<64-1), record(2, 9, 80, flow.TCP, 7), record(3, 9, 80, flow.TCP, 5))
	cut := map[string][]*segment.Reader{"eth0": {writeTo(t, vfs.NewMemory(), segment.Config{ChunkTuples: 10, ChunkRows: 100}, "eth0", m["eth0"])}}
	result := ask(t, engine(t, Deps{Stored: columnar{memory: m, cut: cut}}),
		wire.Request{Query: "time,sip", Merge: true, Series: true, Other: true, NumResults: 1})
	other := result.Summary.Other
	if len(result.Rows) != 1 || other == nil || len(other.Bins) != 1 || other.Bins[0].Counters != other.Counters || other.Counters.BytesSent != 12 {
		t.Errorf("%d rows, %+v", len(result.Rows), other)
	}
}
