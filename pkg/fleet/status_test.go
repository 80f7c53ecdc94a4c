package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/wire"
)

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
			"refusing": "error|error|connection refused", "slow": "error|timeout|no answer in time",
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
	t.Run("interfaces without data in the range are no data", func(t *testing.T) {
		q, err := (&wire.Request{Query: "sip", Ifaces: "any"}).Prepare(now)
		if err != nil {
			t.Fatal(err)
		}
		outside := &wire.Result{Status: wire.Status{Code: wire.CodeMissingData, State: wire.StateOutsideCoverage, Message: "eth0 has data since yesterday"},
			HostsStatuses: map[string]wire.Status{"x": {Code: wire.CodeOK}}, Hostname: "x", Summary: wire.Summary{Interfaces: []string{"eth0"}}}
		f, err := New([]Host{{Name: "a", Client: fixed{outside}}, {Name: "b", Client: fixed{outside}}}, DefaultConfig(), Deps{})
		if err != nil {
			t.Fatal(err)
		}
		result, err := f.Query(t.Context(), q, nil)
		if err != nil || result.Status.Code != wire.CodeMissingData || !strings.Contains(result.Status.Message, "a: eth0 has data since yesterday") {
			t.Errorf("%+v, %v", result.Status, err)
		}
	})
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

func TestHostsBehindAGateway(t *testing.T) {
	gateway := canned{func() *wire.Result {
		return &wire.Result{
			Status:        wire.Status{Code: wire.CodeOK},
			HostsStatuses: map[string]wire.Status{"inner": {Code: wire.CodeOK}, "down": {Code: wire.CodeError, Message: "no route"}, "direct": {Code: wire.CodeEmpty}},
			Rows:          []wire.Row{{Labels: wire.Labels{Iface: "eth0", Host: "inner"}, Counters: wire.Counters{BytesReceived: 1}}},
		}
	}}
	f, err := New([]Host{{Name: "site", Client: gateway}, {Name: "direct", Client: &store{name: "localhost", rows: world(rand.New(rand.NewPCG(1, 1)), "localhost", 3)}}}, DefaultConfig(), Deps{})
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
			hosts = append(hosts, Host{Name: s.name, Client: s})
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

// fixed is a host that always gives the same answer.
type fixed struct{ result *wire.Result }

func (a fixed) Query(context.Context, *wire.Request) (*wire.Result, error) {
	r := *a.result
	return &r, nil
}

func (fixed) Catalog(context.Context) (*wire.Catalog, error) { return &wire.Catalog{}, nil }
