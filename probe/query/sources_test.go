package query

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/segment"
)

// TestSourceSums: what is grouped by source alone comes from the sums by source where quarters of the day belong to the
// answer as a whole, and is what rows say; else from rows.
func TestSourceSums(t *testing.T) {
	r := testenv.Random(t)
	midnight := noon - daySeconds/2
	m := memory{}
	for i := range uint64(96) {
		block := map[flow.Key]flow.Record{} // as a probe stores it: each flow once
		for range 5 {
			rec := wide(r)
			block[rec.Key] = rec
		}
		m.add("eth0", midnight+900*int64(i+1), i, slices.Collect(maps.Values(block))...)
	}
	reader := write(t, segment.Config{ChunkTuples: 50, ChunkRows: 100, RollupRows: 256}, "eth0", m["eth0"])
	columns := engine(t, Deps{Stored: columnar{memory: m, cut: map[string][]*segment.Reader{"eth0": {reader}}}})
	rows := engine(t, Deps{Stored: m})
	span := func(from, to int64) (first, last string) {
		return fmt.Sprint(midnight + from + 1), fmt.Sprint(midnight + to)
	}
	quarter := func(r wire.Request) wire.Request { r.First, r.Last = span(21600, 43200); return r }
	half := func(r wire.Request) wire.Request { r.First, r.Last = span(0, 43200); return r }
	for name, c := range map[string]struct {
		wire.Request
		method string
	}{
		"a quarter":          {quarter(wire.Request{Query: "sip", Merge: true}), "sources"},
		"half a day":         {half(wire.Request{Query: "sip"}), "sources"},
		"networks":           {half(wire.Request{Query: "sip/20"}), "sources"},
		"IPv6 alone":         {quarter(wire.Request{Query: "sip", Condition: "ipversion = 6"}), "sources"},
		"least first":        {quarter(wire.Request{Query: "sip", SortAscending: true, NumResults: 7}), "sources"},
		"quarters":           {wire.Request{Query: "time,sip", TimeResolution: "6h"}, "sources"},
		"hours":              {wire.Request{Query: "time,sip", TimeResolution: "1h"}, "rows"},
		"more than quarters": {wire.Request{Query: "sip", First: fmt.Sprint(midnight + 20000)}, "rows"},
		"with ports":         {quarter(wire.Request{Query: "sip,dport"}), "rows"},
		"verdicts":           {quarter(wire.Request{Query: "sip,verdict"}), "rows"},
	} {
		c.Explain = true
		got := ask(t, columns, c.Request)
		c.Explain = false
		want := ask(t, rows, c.Request)
		if len(want.Rows) == 0 {
			t.Fatalf("%s: no rows", name)
		}
		if diff := gocmp.Diff(lines(want.Rows), lines(got.Rows)); diff != "" || got.Summary.Totals != want.Summary.Totals || got.Summary.Hits != want.Summary.Hits {
			t.Errorf("%s: %s", name, diff)
		}
		if step := got.Summary.Explain.Steps[0]; step.Method != c.method {
			t.Errorf("%s: %+v", name, step)
		}
	}
}
