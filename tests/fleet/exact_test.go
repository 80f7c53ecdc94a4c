package fleet_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/wire"
)

var sameRow = cmp.Comparer(func(a, b wire.Row) bool {
	before := a.Before == nil && b.Before == nil || a.Before != nil && b.Before != nil && *a.Before == *b.Before
	a.Before, b.Before = nil, nil
	return before && a == b
})

// randomRequest is a question whose groups span hosts, mostly.
func randomRequest(r *rand.Rand) wire.Request {
	one := func(texts ...string) string { return texts[r.IntN(len(texts))] }
	first := noon - r.Int64N(6)*300
	request := wire.Request{
		Query: one("sip", "sip,dip", "sip,dip,dport,proto", "dport,proto", "sip/30,dport", "dip/20,sip", "sip,verdict", "sip,iface", "proto", "sip,host",
			"time,sip", "time", "time,dport,iface"),
		Ifaces:    one("any", "any", "eth0", "any,!eth1"),
		Condition: one("", "", "", "dport = 80", "proto = tcp | iface = eth1", "ipversion = 6", "bytes > 100", "packets < 9 & dport != 81", "verdict = accepted", "sip in (10.0.0.0/27)"),
		In:        r.IntN(4) == 0, Out: r.IntN(4) == 0,
		First: fmt.Sprint(first), Last: fmt.Sprint(first + 300*r.Int64N(8)),
		SortBy: one("bytes", "bytes", "packets", ""), SortAscending: r.IntN(6) == 0,
		NumResults: 1 + r.Int64N(9), TimeResolution: one("", "10m", "5m"),
		Merge: r.IntN(8) > 0, Other: r.IntN(2) == 0,
	}
	hasTime := strings.Contains(request.Query, "time")
	request.Series = hasTime && r.IntN(3) > 0
	request.Seen = !hasTime && r.IntN(3) == 0
	if r.IntN(4) == 0 {
		request.Compare = one("1h", "previous")
		request.First, request.Last = fmt.Sprint(noon-600), fmt.Sprint(noon)
	}
	if q, err := request.Prepare(now); err == nil && !q.Ascending && q.SortBy != wire.SortTime && r.IntN(5) == 0 {
		threshold := 1 + r.Uint64N(400)
		request.Threshold = &threshold
	}
	return request
}

// counts are how often a query took how many rounds.
type counts map[string]map[int]int

func (c counts) add(kind string, rounds int) {
	if c[kind] == nil {
		c[kind] = map[int]int{}
	}
	c[kind][rounds]++
}

func (c counts) String() string {
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(c)) {
		fmt.Fprintf(&b, "\n%-8s", kind)
		for _, n := range slices.Sorted(maps.Keys(c[kind])) {
			fmt.Fprintf(&b, "  %d round(s): %d", n, c[kind][n])
		}
	}
	return b.String()
}

