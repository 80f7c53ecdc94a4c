package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/wire"
)

// The answer of a fleet is the answer of a single store that has the rows of all hosts.
func TestEqualsSingleStore(t *testing.T) {
	random := testenv.Random(t)
	queries := []string{"sip", "sip,dport", "time,sip", "time", "iface,sip", "host", "host,time,dport", "hostid,sip"}
	for range 400 {
		stores := make([]*store, 1+random.IntN(5))
		var union []wire.Row
		for i := range stores {
			name := fmt.Sprintf("host%d", i)
			stores[i] = &store{name: name, rows: world(random, name, random.IntN(60))}
			union = append(union, stores[i].rows...)
		}
		r := wire.Request{
			Query: queries[random.IntN(len(queries))], Ifaces: "any", NumResults: 1 + random.Int64N(20), Other: random.IntN(2) == 0,
			Merge: random.IntN(2) == 0, SortAscending: random.IntN(2) == 0, In: random.IntN(2) == 0, Out: random.IntN(2) == 0,
			SortBy: []string{"bytes", "packets"}[random.IntN(2)], TimeResolution: []string{"", "10m"}[random.IntN(2)],
		}
		r.Series = strings.Contains(r.Query, "time") && random.IntN(2) == 0
		if random.IntN(3) == 0 {
			r.Condition = []string{"dir = bi", "dir = in", "packets > 1"}[random.IntN(3)]
		}
		q, got := ask(t, newFleet(t, DefaultConfig(), stores...), r)
		want := answer(q, "union", union)
		if diff := cmp.Diff(want.Rows, got.Rows, compareAddresses); diff != "" && len(want.Rows)+len(got.Rows) > 0 {
			t.Fatalf("%+v: rows: %s", r, diff)
		}
		if diff := cmp.Diff(want.Summary.Other, got.Summary.Other); diff != "" {
			t.Fatalf("%+v: other: %s", r, diff)
		}
		if want.Summary.Hits != got.Summary.Hits || want.Summary.Totals != got.Summary.Totals {
			t.Fatalf("%+v: hits %+v totals %+v, want %+v %+v", r, got.Summary.Hits, got.Summary.Totals, want.Summary.Hits, want.Summary.Totals)
		}
	}
}

func TestEqualInputEqualBytes(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	var stores []*store
	for i := range 8 {
		stores = append(stores, &store{name: fmt.Sprintf("host%d", i), rows: world(random, fmt.Sprintf("host%d", i), 100)})
	}
	stores[3].err = errors.New("boom")
	var first string
	for range 10 {
		random.Shuffle(len(stores), func(i, j int) { stores[i], stores[j] = stores[j], stores[i] })
		_, result := ask(t, newFleet(t, DefaultConfig(), stores...), wire.Request{Query: "sip,dport", Ifaces: "any", Merge: true, NumResults: 7, Other: true})
		var b bytes.Buffer
		if err := result.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = b.String()
		}
		if diff := cmp.Diff(first, b.String()); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestTruncatedHostMakesABound(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	cfg := DefaultConfig()
	cfg.HostRows = 3
	f := newFleet(t, cfg, &store{name: "a", rows: world(random, "a", 100)}, &store{name: "b", rows: world(random, "b", 1)})
	_, result := ask(t, f, wire.Request{Query: "sip,dport", Ifaces: "any", Merge: true, NumResults: 2})
	if !result.Summary.Hits.Bound || result.Status.State != wire.StatePartial || result.HostsStatuses["a"].State != wire.StatePartial ||
		!strings.Contains(result.HostsStatuses["a"].Message, "gave 3 of its") || result.HostsStatuses["b"].State != wire.StateOK {
		t.Errorf("%+v %+v", result.Status, result.HostsStatuses)
	}
	for _, r := range []wire.Request{{SortAscending: true}, {Condition: "packets <= 3"}} {
		r.Query, r.Ifaces, r.Merge, r.NumResults = "sip,dport", "any", true, 2
		q, err := r.Prepare(now)
		if err != nil {
			t.Fatal(err)
		}
		var p *wire.Problem
		if _, err := f.Query(t.Context(), q, nil); !errors.As(err, &p) || p.Status != 422 || !strings.Contains(p.Error(), "host a") {
			t.Errorf("%+v: %v; the answer would be wrong", r, err)
		}
	}
	// By host, every host's own top is enough.
	_, result = ask(t, f, wire.Request{Query: "host,sip,dport", Ifaces: "any", Merge: true, NumResults: 2})
	if result.Summary.Hits.Bound || result.Status.State != wire.StateOK || result.Summary.Hits.Total < 10 {
		t.Errorf("%+v %+v", result.Status, result.Summary.Hits)
	}
}

func TestWhatHostsAreAsked(t *testing.T) {
	a := &store{name: "a"}
	f := newFleet(t, DefaultConfig(), a, &store{name: "b"})
	ask(t, f, wire.Request{Query: "time,sip", Ifaces: "any", First: "-1h", TimeResolution: "auto", Merge: true, NumResults: 5,
		Condition: "dport = 80 & dir = in", QueryHosts: "any", KeepAlive: 5})
	got := a.seen.Load()
	want := &wire.Request{Query: "time,sip", Ifaces: "any", First: "1789999400", Last: "253402300799", TimeResolution: "5m0s",
		Merge: true, NumResults: 250_000, Condition: "dport = 80"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	ask(t, f, wire.Request{Query: "sip", Ifaces: "any", NumResults: 5, Condition: "dir = in"})
	if got := a.seen.Load(); got.NumResults != 5 || got.Condition != "dir = in" {
		t.Errorf("rows stay apart by host, but asked %+v", got)
	}
	ask(t, f, wire.Request{Query: "sip", Ifaces: "any", Merge: true, NumResults: 5, Condition: "dir = in", QueryHosts: "a"})
	if got := a.seen.Load(); got.NumResults != 5 || got.Condition != "dir = in" {
		t.Errorf("one host has whole groups, but was asked %+v", got)
	}
}
