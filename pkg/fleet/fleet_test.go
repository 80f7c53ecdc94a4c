package fleet

import (
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
		hosts[i] = Host{Name: s.name, Client: s}
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

func TestNewRefuses(t *testing.T) {
	ok := &store{name: "a"}
	for name, hosts := range map[string][]Host{
		"twice": {{Name: "a", Client: ok}, {Name: "b", Client: ok}, {Name: "a", Client: ok}}, "no name": {{Name: "", Client: ok}}, "no client": {{Name: "a", Client: nil}}, "comma": {{Name: "a,b", Client: ok}}, "any": {{Name: "Any", Client: ok}},
	} {
		if _, err := New(hosts, DefaultConfig(), Deps{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(nil, Config{}, Deps{}); err == nil {
		t.Error("the zero configuration is accepted")
	}
}
