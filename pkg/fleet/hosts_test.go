package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/wire"
)

// flaky is a host whose answer a test changes, and that counts what it is asked.
type flaky struct {
	*store
	err    atomic.Pointer[error] // of queries
	dead   atomic.Bool           // gives no sign of life
	asked  atomic.Int32
	probed atomic.Int32
}

func (f *flaky) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	f.asked.Add(1)
	if err := f.err.Load(); err != nil && *err != nil {
		return nil, *err
	}
	return f.store.Query(ctx, r)
}

func (f *flaky) Probe(ctx context.Context) error {
	f.probed.Add(1)
	if f.dead.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (f *flaky) fail(err error) { f.err.Store(&err) }

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 1))
		host := &flaky{store: &store{name: "a", rows: world(random, "a", 5)}}
		f, err := New([]Host{{Name: "a", Client: host}, {Name: "b", Client: &store{name: "b", rows: world(random, "b", 5)}}}, DefaultConfig(), Deps{})
		if err != nil {
			t.Fatal(err)
		}
		query := func() wire.Status {
			t.Helper()
			_, result := ask(t, f, wire.Request{Query: "sip", Ifaces: "any"})
			if len(result.Rows) == 0 || result.HostsStatuses["b"].State != wire.StateOK {
				t.Fatalf("the other host: %+v", result.HostsStatuses)
			}
			return result.HostsStatuses["a"]
		}
		breaker := func() BreakerState { return f.Hosts()[0].Breaker }

		host.fail(&client.Error{Kind: client.KindRefused, Text: "connection refused"})
		for range 3 {
			if s := query(); s.Class != wire.ClassRefused || s.State != wire.StateError {
				t.Fatalf("%+v", s)
			}
		}
		s := query()
		if s.Class != wire.ClassBreaker || s.State != wire.StateSkipped || s.Message != "not asked for another 5s: connection refused, 3 times in a row" || host.asked.Load() != 3 {
			t.Errorf("open: %+v, asked %d times", s, host.asked.Load())
		}
		if b := breaker(); b.State != "open" || b.Left != 5*time.Second || b.Class != wire.ClassRefused {
			t.Errorf("%+v", b)
		}

		time.Sleep(5 * time.Second) // of the bubble: half open, and still down
		if s := query(); s.Class != wire.ClassRefused || host.probed.Load() != 1 {
			t.Errorf("half open: %+v, %d signs of life", s, host.probed.Load())
		}
		if b := breaker(); b.State != "open" || b.Left != 10*time.Second || b.Failures != 4 {
			t.Errorf("the wait does not double: %+v", b)
		}
		for range 9 { // up to the greatest wait
			time.Sleep(time.Minute)
			query()
		}
		if b := breaker(); b.Left != time.Minute {
			t.Errorf("%+v", b)
		}

		time.Sleep(time.Minute)
		host.dead.Store(true)
		before, started := host.asked.Load(), time.Now()
		if s := query(); s.State != wire.StateTimeout || host.asked.Load() != before || time.Since(started) != probeTimeout {
			t.Errorf("a host that hangs costs %v, asked %d times: %+v", time.Since(started), host.asked.Load()-before, s)
		}

		time.Sleep(time.Minute)
		host.dead.Store(false)
		host.fail(nil)
		if s := query(); s.State != wire.StateOK || breaker().State != "closed" || breaker().Failures != 0 {
			t.Errorf("up again: %+v, %+v", s, breaker())
		}
		if h := f.Hosts()[0]; h.Answers != 1 || h.Failures[wire.ClassRefused] < 4 || h.Failures[wire.ClassBreaker] != 1 {
			t.Errorf("%+v", h)
		}
	})
}

// A host that is only too slow for a question is asked the next one, and blames nobody else's.
func TestSlowHostIsNotGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &flaky{store: &store{name: "a", hang: true}}
		f, err := New([]Host{{Name: "a", Client: host}}, DefaultConfig(), Deps{})
		if err != nil {
			t.Fatal(err)
		}
		for range 6 {
			_, result := ask(t, f, wire.Request{Query: "sip", Ifaces: "any"})
			if s := result.HostsStatuses["a"]; s.Class != wire.ClassTimeout {
				t.Fatalf("%+v", s)
			}
		}
		host.hang, host.rows = false, world(rand.New(rand.NewPCG(1, 1)), "a", 5)
		_, result := ask(t, f, wire.Request{Query: "sip", Ifaces: "any"})
		if s := result.HostsStatuses["a"]; s.State != wire.StateOK || host.probed.Load() != 4 {
			t.Errorf("%+v, %d signs of life", s, host.probed.Load())
		}
	})
}

