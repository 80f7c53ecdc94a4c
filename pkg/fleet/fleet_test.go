package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

var compareAddresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

var now = time.Unix(1790003000, 0).UTC()

// store is a host that answers as a probe would: it prepares the request and merges its rows by it.
type store struct {
	name string
	rows []wire.Row
	err  error
	hang bool
	wait time.Duration
	seen atomic.Pointer[wire.Request]
	most *atomic.Int32 // asked at once
	busy *atomic.Int32
}

func (s *store) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	s.seen.Store(r)
	if s.busy != nil {
		s.most.Store(max(s.most.Load(), s.busy.Add(1)))
		defer s.busy.Add(-1)
	}
	if s.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if s.wait > 0 {
		select {
		case <-time.After(s.wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	q, err := r.Prepare(now)
	if err != nil {
		return nil, err
	}
	return answer(q, s.name, s.rows), nil
}

func (s *store) Catalog(ctx context.Context) (*wire.Catalog, error) {
	if s.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if s.err != nil {
		return nil, s.err
	}
	return &wire.Catalog{Kind: "probe", Host: s.name, Interval: 5 * time.Minute, Interfaces: []wire.CatalogInterface{
		{Name: "eth0", First: now, Last: now.Add(time.Hour)}, {Name: s.name + "-only", Capturing: true},
	}}, nil
}

// answer is what one store with the rows says to a query.
func answer(q *wire.Query, name string, rows []wire.Row) *wire.Result {
	selected := slices.Clone(rows)
	for i := range selected {
		a := &selected[i].Attributes
		if !q.Has("sip") {
			a.Source = netip.Addr{}
		}
		if !q.Has("dport") {
			a.DestinationPort = 0
		}
	}
	var totals flow.Counters
	ifaces := map[string]bool{}
	for _, r := range selected {
		totals.Add(r.Counters.Flow())
		ifaces[r.Labels.Iface] = true
	}
	m := wire.NewMerger(q)
	m.ApplyGroupTerms()
	m.Add(&wire.Result{Rows: selected, Summary: wire.Summary{
		Interfaces: slices.Sorted(maps.Keys(ifaces)), Totals: wire.CountersFrom(totals), DataAvailable: len(rows) > 0,
		TimeFirst: now.Add(-time.Hour), TimeLast: now,
		Hits: wire.Hits{Displayed: int64(len(rows)), Total: int64(len(rows))},
	}})
	result := m.Result()
	result.Hostname = name
	result.Status = wire.Status{Code: wire.CodeOK, State: wire.StateOK}
	if len(result.Rows) == 0 {
		result.Status = wire.Status{Code: wire.CodeEmpty, State: wire.StateEmpty}
	}
	if len(rows) == 0 {
		result.Status = wire.Status{Code: wire.CodeMissingData, State: wire.StateNoData}
	}
	result.HostsStatuses = map[string]wire.Status{name: result.Status}
	return result
}

// world makes the rows of one host, of a small world, so that groups span hosts.
func world(r *rand.Rand, host string, n int) []wire.Row {
	rows := make([]wire.Row, n)
	for i := range rows {
		rows[i] = wire.Row{
			Labels: wire.Labels{Timestamp: time.Unix(1790000100+300*int64(r.IntN(5)), 0).UTC(), Iface: fmt.Sprintf("eth%d", r.IntN(2)),
				Host: host, HostID: "id-" + host},
			Attributes: wire.Attributes{Source: netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(6))}), DestinationPort: uint16(r.IntN(4))},
			Counters:   wire.Counters{BytesReceived: r.Uint64N(40), BytesSent: r.Uint64N(40), PacketsReceived: r.Uint64N(2), PacketsSent: r.Uint64N(2)},
		}
	}
	return rows
}

