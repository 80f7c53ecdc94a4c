package query

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/segment"
	"github.com/weirflow/weir/probe/vfs"
)

// TestModelInColumns compares the engine over segments, logs and a live source with the naive evaluation.
func TestModelInColumns(t *testing.T) {
	r := testenv.Random(t)
	for range 3 {
		m, live := days(r, 20, 40), memory{}
		for iface := range m {
			live.add(iface, noon+300, 99, wide(r), random(r))
		}
		stored := inColumns(t, r, m, segment.Config{ChunkTuples: 1 + r.IntN(30), ChunkRows: 100, RollupRows: uint64(r.IntN(20))}, 1+r.IntN(12))
		e := engine(t, Deps{Stored: stored, Live: live})
		for range 60 {
			question := randomQuestion(r)
			question.First = fmt.Sprint(noon - r.Int64N(20*7200))
			question.Last = fmt.Sprint(noon + r.Int64N(2)*400 - r.Int64N(2)*7000)
			if question.First > question.Last {
				continue
			}
			q := prepare(t, question.Request)
			got, err := e.Query(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			if diff := checkAnswer(got, q, question.meaning, m, live); diff != "" {
				t.Fatalf("%+v:\n%s", question.Request, diff)
			}
		}
	}
}

// TestLiveIntervalInSegment: a live interval that has reached a segment meanwhile counts once.
func TestLiveIntervalInSegment(t *testing.T) {
	row := record(0x0a000001, 0x08080808, 53, flow.UDP, 10)
	m := memory{}
	m.add("eth0", noon, 1, row)
	m.add("eth0", noon+300, 2, row)
	stored := columnar{memory: m, logs: memory{}, cut: map[string][]*segment.Reader{"eth0": {write(t, segment.DefaultConfig(), "eth0", m["eth0"])}}}
	result := ask(t, engine(t, Deps{Stored: stored, Live: current(row)}), wire.Request{Query: "sip", Merge: true, Live: true})
	if diff := gocmp.Diff([]string{"10.0.0.1 20"}, lines(result.Rows)); diff != "" {
		t.Error(diff)
	}
}

// TestSegmentDamage: a chunk that cannot be read is lost and named, all others answer.
func TestSegmentDamage(t *testing.T) {
	m := memory{}
	for i := range uint64(40) {
		m.add("eth0", noon+300*int64(i), i, record(0x0a000000+uint32(i), 0x08080808, 53, flow.UDP, 10), record(0x0a000100+uint32(i), 0x08080808, 443, flow.TCP, 10))
	}
	files := vfs.NewMemory()
	good := writeTo(t, files, segment.Config{ChunkTuples: 10, ChunkRows: 100, RollupRows: 1}, "eth0", m["eth0"])
	chunks, err := good.Chunks()
	if err != nil || len(chunks) != 8 {
		t.Fatal(len(chunks), err)
	}
	queries := []string{"sip", "sip,dip"} // from sums by source, from chunks
	whole := map[string]*wire.Result{}
	for _, query := range queries {
		whole[query] = ask(t, engine(t, Deps{Stored: columnar{memory: m, cut: map[string][]*segment.Reader{"eth0": {good}}}}), wire.Request{Query: query, Merge: true})
	}
	content := files.Bytes("/s/segment")
	seen := map[int64]int{}
	for i := 0; i < len(content); i += 23 {
		damaged := append([]byte(nil), content...)
		damaged[i] ^= 0x10
		files.SetBytes("/s/segment", damaged)
		f, err := files.Open("/s/segment")
		if err != nil {
			t.Fatal(err)
		}
		reader, err := segment.Open(f, "eth0/x.wseg")
		if err != nil {
			continue // the store says so
		}
		for _, query := range queries {
			result := ask(t, engine(t, Deps{Stored: columnar{memory: m, cut: map[string][]*segment.Reader{"eth0": {reader}}}}), wire.Request{Query: query, Merge: true})
			if query == "sip,dip" {
				seen[result.Summary.Hits.Total]++
			}
			full := result.Summary.Totals == whole[query].Summary.Totals && result.Summary.Hits == whole[query].Summary.Hits
			said := result.Status.State == wire.StatePartial && strings.Contains(result.Status.Message, "eth0/x.wseg")
			if full == said {
				t.Errorf("%s, byte %d: %d hits, %+v", query, i, result.Summary.Hits.Total, result.Status)
			}
		}
	}
	if seen[70] == 0 || seen[80] == 0 {
		t.Errorf("numbers of hits %v: no chunk was lost alone", seen)
	}
}

// TestCancellingColumns: a query over segments ends when it is cancelled, in whatever it is doing.
func TestCancellingColumns(t *testing.T) {
	r := testenv.Random(t)
	m := days(r, 20, 60)
	stored := inColumns(t, r, m, segment.Config{ChunkTuples: 2, ChunkRows: 10, RollupRows: 1}, 10)
	for _, query := range []string{"sip,dip", "dip", "time,dport", "dport"} {
		for _, c := range []Config{{MaxGroups: 1 << 20, Parallel: 1, neverSparse: true}, {MaxGroups: 1 << 20, Parallel: 3}} {
			e, err := New(c, Deps{Stored: stored, Host: "h"})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			var reports atomic.Int64
			_, err = e.QueryReporting(ctx, prepare(t, wire.Request{Query: query, Condition: "packets > 0 & sip != 10.0.0.99"}), func(p Progress) {
				if p.Done < 0 || p.Done > p.Total {
					t.Errorf("%+v", p)
				}
				reports.Add(1)
				cancel()
			})
			if !errors.Is(err, context.Canceled) || reports.Load() == 0 || reports.Load() > 40 {
				t.Errorf("%s: %v after %d reports", query, err, reports.Load())
			}
		}
	}
}

// TestExplain: each segment says how it was read, and why.
func TestExplain(t *testing.T) {
	m := memory{}
	for i := range uint64(20) {
		m.add("eth0", noon+300*int64(i), i, record(0x0a000000+uint32(i), 0x08080808, 53, flow.UDP, 10), record(0x0a000100+uint32(i), 0x08080808, 443, flow.TCP, 10))
	}
	reader := write(t, segment.Config{ChunkTuples: 10, ChunkRows: 100, RollupRows: 1}, "eth0", m["eth0"])
	e := engine(t, Deps{Stored: columnar{memory: m, cut: map[string][]*segment.Reader{"eth0": {reader}}}})
	for name, c := range map[string]struct {
		request wire.Request
		method  string
		read    int
	}{
		"services":         {wire.Request{Query: "dport,proto"}, "rollup", 0},
		"services by time": {wire.Request{Query: "time", Condition: "dport = 53", First: fmt.Sprint(noon + 300)}, "rollup", 0},
		"time":             {wire.Request{Query: "time,iface"}, "totals", 0},
		"sources":          {wire.Request{Query: "sip"}, "sources", 0},
		"pairs":            {wire.Request{Query: "sip,dip"}, "sums", 4},
		"one source":       {wire.Request{Query: "sip", Condition: "sip = 10.0.0.3"}, "sums", 1},
		"an hour":          {wire.Request{Query: "sip", First: fmt.Sprint(noon + 3000)}, "rows", 2},
		"nobody":           {wire.Request{Query: "sip", Condition: "sip = 10.9.9.9"}, "skipped", 0},
		"another day":      {wire.Request{Query: "sip", First: fmt.Sprint(noon + 90_000)}, "skipped", 0},
	} {
		c.request.Explain = true
		result := ask(t, e, c.request)
		if result.Summary.Explain == nil || len(result.Summary.Explain.Steps) != 1 {
			t.Fatalf("%s: %+v", name, result.Summary.Explain)
		}
		step := result.Summary.Explain.Steps[0]
		if result.Summary.Stats.BytesLoaded < step.BytesRead || result.Summary.Stats.DirectoriesProcessed != 1 {
			t.Errorf("%s: %+v", name, result.Summary.Stats)
		}
		if step.Method != c.method || step.ChunksRead != c.read || step.Reason == "" || step.BytesRead == 0 && c.read > 0 || result.Summary.Explain.BytesRead != result.Summary.Stats.BytesLoaded || step.Chunks != 4 && name != "another day" {
			t.Errorf("%s: %+v", name, step)
		}
	}
	if ask(t, e, wire.Request{Query: "sip"}).Summary.Explain != nil {
		t.Error("an explanation nobody asked for")
	}
}

// TestFoldedRowsAreSaid: rows without addresses stand in the summary, and match nothing that is about addresses.
func TestFoldedRowsAreSaid(t *testing.T) {
	m := memory{}
	folded := record(0, 0, 0, flow.UDP, 7)
	m.add("eth0", noon, 1, record(0x0a000001, 0x08080808, 53, flow.UDP, 10), folded)
	m.add("eth0", noon+300, 2, folded)
	m.add("eth0", noon+600, 3, record(0, 0xffffffff, 67, flow.UDP, 1))
	reader := write(t, segment.DefaultConfig(), "eth0", m["eth0"])
	for name, source := range map[string]StoredSource{
		"rows": m, "segments": columnar{memory: m, cut: map[string][]*segment.Reader{"eth0": {reader}}},
	} {
		e := engine(t, Deps{Stored: source})
		all := ask(t, e, wire.Request{Query: "sip", Merge: true, Condition: "sip != 10.0.0.1"})
		if diff := gocmp.Diff(&wire.Folded{Packets: 4, Bytes: 28, Intervals: 2}, all.Summary.Folded); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := gocmp.Diff([]string{"0.0.0.0 1"}, lines(all.Rows)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		some := ask(t, e, wire.Request{Query: "proto", Merge: true, First: fmt.Sprint(noon + 300), Last: fmt.Sprint(noon + 300)})
		if diff := gocmp.Diff(&wire.Folded{Packets: 2, Bytes: 14, Intervals: 1}, some.Summary.Folded); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestCompare: rows carry what their groups counted in the earlier span, zero where there was nothing.
func TestCompare(t *testing.T) {
	m := memory{}
	m.add("eth0", noon-86400, 1, record(0x0a000001, 0x08080808, 53, flow.UDP, 3))
	m.add("eth0", noon, 2, record(0x0a000001, 0x08080808, 53, flow.UDP, 10), record(0x0a000002, 0x08080808, 53, flow.UDP, 5))
	columns := columnar{memory: m, cut: map[string][]*segment.Reader{"eth0": {
		write(t, segment.DefaultConfig(), "eth0", m["eth0"][:1]), write(t, segment.DefaultConfig(), "eth0", m["eth0"][1:])}}}
	for name, source := range map[string]StoredSource{"rows": m, "segments": columns} {
		for _, query := range []string{"sip", "time,sip"} {
			result := ask(t, engine(t, Deps{Stored: source}), wire.Request{Query: query, Merge: true, First: fmt.Sprint(noon - 100), Last: fmt.Sprint(noon), Compare: "1d"})
			if len(result.Rows) != 2 || result.Rows[0].Before.BytesReceived != 3 || *result.Rows[1].Before != (wire.Counters{}) {
				t.Errorf("%s, %s: %+v", name, query, result.Rows)
			}
		}
	}
}

// TestChunksAllocateNothing: once its buffers have grown, a worker reads chunk after chunk without allocating.
func TestChunksAllocateNothing(t *testing.T) {
	r := testenv.Random(t)
	m := days(r, 12, 200)
	e := engine(t, Deps{Stored: columnar{memory: m, cut: map[string][]*segment.Reader{
		"eth0": {write(t, segment.Config{ChunkTuples: 64, ChunkRows: 1000}, "eth0", m["eth0"][:3])}}}})
	for _, query := range []string{"sip,dip,dport,proto", "time,dip", "sip"} {
		q := prepare(t, wire.Request{Query: query, Ifaces: "eth0", Condition: "proto != 99 & !(dip = 10.9.9.9)"})
		run := e.newRun(q, q.First, q.Last)
		run.interfaces = []string{"eth0"}
		if err := run.collectAll(context.Background(), e.deps.Now()); err != nil {
			t.Fatal(err)
		}
		pl, err := run.newPlan(run.shape, newCondition(q.Matcher.Rows()))
		if err != nil {
			t.Fatal(err)
		}
		w := pl.newWorker(context.Background(), newTable(pl.counters, 1<<20, newSeed(), nil), 1)
		all := func() {
			w.table.clear()
			for _, c := range pl.parts[0].candidates {
				if err := w.load(w.buffers[0], pl.parts[0], c); err != nil {
					t.Fatal(err)
				}
				if err := w.emit(w.buffers[0], w.buffers[0].selected); err != nil {
					t.Fatal(err)
				}
			}
		}
		all()
		if n := testing.AllocsPerRun(5, all) / float64(len(pl.parts[0].candidates)); n > 0.5 {
			t.Errorf("%s: %v allocations a chunk", query, n)
		}
	}
}
