package plugin

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// fake is a server that answers from memory and remembers what it was asked.
type fake struct {
	info    client.Info
	catalog wire.Catalog
	answer  func(*wire.Request) (*wire.Result, error)
	err     error                 // of every call
	lists   map[string]filter.Set // by hash or name

	mu    sync.Mutex
	asked []wire.Request
}

// newFake has one interface, an interval of 5 minutes, and one talker in each answer.
func newFake(host string) *fake {
	return &fake{
		info: client.Info{Name: "weir-probe", Version: "1.2.3", Kind: client.ServerProbe},
		catalog: wire.Catalog{
			Kind: "probe", Host: host, HostID: host + "-id", Now: noon, Interval: 5 * time.Minute,
			Interfaces: []wire.CatalogInterface{{Name: "eth0", Capturing: true}, {Name: host + "0"}},
			Fields:     wire.CatalogFields(), Shorthands: wire.CatalogShorthands(),
		},
		answer: func(r *wire.Request) (*wire.Result, error) { return grouped(r, talker(host, r.Series)) },
	}
}

// talker is the answer of a host in which 10.0.0.1 asked 192.0.2.10 for a page.
func talker(host string, series bool) *wire.Result {
	counters := wire.Counters{BytesReceived: 3000, BytesSent: 600, PacketsReceived: 30, PacketsSent: 20}
	row := wire.Row{
		Labels: wire.Labels{Host: host, HostID: host + "-id", Iface: "eth0"},
		Attributes: wire.Attributes{
			Source: netip.MustParseAddr("10.0.0.1"), Destination: netip.MustParseAddr("192.0.2.10"),
			DestinationPort: 443, Protocol: flow.TCP,
		},
		Counters: counters,
	}
	result := &wire.Result{
		Hostname:      host,
		Status:        wire.Status{Code: wire.CodeOK, State: wire.StateOK},
		HostsStatuses: map[string]wire.Status{host: {Code: wire.CodeOK, State: wire.StateOK}},
		Summary: wire.Summary{
			Interfaces: []string{"eth0"}, TimeFirst: noon.Add(-time.Hour), TimeLast: noon, Totals: counters,
			Hits: wire.Hits{Displayed: 1, Total: 1}, DataAvailable: true,
		},
		Query: wire.Echo{Attributes: []string{"sip", "dip", "dport", "proto"}},
		Rows:  []wire.Row{row},
	}
	if series {
		result.Rows[0].Labels.Timestamp = noon.Add(-5 * time.Minute)
		result.Summary.Coverage = []wire.BinCoverage{
			{Timestamp: noon.Add(-5 * time.Minute), Seconds: 300}, {Timestamp: noon, Seconds: 300},
		}
	}
	return result
}

// grouped is a result as a server gives it that was asked for less: by the attributes of the request.
func grouped(r *wire.Request, full *wire.Result) (*wire.Result, error) {
	q, err := r.PrepareWith(context.Background(), noon, wire.Names{List: wire.ListElsewhere})
	if err != nil {
		return nil, err
	}
	for i := range full.Rows {
		full.Rows[i].Attributes = kept(q, full.Rows[i].Attributes)
	}
	full.Summary.Totals = wire.Counters{}
	return merged(q, full), nil
}

func (f *fake) Query(_ context.Context, r *wire.Request) (*wire.Result, error) {
	f.mu.Lock()
	f.asked = append(f.asked, *r)
	f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	return f.answer(r)
}

func (f *fake) Upload(_ context.Context, list *actors.List) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lists == nil {
		f.lists = make(map[string]filter.Set)
	}
	f.lists[list.Hash()] = list
	return f.err
}

func (f *fake) Catalog(context.Context) (*wire.Catalog, error) {
	if f.err != nil {
		return nil, f.err
	}
	catalog := f.catalog
	return &catalog, nil
}

func (f *fake) Info(context.Context) (*client.Info, error) {
	if f.err != nil {
		return nil, f.err
	}
	info := f.info
	return &info, nil
}

// requests are those the server was asked so far.
func (f *fake) requests() []wire.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]wire.Request(nil), f.asked...)
}

// closed is the error of a server that nobody is listening at.
func closed(name string) error {
	return &client.Error{Kind: client.KindRefused, Server: name, Text: "connection refused", Cause: errors.New("connect")}
}

// sourceOf is a data source over fakes, with its clock at noon.
func sourceOf(names []string, fakes ...*fake) *DataSource {
	settings := Settings{Timeout: 5 * time.Second}
	var servers []server
	for i, f := range fakes {
		s := Server{Name: names[i], URL: "http://" + names[i] + ":8145"}
		settings.Servers = append(settings.Servers, s)
		servers = append(servers, server{Server: s, client: f, close: func() error { return nil }})
	}
	d, err := newDataSource("weir", settings, servers, func() time.Time { return noon })
	if err != nil {
		panic(err)
	}
	return d
}