func newFleet(t *testing.T, cfg Config, stores ...*store) *Fleet {
	t.Helper()
	hosts := make([]Host, len(stores))
	for i, s := range stores {
		hosts[i] = Host{s.name, s}
	}
	f, err := New(hosts, cfg, Deps{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func ask(t *testing.T, f *Fleet, r wire.Request) (*wire.Query, *wire.Result) {
	t.Helper()
	q, err := r.Prepare(now)
	if err != nil {
		t.Fatal(err)
	}
	result, err := f.Query(t.Context(), q, nil)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	return q, result
}

// The answer of a fleet is the answer of a single store that has the rows of all hosts.
func TestEqualsSingleStore(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
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

func TestFailedHostsAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 1))
		refused := &client.Error{Kind: client.KindRefused, Server: "192.0.2.3:8145", Text: "connection refused"}
		f := newFleet(t, DefaultConfig(),
			&store{name: "up", rows: world(random, "up", 10)},
			&store{name: "empty"},
			&store{name: "hanging", hang: true},
			&store{name: "refusing", err: refused},
			&store{name: "slow", err: &client.Error{Kind: client.KindTimeout, Text: "no answer in time"}})
		started := time.Now()
		_, result := ask(t, f, wire.Request{Query: "sip", Ifaces: "any", Merge: true})
		if took := time.Since(started); took != DefaultConfig().HostTimeout {
			t.Errorf("took %v", took)
		}
		if len(result.Rows) == 0 || result.Status.Code != wire.CodeOK || result.Status.State != wire.StatePartial ||
			result.Status.Message != "3 of 5 hosts did not answer" {
			t.Errorf("status %+v, %d rows", result.Status, len(result.Rows))
		}
		got := map[string]string{}
		for name, s := range result.HostsStatuses {
			got[name] = fmt.Sprintf("%s|%s|%s", s.Code, s.State, s.Message)
		}
		want := map[string]string{
			"up": "ok|ok|", "empty": "missing data|no data|", "hanging": "error|timeout|context deadline exceeded",
			"refusing": "error|error|192.0.2.3:8145: connection refused", "slow": "error|timeout|: no answer in time",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if result.HostsStatuses["up"].Rows == 0 {
			t.Error("the rows of the host are not counted")
		}
	})
}

func TestOverallStatus(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	rows := world(random, "a", 5)
	broken := errors.New("broken")
	for _, test := range []struct {
		stores []*store
		code   wire.Code
		state  wire.State
	}{
		{nil, wire.CodeMissingData, wire.StateNoData},
		{[]*store{{name: "a", rows: rows}}, wire.CodeOK, wire.StateOK},
		{[]*store{{name: "a"}, {name: "b"}}, wire.CodeMissingData, wire.StateNoData},
		{[]*store{{name: "a", err: broken}, {name: "b", err: broken}}, wire.CodeError, wire.StateError},
		{[]*store{{name: "a", err: broken}, {name: "b"}}, wire.CodeMissingData, wire.StatePartial},
		{[]*store{{name: "a", err: broken}, {name: "b", rows: rows}}, wire.CodeOK, wire.StatePartial},
	} {
		_, result := ask(t, newFleet(t, DefaultConfig(), test.stores...), wire.Request{Query: "sip", Ifaces: "any"})
		if result.Status.Code != test.code || result.Status.State != test.state {
			t.Errorf("%d stores: %+v, want %s, %s", len(test.stores), result.Status, test.code, test.state)
		}
	}
	_, result := ask(t, newFleet(t, DefaultConfig(), &store{name: "a", rows: rows}), wire.Request{Query: "sip", Ifaces: "any", Merge: true, Condition: "packets > 100000"})
	if result.Status.Code != wire.CodeEmpty {
		t.Errorf("nothing matches: %+v", result.Status)
	}
}

func TestCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		var stores []*store
		for i := range 50 {
			stores = append(stores, &store{name: fmt.Sprintf("host%d", i), hang: true})
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		started := time.Now()
		q, err := (&wire.Request{Query: "sip", Ifaces: "any"}).Prepare(now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newFleet(t, DefaultConfig(), stores...).Query(ctx, q, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("Query: %v", err)
		}
		if took := time.Since(started); took != time.Second {
			t.Errorf("ended %v after the start, cancelled after 1 s", took)
		}
	})
}

