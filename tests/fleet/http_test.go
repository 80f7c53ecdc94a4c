package fleet_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
)

// probe is a host as the server of the contract has it.
type probe struct{ *host }

func (p probe) Query(ctx context.Context, q *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
	return p.engine.Query(ctx, q)
}

// listen serves a querier on the loopback interface and returns a client of it.
func listen(t *testing.T, q serve.Querier, info serve.Info) *client.Client {
	t.Helper()
	s, err := serve.New(serve.DefaultConfig(), serve.Deps{Querier: q, Logger: slog.New(slog.DiscardHandler), Info: info, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	c, err := client.New(client.Config{URL: server.URL}, client.Deps{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) // connections to a server that ends
	return c
}

// The same over HTTP, in two levels: probes, gateways of which one knows no thresholds, and a gateway of gateways, asked
// at once and as a stream.
func TestOverHTTP(t *testing.T) {
	r := testenv.Random(t)
	w := newWorld(t, r, size{hosts: 5, intervals: 3, rows: 60, groups: 300})
	var members []fleet.Host
	for i, h := range w.hosts {
		info := serve.Info{Name: "weir-probe", Version: "1", Abilities: everything}
		if i == 1 {
			info.Abilities = wire.Abilities{} // an older one
		}
		members = append(members, fleet.Host{Name: h.name, Client: listen(t, probe{h}, info)})
	}
	gateway := serve.Info{Name: "weir-gateway", Version: "1", Abilities: fleet.Abilities()}
	left, right := listen(t, fleetOf(t, members[:2]...), gateway), listen(t, fleetOf(t, members[2:]...), gateway)
	top := listen(t, fleetOf(t, fleet.Host{Name: "left", Client: left, Gateway: true}, fleet.Host{Name: "right", Client: right, Gateway: true}), gateway)
	for range questions {
		request := randomRequest(r)
		q := prepare(t, request)
		want, err := w.union.engine.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := top.Query(t.Context(), &request)
		if err != nil {
			t.Fatalf("%+v: %v", request, err)
		}
		check(t, q, "HTTP", want, got)
		partials := 0
		streamed, err := top.Stream(t.Context(), &request, func(*wire.Result) { partials++ })
		if err != nil || partials == 0 {
			t.Fatalf("%+v: %d partial results, %v", request, partials, err)
		}
		// What differs is time that passed, and what clocks and connections did.
		passing := cmp.Options{cmpopts.IgnoreFields(wire.Status{}, "DurationNanoseconds", "BytesScanned"), cmpopts.IgnoreFields(wire.Summary{}, "Timings", "TraceID", "Stats")}
		if diff := cmp.Diff(got, streamed, passing, sameRow); diff != "" {
			t.Fatalf("%+v: streamed:\n%s", request, diff)
		}
	}
}

// A host whose bodies are too large for one request is asked for groups in parts.
func TestManyGroups(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	w := newWorld(t, r, size{hosts: 2, intervals: 1, rows: 9000, groups: 20_000})
	var members []fleet.Host
	for _, h := range w.hosts {
		members = append(members, fleet.Host{Name: h.name, Client: listen(t, probe{h}, serve.Info{Name: "weir-probe", Version: "1", Abilities: everything})})
	}
	request := wire.Request{Query: "sip,dip,dport,proto", Ifaces: "any", Merge: true, NumResults: 9000, First: fmt.Sprint(noon - 600), Last: fmt.Sprint(noon), Compare: "1h", SortBy: "packets"}
	q := prepare(t, request)
	want, err := w.union.engine.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	got, err := fleetOf(t, members...).Query(t.Context(), q, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) < 9000 {
		t.Fatalf("only %d rows: too few to need parts", len(got.Rows))
	}
	check(t, q, "HTTP", want, got)
}
