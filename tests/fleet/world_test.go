// Package fleet_test asks fleets of real engines over real stores, and compares their answers with that of one store
// which has the rows of all.
package fleet_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/query"
	"github.com/weirflow/weir/probe/store"
	"github.com/weirflow/weir/probe/vfs"
)

// noon is 2026-11-21T12:00:00Z, an interval end.
const noon = int64(1795262400)

var now = time.Unix(noon+100, 0).UTC()

// host is a real engine over a real store, asked without a network.
type host struct {
	name   string
	engine *query.Engine
	able   wire.Abilities
	fails  func(r *wire.Request) error // nil: never

	mu    sync.Mutex
	asked []*wire.Request
}

func (h *host) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	h.mu.Lock()
	h.asked = append(h.asked, r)
	h.mu.Unlock()
	if h.fails != nil {
		if err := h.fails(r); err != nil {
			return nil, err
		}
	}
	q, err := r.Prepare(now)
	if err != nil {
		return nil, err
	}
	return h.engine.Query(ctx, q)
}

func (h *host) Catalog(context.Context) (*wire.Catalog, error) { return &wire.Catalog{}, nil }

func (h *host) Abilities(context.Context) (wire.Abilities, error) { return h.able, nil }

// everything is what our own servers can do.
var everything = wire.Abilities{Interval: 5 * time.Minute,
	Features: []string{wire.FeatureThreshold, wire.FeatureGroups, wire.FeatureDedupe, wire.FeatureLabels}}

// gateway is a fleet, asked as another fleet's host.
type gateway struct{ *fleet.Fleet }

func (g gateway) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	q, err := r.Prepare(now)
	if err != nil {
		return nil, err
	}
	return g.Fleet.Query(ctx, q, nil)
}

func (g gateway) Abilities(context.Context) (wire.Abilities, error) { return everything, nil }

// block is an interval of an interface.
type block struct {
	iface   string
	end     int64
	records []flow.Record
}

// world is data of several hosts.
type world struct {
	hosts []*host
	union *host
}

// size is how much data a world has.
type size struct{ hosts, intervals, rows, groups int }

// randomBlocks makes the data of a host. Either the same groups are large at all hosts, or each host has its own.
func randomBlocks(r *rand.Rand, s size, h int) (list []block) {
	common := r.IntN(2) == 0
	for _, iface := range []string{"eth0", "eth1"} {
		for i := range s.intervals {
			b := block{iface: iface, end: noon - int64(i)*300}
			for range r.IntN(s.rows + 1) {
				b.records = append(b.records, randomRecord(r, s.groups, h, common))
			}
			list = append(list, b)
		}
	}
	return list
}

func randomRecord(r *rand.Rand, groups, h int, common bool) flow.Record {
	n := uint32(r.IntN(groups))
	rec := flow.Record{Key: flow.Key{DestinationPort: uint16(80 + n%5), Protocol: flow.Protocol(6 + 11*(n%2)), Family: flow.IPv4}}
	binary.BigEndian.PutUint32(rec.Key.Source[:], 0x0a000000+n)
	binary.BigEndian.PutUint32(rec.Key.Destination[:], 0xc0a80000+n%7)
	if n%6 == 0 {
		rec.Key.Family = flow.IPv6
		rec.Key.Source, rec.Key.Destination = flow.Address{0: 0x20, 15: byte(n), 14: byte(n >> 8)}, flow.Address{0: 0x20, 15: byte(n % 3)}
	}
	most := uint64(30)
	if hot := int(n) % 10; common && hot == 3 || !common && hot == h%10 {
		most = 1000
	}
	rec.Counters = flow.Counters{BytesReceived: r.Uint64N(most), BytesSent: r.Uint64N(most / 3), PacketsReceived: 1 + r.Uint64N(4), PacketsSent: r.Uint64N(4)}
	switch n % 5 { // by the key: a store may join rows of one flow and interval, and their verdict
	case 0:
		rec.Counters.Attempts, rec.Counters.Accepts = 1, 1
	case 1:
		rec.Counters.Attempts, rec.Counters.Rejects = 2, 1
	}
	return rec
}

// newWorld makes hosts with data of their own, and one store that has it all.
func newWorld(t testing.TB, r *rand.Rand, s size) *world {
	t.Helper()
	w := &world{}
	var all []block
	for h := range s.hosts {
		blocks := randomBlocks(r, s, h)
		all = append(all, blocks...)
		w.hosts = append(w.hosts, newHost(t, fmt.Sprintf("host%02d", h), blocks, r.IntN(2) == 0))
	}
	w.union = newHost(t, "union", all, r.IntN(2) == 0)
	return w
}

func newHost(t testing.TB, name string, blocks []block, compact bool) *host {
	t.Helper()
	s, err := store.Open(store.Config{Path: "/db"}, store.Deps{FS: vfs.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range blocks {
		interval := flow.Interval{End: b.end, Duration: 5 * time.Minute, Boot: [16]byte{1}, Sequence: uint64(i)}
		interval.Accounting.Received, interval.Accounting.Metered = uint64(len(b.records)), uint64(len(b.records))
		if err := s.Append(t.Context(), b.iface, interval, b.records); err != nil {
			t.Fatal(err)
		}
	}
	if compact {
		if report, err := s.Compact(t.Context(), store.CompactOptions{All: true}); err != nil || len(report.Faults) > 0 {
			t.Fatal(err, report.Faults)
		}
	}
	e, err := query.New(query.DefaultConfig(), query.Deps{Stored: query.Stored(s), Host: name, HostID: "id-" + name, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return &host{name: name, engine: e, able: everything}
}

// fleetOf makes a fleet of hosts that asks for few groups at first, so that small data need rounds.
func fleetOf(t testing.TB, hosts ...fleet.Host) *fleet.Fleet {
	t.Helper()
	cfg := fleet.DefaultConfig()
	cfg.FirstRows = 1
	cfg.ProgressEvery = 0
	f, err := fleet.New(hosts, cfg, fleet.Deps{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func members(list []*host) (hosts []fleet.Host) {
	for _, h := range list {
		hosts = append(hosts, fleet.Host{Name: h.name, Client: h})
	}
	return hosts
}

func prepare(t testing.TB, r wire.Request) *wire.Query {
	t.Helper()
	q, err := r.Prepare(now)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	return q
}
