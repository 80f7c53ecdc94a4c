package query

import (
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// A query for certain groups answers what the query for all answers of these; one with a threshold leaves out what is
// below it, and counts it as cut off.
func TestGroupsAndThreshold(t *testing.T) {
	r := testenv.Random(t)
	for range 3 {
		s, _, live := world(t, r)
		e := engine(t, Deps{Stored: Stored(s), Live: live})
		for range 150 {
			question := randomQuestion(r)
			whole := question.Request
			whole.NumResults, whole.Other = 1<<20, false
			all := ask(t, e, whole)
			checkGroups(t, r, e, question.Request, all)
			if q := prepare(t, whole); q.SortBy != wire.SortTime && !q.Ascending {
				checkThreshold(t, r, e, question.Request, all)
			}
		}
	}
}

func checkGroups(t *testing.T, r *rand.Rand, e *Engine, request wire.Request, all *wire.Result) {
	t.Helper()
	named := map[wire.Group]bool{}
	if q := prepare(t, request); q.Has("dip") || q.Has("sip") || q.Has("proto") || q.Has("dport") {
		named[wire.Group{Attributes: unknownGroup(q)}] = true
	}
	for i := range all.Rows {
		if r.IntN(3) == 0 {
			named[wire.GroupOf(&all.Rows[i])] = true
		}
	}
	if len(named) == 0 {
		return
	}
	for g := range named {
		request.Groups = append(request.Groups, g)
	}
	q := prepare(t, request)
	want := &wire.Result{}
	sums := map[wire.Group]flow.Counters{}
	for i := range all.Rows {
		if g := wire.GroupOf(&all.Rows[i]); named[g] {
			sum := sums[g]
			sum.Add(all.Rows[i].Counters.Flow())
			sums[g] = sum
			want.Rows = append(want.Rows, all.Rows[i])
		}
	}
	m := wire.NewMerger(q)
	m.Add(want)
	got, expected := ask(t, e, request), m.Result()
	same := gocmp.Comparer(func(a, b wire.Row) bool { return a == b })
	if len(got.Rows)+len(expected.Rows) > 0 && !slices.Equal(got.Rows, expected.Rows) {
		t.Fatalf("%+v:\n%s", request, gocmp.Diff(expected.Rows, got.Rows, same))
	}
	var totals flow.Counters
	for _, sum := range sums {
		totals.Add(sum)
	}
	if got.Summary.Totals != wire.CountersFrom(totals) || got.Summary.Hits != expected.Summary.Hits {
		t.Fatalf("%+v: totals %+v, hits %+v; want %+v, %+v", request, got.Summary.Totals, got.Summary.Hits, totals, expected.Summary.Hits)
	}
	if diff := gocmp.Diff(expected.Summary.Other, got.Summary.Other); diff != "" {
		t.Fatalf("%+v: other: %s", request, diff)
	}
}

// unknownGroup are attributes that no row has.
func unknownGroup(q *wire.Query) (a wire.Attributes) {
	r := record(0x01020304, 0x01020305, 9, 9, 0)
	for _, c := range q.Columns {
		switch c.Name {
		case "sip":
			a.Source = r.Key.SourceAddr()
		case "dip":
			a.Destination = r.Key.DestinationAddr()
		case "dport":
			a.DestinationPort = 9
		case "proto":
			a.Protocol = 9
		case "verdict":
			a.Verdict = flow.VerdictRejected.String()
		}
	}
	return a
}

func checkThreshold(t *testing.T, r *rand.Rand, e *Engine, request wire.Request, all *wire.Result) {
	t.Helper()
	threshold := 1 + r.Uint64N(150)
	request.Threshold, request.Other = &threshold, true
	q := prepare(t, request)
	m := wire.NewMerger(q)
	m.Add(&wire.Result{Rows: all.Rows})
	got, expected := ask(t, e, request), m.Result()
	if len(got.Rows)+len(expected.Rows) > 0 && !slices.Equal(got.Rows, expected.Rows) {
		t.Fatalf("%+v, threshold %d:\n%s", request, threshold, gocmp.Diff(expected.Rows, got.Rows, gocmp.Comparer(func(a, b wire.Row) bool { return a == b })))
	}
	if got.Summary.Totals != all.Summary.Totals || got.Summary.Hits != expected.Summary.Hits {
		t.Fatalf("%+v: hits %+v, want %+v", request, got.Summary.Hits, expected.Summary.Hits)
	}
	if diff := gocmp.Diff(expected.Summary.Other, got.Summary.Other); diff != "" {
		t.Fatalf("%+v: other: %s", request, diff)
	}
}

// Rows carry those labels of the host that the query names, beside others and alone.
func TestLabelColumns(t *testing.T) {
	stored := memory{}
	stored.add("eth0", noon, 1, record(1, 2, 80, flow.TCP, 5), record(1, 3, 80, flow.TCP, 6))
	e := engine(t, Deps{Stored: stored, Labels: map[string]string{"company": "acme", "site": "zrh"}})
	got := ask(t, e, wire.Request{Query: "label.company,label.rack,dport", Merge: true})
	if len(got.Rows) != 1 || got.Rows[0].Labels.HostLabels != wire.HostLabelsFrom(map[string]string{"company": "acme"}) ||
		got.Rows[0].Attributes.DestinationPort != 80 || got.Rows[0].Counters.BytesSent != 11 {
		t.Errorf("%+v", got.Rows)
	}
	group := wire.GroupOf(&got.Rows[0])
	if again := ask(t, e, wire.Request{Query: "label.company,label.rack,dport", Merge: true, Groups: []wire.Group{group}}); !slices.Equal(again.Rows, got.Rows) {
		t.Errorf("by its group: %+v", again.Rows)
	}
	group.Labels.HostLabels = wire.HostLabelsFrom(map[string]string{"company": "other"})
	if again := ask(t, e, wire.Request{Query: "label.company,label.rack,dport", Merge: true, Groups: []wire.Group{group}}); len(again.Rows) != 0 {
		t.Errorf("another host's group: %+v", again.Rows)
	}
	if none := ask(t, e, wire.Request{Query: "sip", Merge: true, Condition: "label.company = other"}); len(none.Rows) != 0 {
		t.Errorf("a condition that the label fails: %+v", none.Rows)
	}
}