// When the caller's time is up, what came in time is the answer, a little before.
func TestCallersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, DefaultConfig(), &store{name: "a", rows: world(rand.New(rand.NewPCG(1, 1)), "a", 5)}, &store{name: "b", hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		q, err := (&wire.Request{Query: "sip", Ifaces: "any"}).Prepare(now)
		if err != nil {
			t.Fatal(err)
		}
		result, err := f.Query(ctx, q, nil)
		if err != nil || ctx.Err() != nil || len(result.Rows) == 0 || result.HostsStatuses["b"].State != wire.StateTimeout {
			t.Errorf("%+v, %v, context: %v", result, err, ctx.Err())
		}
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var most, busy atomic.Int32
		var stores []*store
		for i := range 40 {
			stores = append(stores, &store{name: fmt.Sprintf("host%02d", i), wait: time.Second, most: &most, busy: &busy})
		}
		cfg := DefaultConfig()
		cfg.Concurrency = 10
		started := time.Now()
		_, result := ask(t, newFleet(t, cfg, stores...), wire.Request{Query: "sip", Ifaces: "any"})
		if most.Load() > 10 || time.Since(started) != 4*time.Second || len(result.HostsStatuses) != 40 {
			t.Errorf("%d at once, %v, %d statuses", most.Load(), time.Since(started), len(result.HostsStatuses))
		}
	})
}

func TestHostsWhoseTurnDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.Concurrency = 1
		f := newFleet(t, cfg, &store{name: "a", hang: true}, &store{name: "b"}, &store{name: "c"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		q, err := (&wire.Request{Query: "sip", Ifaces: "any"}).Prepare(now)
		if err != nil {
			t.Fatal(err)
		}
		result, err := f.Query(ctx, q, nil)
		if err != nil || result.HostsStatuses["a"].State != wire.StateTimeout || len(result.HostsStatuses) != 3 {
			t.Errorf("%+v, %v", result, err)
		}
	})
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

func TestSelection(t *testing.T) {
	f := newFleet(t, DefaultConfig(), &store{name: "fra1"}, &store{name: "fra2"}, &store{name: "zrh1"})
	for text, want := range map[string]string{"": "fra1 fra2 zrh1", "ANY": "fra1 fra2 zrh1", " zrh1, fra1": "fra1 zrh1"} {
		_, result := ask(t, f, wire.Request{Query: "sip", Ifaces: "any", QueryHosts: text})
		if got := strings.Join(slices.Sorted(maps.Keys(result.HostsStatuses)), " "); got != want {
			t.Errorf("%q asks %s, want %s", text, got, want)
		}
	}
	q, err := (&wire.Request{Query: "sip", Ifaces: "any", QueryHosts: "fra1,zhr1,x"}).Prepare(now)
	if err != nil {
		t.Fatal(err)
	}
	var p *wire.Problem
	if _, err := f.Query(t.Context(), q, nil); !errors.As(err, &p) || len(p.Errors) != 2 || !strings.Contains(p.Error(), `did you mean "zrh1"?`) {
		t.Errorf("Query: %v", err)
	}
}

// canned answers with a result as it is.
type canned struct{ result func() *wire.Result }

func (c canned) Query(context.Context, *wire.Request) (*wire.Result, error) { return c.result(), nil }
func (canned) Catalog(context.Context) (*wire.Catalog, error)               { return nil, errors.New("none") }