// Several queries at once do not all find out that a host is still gone.
func TestHalfOpenLetsOneTry(t *testing.T) {
	now := time.Unix(1000, 0)
	cfg := DefaultConfig()
	var b breaker
	for range 3 {
		b.leave(now, &cfg, false, hostFails, wire.ClassRefused, "refused")
	}
	if _, err := b.enter(now.Add(time.Second), 3); err == nil || !strings.Contains(err.Error(), "another 4s") {
		t.Errorf("open: %v", err)
	}
	later := now.Add(5 * time.Second)
	if trial, err := b.enter(later, 3); !trial || err != nil {
		t.Errorf("half open: %v, %v", trial, err)
	}
	if _, err := b.enter(later, 3); err == nil || !strings.Contains(err.Error(), "another query is trying it") {
		t.Errorf("a second one: %v", err)
	}
	b.leave(later, &cfg, true, hostUnknown, wire.ClassCancelled, "")
	if trial, err := b.enter(later, 3); !trial || err != nil {
		t.Errorf("after a trial that was cancelled: %v, %v", trial, err)
	}
}

// A host that lies is named; nothing of what it says is used, and the others' answer stays.
func TestHostsThatLie(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	honest := &store{name: "honest", rows: world(random, "honest", 20)}
	truth := func() *wire.Result {
		q, err := (&wire.Request{Query: "sip", Ifaces: "any", Merge: true}).Prepare(now)
		if err != nil {
			t.Fatal(err)
		}
		return answer(q, "liar", world(random, "liar", 20))
	}
	for name, test := range map[string]struct {
		lie   func(*wire.Result)
		class wire.Class
		text  string
	}{
		"another question":        {func(r *wire.Result) { r.Query.Attributes = []string{"dip"} }, wire.ClassProtocol, "asked for sip, it gives dip"},
		"another condition":       {func(r *wire.Result) { r.Query.Condition = "dport = 80" }, wire.ClassProtocol, "answers with \"dport = 80\""},
		"attributes nobody asked": {func(r *wire.Result) { r.Rows[0].Attributes.DestinationPort = 7 }, wire.ClassProtocol, "attributes that were not asked for"},
		"too many rows":           {func(r *wire.Result) { r.Rows = make([]wire.Row, 300_000) }, wire.ClassProtocol, "gives 300000 rows"},
		"negative hits":           {func(r *wire.Result) { r.Summary.Hits.Total = -5 }, wire.ClassProtocol, "counts"},
	} {
		liar := canned{func() *wire.Result { r := truth(); test.lie(r); return r }}
		f, err := New([]Host{{Name: "honest", Client: honest}, {Name: "liar", Client: liar}}, DefaultConfig(), Deps{Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		_, result := ask(t, f, wire.Request{Query: "sip", Ifaces: "any", Merge: true})
		_, want := ask(t, newFleet(t, DefaultConfig(), honest), wire.Request{Query: "sip", Ifaces: "any", Merge: true})
		s := result.HostsStatuses["liar"]
		if s.Class != test.class || s.State != wire.StateError || !strings.Contains(s.Message, test.text) {
			t.Errorf("%s: %+v", name, s)
		}
		if diff := cmp.Diff(want.Rows, result.Rows, compareAddresses); diff != "" || result.Status.State != wire.StatePartial {
			t.Errorf("%s: %s %+v", name, diff, result.Status)
		}
	}
}

func TestClocks(t *testing.T) {
	sent := time.Unix(1_790_000_000, 0)
	for _, test := range []struct {
		ahead, way, took time.Duration
		want             time.Duration
	}{
		{0, 10 * time.Millisecond, time.Second, 0},
		{time.Second, 0, 0, 0},                             // nobody minds
		{10 * time.Second, 20 * time.Second, time.Hour, 0}, // the way may have been that long
		{24 * time.Hour, 20 * time.Millisecond, 0, 24 * time.Hour},
		{-time.Hour, 20 * time.Millisecond, time.Minute, -time.Hour},
	} {
		result := &wire.Result{Hostname: "a", Status: wire.Status{State: wire.StateOK}, Summary: wire.Summary{Timings: wire.Timings{
			QueryStart: sent.Add(test.way/2 + test.ahead), Duration: test.took}}}
		received := sent.Add(test.way + test.took)
		if got := skew(result, sent, received); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
		describe(result, sent, received)
		s := result.Status
		if s.ClockSkewNanoseconds != int64(test.want) || (s.Class == wire.ClassClock) != (test.want.Abs() > time.Minute) || (s.State == wire.StatePartial) != (s.Class == wire.ClassClock) {
			t.Errorf("%+v: %+v", test, s)
		}
	}
}

// A host that is asked under two names counts once; the error names both.
func TestTheSameHostTwice(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	rows := world(random, "x", 20)
	identified := func(name string) Client {
		return canned{func() *wire.Result {
			q, err := (&wire.Request{Query: "sip", Ifaces: "any", Merge: true}).Prepare(now)
			if err != nil {
				t.Fatal(err)
			}
			r := answer(q, name, rows)
			s := r.HostsStatuses[name]
			s.HostID = "7c1"
			r.HostsStatuses[name] = s
			return r
		}}
	}
	f, err := New([]Host{{Name: "a", Client: identified("x")}, {Name: "b", Client: identified("x")}}, DefaultConfig(), Deps{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	_, result := ask(t, f, wire.Request{Query: "sip", Ifaces: "any", Merge: true})
	_, once := ask(t, newFleet(t, DefaultConfig(), &store{name: "a", rows: rows}), wire.Request{Query: "sip", Ifaces: "any", Merge: true})
	if diff := cmp.Diff(once.Summary.Totals, result.Summary.Totals); diff != "" {
		t.Errorf("counted twice: %s", diff)
	}
	var named []string
	for _, name := range slices.Sorted(maps.Keys(result.HostsStatuses)) {
		if s := result.HostsStatuses[name]; s.Class == wire.ClassDuplicate {
			named = append(named, s.Message)
		}
	}
	if len(named) != 1 || !strings.Contains(named[0], "same host id 7c1") || !strings.Contains(named[0], "a") || !strings.Contains(named[0], "b") {
		t.Errorf("%v in %+v", named, result.HostsStatuses)
	}
	if _, err := New([]Host{{Name: "a", ID: "1", Client: identified("x")}, {Name: "b", ID: "1", Client: identified("y")}}, DefaultConfig(), Deps{}); err == nil || !strings.Contains(err.Error(), "a and b have the same id 1") {
		t.Errorf("known from the inventory: %v", err)
	}
}

// gate is a gateway over a fleet, as a client of it.
type gate struct {
	*Fleet
	asked atomic.Pointer[string]
}

func (g *gate) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	g.asked.Store(&r.QueryHosts)
	q, err := r.Prepare(now)
	if err != nil {
		return nil, err
	}
	return g.Fleet.Query(ctx, q, nil)
}

// Hosts behind gateways are selected by name, label and gateway; each gateway is asked for its own only.
func TestSelectionBehindGateways(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	inner := func(label string, names ...string) *gate {
		var hosts []Host
		for _, n := range names {
			hosts = append(hosts, Host{Name: n, Client: &store{name: n, rows: world(random, n, 5)}, Labels: map[string]string{"site": n[:3], "company": label}, Groups: []string{"edge"}})
		}
		f, err := New(hosts, DefaultConfig(), Deps{Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		return &gate{Fleet: f}
	}
	eu, us := inner("acme", "fra-1", "fra-2", "zrh-1"), inner("umbrella", "nyc-1", "fra-1")
	f, err := New([]Host{{Name: "eu", Client: eu, Gateway: true, Labels: map[string]string{"region": "eu"}}, {Name: "us", Client: us, Gateway: true},
		{Name: "lab", Client: &store{name: "lab", rows: world(random, "lab", 5)}}}, DefaultConfig(), Deps{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	nobody := "-"
	for text, want := range map[string]struct{ hosts, eu, us string }{
		"any":           {"fra-1 fra-2 lab nyc-1 us/fra-1 zrh-1", "", ""},
		"fra-1,lab":     {"fra-1 lab", "fra-1", "-"},
		"us/fra-1":      {"fra-1", "-", "fra-1"},
		"site=fra":      {"fra-1 fra-2 us/fra-1", "fra-1,fra-2", "fra-1"},
		"eu":            {"fra-1 fra-2 zrh-1", "", "-"},
		"eu,site!=zrh":  {"fra-1 fra-2", "fra-1,fra-2", "-"},
		"region=eu":     {"fra-1 fra-2 zrh-1", "", "-"},
		"company=umbr*": {"fra-1 nyc-1", "-", ""},
		"@edge,lab":     {"fra-1 fra-2 lab nyc-1 us/fra-1 zrh-1", "", ""},
	} {
		eu.asked.Store(&nobody)
		us.asked.Store(&nobody)
		_, result := ask(t, f, wire.Request{Query: "sip", Ifaces: "any", Merge: true, QueryHosts: text})
		got := strings.Join(slices.Sorted(maps.Keys(result.HostsStatuses)), " ")
		if got != want.hosts || *eu.asked.Load() != want.eu || *us.asked.Load() != want.us {
			t.Errorf("%s: %s, eu asked for %q, us for %q; want %+v", text, got, *eu.asked.Load(), *us.asked.Load(), want)
		}
	}
	catalog, err := f.Catalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, h := range catalog.Hosts {
		listed = append(listed, fmt.Sprint(h.Name, " ", h.Gateway, " ", h.Labels["region"], " ", h.State))
	}
	if diff := cmp.Diff([]string{"fra-1 eu eu ok", "fra-2 eu eu ok", "lab   ok", "nyc-1 us  ok", "us/fra-1 us  ok", "zrh-1 eu eu ok"}, listed); diff != "" {
		t.Error(diff)
	}
}

// A gateway that is down makes its hosts unknown; the error says why.
func TestSelectionBehindASilentGateway(t *testing.T) {
	down := &store{name: "x", err: &client.Error{Kind: client.KindRefused, Text: "connection refused"}}
	f, err := New([]Host{{Name: "eu", Client: down, Gateway: true}, {Name: "lab", Client: &store{name: "lab"}}}, DefaultConfig(), Deps{})
	if err != nil {
		t.Fatal(err)
	}
	q, err := (&wire.Request{Query: "sip", Ifaces: "any", QueryHosts: "fra-1"}).Prepare(now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Query(t.Context(), q, nil); err == nil || !strings.Contains(err.Error(), `unknown host "fra-1"`) || !strings.Contains(err.Error(), "what is behind eu is not known") {
		t.Errorf("%v", err)
	}
}

// The list of hosts changes under queries; each keeps the one that it began with, and known hosts stay known.
func TestSetHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &flaky{store: &store{name: "a", hang: true}}
		f, err := New([]Host{{Name: "a", Client: a}}, DefaultConfig(), Deps{})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan *wire.Result)
		go func() {
			_, result := ask(t, f, wire.Request{Query: "sip", Ifaces: "any"})
			done <- result
		}()
		synctest.Wait()
		if err := f.SetHosts([]Host{{Name: "b", Client: &store{name: "b"}}, {Name: "a", Client: a, Labels: map[string]string{"x": "y"}}}); err != nil {
			t.Fatal(err)
		}
		if err := f.SetHosts([]Host{{Name: "b"}}); err == nil || len(f.Names()) != 2 {
			t.Errorf("a list that is not valid: %v, %v", err, f.Names())
		}
		if result := <-done; len(result.HostsStatuses) != 1 || result.HostsStatuses["a"].Class != wire.ClassTimeout {
			t.Errorf("%+v", result.HostsStatuses)
		}
		if h := f.Hosts()[0]; h.Failures[wire.ClassTimeout] != 1 || h.Labels["x"] != "y" {
			t.Errorf("what was known of a: %+v", h)
		}
		if err := f.SetHosts([]Host{{Name: "a", Client: &store{name: "a"}}}); err != nil || f.Hosts()[0].Failures != nil {
			t.Errorf("another client is another host: %v, %+v", err, f.Hosts())
		}
	})
}

func TestClasses(t *testing.T) {
	for _, test := range []struct {
		err  error
		want wire.Class
	}{
		{&client.Error{Kind: client.KindUnreachable}, wire.ClassUnreachable}, {&client.Error{Kind: client.KindTLS}, wire.ClassTLS},
		{&client.Error{Kind: client.KindAuth, Status: 401}, wire.ClassUnauthorised}, {&client.Error{Kind: client.KindServer, Status: 503}, wire.ClassOverloaded},
		{&client.Error{Kind: client.KindServer, Status: 429}, wire.ClassOverloaded}, {&client.Error{Kind: client.KindServer, Status: 500}, wire.ClassServer},
		{&client.Error{Kind: client.KindProtocol}, wire.ClassProtocol}, {&client.Error{Kind: client.KindCanceled}, wire.ClassCancelled},
		{&client.Error{Kind: client.KindUser, Problem: &wire.Problem{Errors: []wire.Fault{{Message: `unknown member "seen"; known are …`}}}}, wire.ClassVersion},
		{&client.Error{Kind: client.KindUser, Problem: &wire.Problem{Type: wire.ProblemLoop}}, wire.ClassLoop},
		{&client.Error{Kind: client.KindUser, Problem: &wire.Problem{Errors: []wire.Fault{{Message: "no such list"}}}}, wire.ClassQuery},
		{fmt.Errorf("not asked: %w", context.DeadlineExceeded), wire.ClassTimeout}, {errors.New("x"), wire.ClassServer},
	} {
		if got := classify(test.err); got != test.want {
			t.Errorf("%v: %s, want %s", test.err, got, test.want)
		}
	}
}
