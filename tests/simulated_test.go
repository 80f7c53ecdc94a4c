//go:build linux

package tests

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/gateway"
	"github.com/weirflow/weir/pkg/inventory"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/query"
	"github.com/weirflow/weir/probe/store"
	"github.com/weirflow/weir/probe/vfs"
)

// simulated is a probe without capture: a real store in memory, the engine, and the server of the contract.
type simulated struct {
	name   string
	engine *query.Engine
	server *serve.Server
}

// Query satisfies serve.Querier.
func (s *simulated) Query(ctx context.Context, q *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
	return s.engine.Query(ctx, q)
}

// Catalog satisfies serve.Querier.
func (s *simulated) Catalog(context.Context) (*wire.Catalog, error) {
	return &wire.Catalog{Kind: "probe", Host: s.name, HostID: "id-" + s.name, Now: time.Now(), Interval: 5 * time.Minute,
		Interfaces: []wire.CatalogInterface{{Name: "eth0", Capturing: true}}}, nil
}

// day is how much a simulated probe has: so many intervals up to now, each of so many rows.
type day struct {
	interval time.Duration
	count    int
	rows     int
}

// simulate makes a probe with a store of its own; hosts see each other, so that groups span them.
func simulate(t testing.TB, name string, seed uint64, d day) *simulated {
	t.Helper()
	s, err := store.Open(store.Config{Path: "/store"}, store.Deps{FS: vfs.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) // it is memory
	random := rand.New(rand.NewPCG(seed, 1))
	end := time.Now().Truncate(d.interval)
	for i := range d.count {
		stamp := end.Add(-time.Duration(d.count-1-i) * d.interval).Unix()
		records := traffic(random, d.rows)
		interval := flow.Interval{End: stamp, Duration: d.interval, Boot: [16]byte{byte(seed), byte(seed >> 8)}, Sequence: uint64(i + 1),
			Accounting: flow.Accounting{Received: uint64(len(records)), Metered: uint64(len(records))}}
		if err := s.Append(t.Context(), fmt.Sprintf("eth%d", i%2), interval, records); err != nil {
			t.Fatal(err)
		}
	}
	engine, err := query.New(query.DefaultConfig(), query.Deps{Stored: query.Stored(s), Host: name, HostID: "id-" + name, Labels: map[string]string{"own": name}})
	if err != nil {
		t.Fatal(err)
	}
	p := &simulated{name: name, engine: engine}
	p.restart(t)
	return p
}

// restart makes the server anew: it has forgotten what it was given.
func (s *simulated) restart(t testing.TB) {
	t.Helper()
	var err error
	s.server, err = serve.New(serve.DefaultConfig(), serve.Deps{Querier: s, Logger: slog.New(slog.DiscardHandler), Info: serve.Info{
		Name: "weir-probe", Version: "1", Abilities: wire.Abilities{Features: fleet.Abilities().Features, Interval: 5 * time.Minute}}})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *simulated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.server.Handler().ServeHTTP(w, r)
}

// traffic are rows in the order of their keys, each key once. As on real links, few hosts make most of it.
func traffic(random *rand.Rand, rows int) []flow.Record {
	seen := make(map[flow.Key]bool)
	var records []flow.Record
	for range rows {
		from, to := heavy(random), heavy(random)
		source, family := flow.AddressFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(from)}))
		destination, _ := flow.AddressFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(to)}))
		key := flow.Key{Source: source, Destination: destination, DestinationPort: []uint16{22, 53, 80, 443}[random.IntN(4)], Protocol: flow.TCP, Family: family}
		if seen[key] {
			continue
		}
		seen[key] = true
		n := 1 + 100_000/uint64(1+from*to) + random.Uint64N(100)
		records = append(records, flow.Record{Key: key, Counters: flow.Counters{BytesReceived: n * 100, BytesSent: n * random.Uint64N(900), PacketsReceived: n, PacketsSent: n}})
	}
	slices.SortFunc(records, func(a, b flow.Record) int { return a.Key.Compare(b.Key) })
	return records
}

// heavy is a number up to 250, the smaller the likelier.
func heavy(random *rand.Rand) int { return int(250 * math.Pow(random.Float64(), 3)) }

// listening serves on a port of the loopback interface.
func listening(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// gatewayServer is a gateway in this process.
type gatewayServer struct {
	*gateway.Gateway
	server *serve.Server
	url    string
}

// newGate runs a gateway over hosts of this machine.
func newGate(t testing.TB, cfg gateway.Config, deps gateway.Deps) *gatewayServer {
	t.Helper()
	deps.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	if deps.ReadFile == nil {
		deps.ReadFile = func(path string, _ int64) ([]byte, error) { return nil, fmt.Errorf("no file %s", path) }
	}
	g, err := gateway.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve.New(cfg.API, serve.Deps{Querier: g, Logger: deps.Logger, Info: serve.Info{Name: "weir-gateway", Version: "1", Abilities: fleet.Abilities()}, Extra: g.Routes(), Lists: g.Lists(), RuntimeID: g.RuntimeID()})
	if err != nil {
		t.Fatal(err)
	}
	g.Follow(s)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- g.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-ready
	return &gatewayServer{g, s, listening(t, s.Handler())}
}

// over is a configuration with these hosts.
func over(entries ...inventory.Entry) gateway.Config {
	cfg := gateway.Default()
	cfg.Watch = 0
	cfg.Inventory.Hosts = entries
	return cfg
}