func TestHostsBehindAGateway(t *testing.T) {
	gateway := canned{func() *wire.Result {
		return &wire.Result{
			Status:        wire.Status{Code: wire.CodeOK},
			HostsStatuses: map[string]wire.Status{"inner": {Code: wire.CodeOK}, "down": {Code: wire.CodeError, Message: "no route"}, "direct": {Code: wire.CodeEmpty}},
			Rows:          []wire.Row{{Labels: wire.Labels{Iface: "eth0", Host: "inner"}, Counters: wire.Counters{BytesReceived: 1}}},
		}
	}}
	f, err := New([]Host{{"site", gateway}, {"direct", &store{name: "localhost", rows: world(rand.New(rand.NewPCG(1, 1)), "localhost", 3)}}}, DefaultConfig(), Deps{})
	if err != nil {
		t.Fatal(err)
	}
	_, result := ask(t, f, wire.Request{Query: "host", Ifaces: "any", Merge: true})
	got := map[string]wire.State{}
	for name, s := range result.HostsStatuses {
		got[name] = s.State
	}
	want := map[string]wire.State{"inner": wire.StateOK, "down": wire.StateError, "site/direct": wire.StateEmpty, "direct": wire.StateOK}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var hosts []string
	for _, r := range result.Rows {
		hosts = append(hosts, r.Labels.Host)
	}
	slices.Sort(hosts)
	if diff := cmp.Diff([]string{"direct", "inner"}, hosts); diff != "" {
		t.Errorf("a probe's rows carry its name in the inventory, a gateway's those of its hosts: %s", diff)
	}
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 1))
		var stores []*store
		var hosts []Host
		for i := range 5 {
			s := &store{name: fmt.Sprintf("host%d", i), rows: world(random, "x", 10), wait: time.Duration(i) * time.Second}
			stores = append(stores, s)
			hosts = append(hosts, Host{s.name, s})
		}
		f, err := New(hosts, DefaultConfig(), Deps{})
		if err != nil {
			t.Fatal(err)
		}
		q, err := (&wire.Request{Query: "sip", Ifaces: "any", Merge: true}).Prepare(now)
		if err != nil {
			t.Fatal(err)
		}
		var missing []int
		result, err := f.Query(t.Context(), q, func(partial *wire.Result) {
			n := 0
			for _, s := range partial.HostsStatuses {
				if s.State == wire.StateSkipped {
					n++
				}
			}
			missing = append(missing, n)
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{3, 2, 1, 0}, missing); diff != "" { // the first one answers too early to be shown
			t.Error(diff)
		}
		_, plain := ask(t, newFleet(t, DefaultConfig(), stores...), wire.Request{Query: "sip", Ifaces: "any", Merge: true})
		if diff := cmp.Diff(plain.Rows, result.Rows, compareAddresses); diff != "" {
			t.Errorf("the final result is not that without progress: %s", diff)
		}
	})
}

func TestCatalog(t *testing.T) {
	f := newFleet(t, DefaultConfig(), &store{name: "b"}, &store{name: "a"}, &store{name: "down", err: errors.New("no route")})
	list := f.Catalogs(t.Context())
	if len(list) != 3 || list[0].Name != "a" || list[0].Catalog == nil || list[2].Err == nil {
		t.Errorf("%+v", list)
	}
	union, err := f.Catalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []wire.CatalogInterface{{Name: "a-only", Capturing: true}, {Name: "b-only", Capturing: true}, {Name: "eth0", First: now, Last: now.Add(time.Hour)}}
	if diff := cmp.Diff(want, union.Interfaces); diff != "" {
		t.Error(diff)
	}
	if union.Kind != "gateway" || union.Interval != 5*time.Minute || len(union.Fields) == 0 {
		t.Errorf("%+v", union)
	}
	if _, err := newFleet(t, DefaultConfig(), &store{name: "down", err: errors.New("no route")}).Catalog(t.Context()); err == nil {
		t.Error("a catalog of no host")
	}
}

func TestJoin(t *testing.T) {
	early, late := now, now.Add(time.Hour)
	for _, test := range []struct{ a, b, want wire.CatalogInterface }{
		{wire.CatalogInterface{}, wire.CatalogInterface{First: early, Last: late}, wire.CatalogInterface{First: early, Last: late}},
		{wire.CatalogInterface{First: early, Last: early}, wire.CatalogInterface{First: late, Last: late}, wire.CatalogInterface{First: early, Last: late}},
		{wire.CatalogInterface{First: late, Last: late, Capturing: true}, wire.CatalogInterface{First: early, Last: early}, wire.CatalogInterface{First: early, Last: late, Capturing: true}},
		{wire.CatalogInterface{First: late, Last: late}, wire.CatalogInterface{}, wire.CatalogInterface{First: late, Last: late}},
	} {
		if got := join(test.a, test.b); got != test.want {
			t.Errorf("join(%+v, %+v) = %+v", test.a, test.b, got)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	ok := &store{name: "a"}
	for name, hosts := range map[string][]Host{
		"twice": {{"a", ok}, {"b", ok}, {"a", ok}}, "no name": {{"", ok}}, "no client": {{"a", nil}}, "comma": {{"a,b", ok}}, "any": {{"Any", ok}},
	} {
		if _, err := New(hosts, DefaultConfig(), Deps{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(nil, Config{}, Deps{}); err == nil {
		t.Error("the zero configuration is accepted")
	}
}