// The proof obligation: whatever is asked, the answer of a fleet is that of a single store with the rows of all hosts,
// byte by byte, in one level and in two, and in whatever order the hosts stand.
func TestFleetEqualsSingleStore(t *testing.T) {
	r := testenv.Random(t)
	rounds := counts{}
	for i := range worlds {
		w := newWorld(t, r, size{hosts: 2 + r.IntN(6), intervals: 4, rows: 5 + r.IntN(60), groups: 5 + r.IntN(400)})
		if i%4 == 3 { // one host can only be asked for all
			w.hosts[r.IntN(len(w.hosts))].able = wire.Abilities{}
		}
		flat := fleetOf(t, members(w.hosts)...)
		half := 1 + r.IntN(len(w.hosts)-1)
		nested := fleetOf(t, fleet.Host{Name: "left", Gateway: true, Client: gateway{fleetOf(t, members(w.hosts[:half])...)}},
			fleet.Host{Name: "right", Gateway: true, Client: gateway{fleetOf(t, members(w.hosts[half:])...)}})
		shuffled := slices.Clone(w.hosts)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for range questions {
			request := randomRequest(r)
			q := prepare(t, request)
			want, err := w.union.engine.Query(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			far := 0
			got, err := flat.Query(t.Context(), q, func(p *wire.Result) { far = max(far, p.Summary.Progress.Rounds) })
			if err != nil {
				t.Fatalf("%+v: %v", request, err)
			}
			rounds.add(kindOf(q), far)
			check(t, q, "flat", want, got)
			checkSame(t, q, flat, "two levels", nested, got)
			checkSame(t, q, flat, "another order", fleetOf(t, members(shuffled)...), got)
		}
	}
	t.Logf("rounds:%s", rounds)
}

func kindOf(q *wire.Query) string {
	switch {
	case !q.Merge || q.Has("host"):
		return "apart"
	case q.Series:
		return "series"
	case q.SortBy == wire.SortTime:
		return "time"
	case q.Ascending || q.Matcher.HasGroup():
		return "all"
	}
	return "top"
}

// check compares the answer of a fleet with that of one store. Hosts of rows are named differently there.
func check(t *testing.T, q *wire.Query, what string, want, got *wire.Result) {
	t.Helper()
	if !q.Merge || q.Has("host") {
		return // rows of hosts stay apart: there is no single store to compare with
	}
	if diff := cmp.Diff(want.Rows, got.Rows, sameRow, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s: %+v threshold %d: rows:\n%s", what, q.Request, q.Threshold, diff)
	}
	w, g := want.Summary, got.Summary
	if w.Totals != g.Totals || w.Hits.Displayed != g.Hits.Displayed || g.Hits.Total < w.Hits.Total || !g.Hits.Bound && g.Hits.Total != w.Hits.Total {
		t.Fatalf("%s: %+v: totals %+v, hits %+v; want %+v, %+v", what, q.Request, g.Totals, g.Hits, w.Totals, w.Hits)
	}
	if w.Other != nil && g.Hits.Bound {
		w.Other.Groups = g.Other.Groups
	}
	if diff := cmp.Diff(w.Other, g.Other); diff != "" {
		t.Fatalf("%s: %+v: other:\n%s", what, q.Request, diff)
	}
	covered := cmpopts.IgnoreFields(wire.BinCoverage{}, "Seconds") // the one store has every interval several times
	if diff := cmp.Diff(w.Coverage, g.Coverage, cmpopts.EquateEmpty(), covered); diff != "" {
		t.Fatalf("%s: %+v: coverage:\n%s", what, q.Request, diff)
	}
	if g.Bounded != nil || got.Status.Code != want.Status.Code || got.Status.State != want.Status.State {
		t.Fatalf("%s: %+v: bounded %+v, status %+v, want %+v", what, q.Request, g.Bounded, got.Status, want.Status)
	}
}

// checkSame compares the answer of another fleet of the same hosts.
func checkSame(t *testing.T, q *wire.Query, _ *fleet.Fleet, what string, other *fleet.Fleet, want *wire.Result) {
	t.Helper()
	got, err := other.Query(t.Context(), q, nil)
	if err != nil {
		t.Fatalf("%s: %+v: %v", what, q.Request, err)
	}
	if diff := cmp.Diff(want.Rows, got.Rows, sameRow, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s: %+v: rows:\n%s", what, q.Request, diff)
	}
	if want.Summary.Totals != got.Summary.Totals || want.Summary.Hits.Displayed != got.Summary.Hits.Displayed || got.Summary.Bounded != nil {
		t.Fatalf("%s: %+v: totals %+v, hits %+v, bounded %+v", what, q.Request, got.Summary.Totals, got.Summary.Hits, got.Summary.Bounded)
	}
	if o, p := want.Summary.Other, got.Summary.Other; o != nil {
		if o.Counters != p.Counters || cmp.Diff(o.Bins, p.Bins) != "" {
			t.Fatalf("%s: %+v: other %+v, want %+v", what, q.Request, p, o)
		}
	}
}

// A host that fails between rounds is named, and the answer keeps what it says about how wrong it may be.
func TestFailureBetweenRounds(t *testing.T) {
	r := testenv.Random(t)
	bounded, exact := 0, 0
	for range worlds * 2 {
		w := newWorld(t, r, size{hosts: 3 + r.IntN(4), intervals: 2, rows: 60, groups: 60 + r.IntN(400)})
		victim := w.hosts[r.IntN(len(w.hosts))]
		lives, asked := 1+r.IntN(3), 0
		victim.fails = func(*wire.Request) error {
			if asked++; asked > lives {
				return errors.New("gone")
			}
			return nil
		}
		request := wire.Request{Query: []string{"sip", "sip,dport", "time,sip"}[r.IntN(3)], Ifaces: "any", Merge: true, NumResults: 1 + r.Int64N(9), Other: true,
			First: fmt.Sprint(noon - 3000), Last: fmt.Sprint(noon)}
		request.Series = strings.HasPrefix(request.Query, "time")
		q := prepare(t, request)
		got, err := fleetOf(t, members(w.hosts)...).Query(t.Context(), q, nil)
		if err != nil {
			t.Fatal(err)
		}
		if asked <= lives {
			exact++
			continue // it was not needed again
		}
		status := got.HostsStatuses[victim.name]
		if status.State != wire.StatePartial || !strings.Contains(status.Message, "gone") || got.Status.State != wire.StatePartial {
			t.Fatalf("%+v, of all %+v", status, got.Status)
		}
		if !checkBound(t, q, w, got) {
			exact++
			continue
		}
		bounded++
	}
	t.Logf("%d answers are bounded, %d exact", bounded, exact)
	if bounded == 0 {
		t.Error("no failure ever mattered")
	}
}

// checkBound compares an answer with the truth, within what it says of itself. It returns whether it says anything.
func checkBound(t *testing.T, q *wire.Query, w *world, got *wire.Result) bool {
	t.Helper()
	all := *q
	all.Limit = 1 << 30
	truth, err := w.union.engine.Query(t.Context(), &all)
	if err != nil {
		t.Fatal(err)
	}
	b := got.Summary.Bounded
	if b == nil {
		b = &wire.Bounded{}
	}
	sums := sumsOf(q, truth.Rows)
	shown := sumsOf(q, got.Rows)
	least := ^uint64(0)
	for g, sum := range shown {
		least = min(least, sums[g])
		if sums[g] < sum || sums[g] > sum+b.Missing {
			t.Fatalf("%+v: %+v has %d, in truth %d, but %d may be missing (%s)", q.Request, g, sum, sums[g], b.Missing, b.Reason)
		}
	}
	for g, sum := range sums {
		if _, ok := shown[g]; !ok && sum > least && sum > b.Unseen {
			t.Fatalf("%+v: %+v has %d and no row, but %d may be unseen", q.Request, g, sum, b.Unseen)
		}
	}
	return got.Summary.Bounded != nil
}

func sumsOf(q *wire.Query, rows []wire.Row) map[wire.Group]uint64 {
	sums := map[wire.Group]uint64{}
	for i := range rows {
		sums[wire.GroupOf(&rows[i])] += q.Weight(rows[i].Counters.Flow())
	}
	return sums
}
