// Package plugin is the data source's backend: it adapts Grafana's SDK, one file per handler (querydata.go,
// stream.go, health.go, resource.go), to the fleet of servers that the settings name.
//
// Invariants: a data source with bad settings is usable, and its health check says what is wrong; it opens no file,
// dials no unix socket, starts no process and reads no environment; one query's failure leaves the other queries
// of a request alone; what a user can mend is never reported as a fault of the plugin.
//
// Neighbours: frames builds the answers, fleet and client ask the servers, wire checks the questions.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
	"github.com/grafana/grafana-plugin-sdk-go/backend/resource/httpadapter"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/resolve"
	"github.com/weirflow/weir/pkg/wire"
)

var (
	_ backend.QueryDataHandler      = (*DataSource)(nil)
	_ backend.CheckHealthHandler    = (*DataSource)(nil)
	_ backend.CallResourceHandler   = (*DataSource)(nil)
	_ instancemgmt.InstanceDisposer = (*DataSource)(nil)
)

// DataSource is one configured data source. It is safe for concurrent use and keeps nothing of a request.
type DataSource struct {
	backend.CallResourceHandler // resource.go

	uid      string // Grafana's, for links
	settings Settings
	servers  []server
	catalogs *catalogs
	resolver *resolve.Resolver
	flights  flights
	streams  atomic.Int64 // that run
	now      func() time.Time
}

// server is a configured server with its client; one with a problem has a client that only reports it.
type server struct {
	Server
	client serverClient
	close  func() error
}

// serverClient is what the plugin asks of a server; *client.Client is one.
type serverClient interface {
	fleet.Client
	Info(ctx context.Context) (*client.Info, error)
}

// New makes a data source of its settings, for datasource.Manage. It connects to nothing and does not fail.
func New(_ context.Context, stored backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	settings := LoadSettings(stored)
	servers := make([]server, len(settings.Servers))
	for i, s := range settings.Servers {
		servers[i] = connect(s, settings)
	}
	return newDataSource(stored.UID, settings, servers, time.Now)
}

func newDataSource(uid string, settings Settings, servers []server, now func() time.Time) (*DataSource, error) {
	resolver, err := resolve.New(resolve.DefaultConfig(), resolve.Deps{Now: now, Dial: nameServer(settings.LookupServer)})
	if err != nil {
		return nil, err
	}
	d := &DataSource{uid: uid, settings: settings, servers: servers, resolver: resolver, now: now}
	d.catalogs = &catalogs{fetch: d.askCatalogs, now: now}
	d.CallResourceHandler = httpadapter.New(d.routes())
	return d, nil
}

// connect makes the client of a server, which dials nothing before it is asked.
func connect(s Server, settings Settings) server {
	if s.Problem == nil {
		cfg := client.DefaultConfig()
		cfg.URL, cfg.Token, cfg.TLS, cfg.Timeout = s.URL, settings.Token, settings.TLS, settings.Timeout
		cfg.RejectUnix, cfg.UserAgent, cfg.Headers = true, "weir-grafana", settings.Headers
		c, err := client.New(cfg, client.Deps{})
		if err == nil {
			return server{Server: s, client: limit(c, settings.Concurrency), close: c.Close}
		}
		s.Problem = err
	}
	return server{Server: s, client: unusable{s.Problem}, close: func() error { return nil }}
}

// Dispose closes idle connections. Queries that still run keep theirs.
func (d *DataSource) Dispose() {
	for _, s := range d.servers {
		if err := s.close(); err != nil {
			backend.Logger.Debug("close connections", "server", s.Name, "error", err)
		}
	}
}

// choose finds servers by name; no names mean all. The order is that of the settings.
func (d *DataSource) choose(names []string) ([]server, error) {
	if len(d.servers) == 0 {
		return nil, errors.Join(d.settings.Problems...)
	}
	if len(names) == 0 {
		return d.servers, nil
	}
	wanted := make(map[string]bool)
	for _, name := range names {
		wanted[name] = true
	}
	var chosen []server
	var known []string
	for _, s := range d.servers {
		known = append(known, s.Name)
		if wanted[s.Name] {
			chosen = append(chosen, s)
			delete(wanted, s.Name)
		}
	}
	for _, name := range names {
		if !wanted[name] {
			continue
		}
		if nearest, ok := flow.Nearest(name, known); ok {
			return nil, fmt.Errorf("server %q is not in the data source's settings; did you mean %q?", name, nearest)
		}
		return nil, fmt.Errorf("server %q is not in the data source's settings: it was removed or renamed", name)
	}
	return chosen, nil
}

// ask makes a fleet of servers. It holds nothing that outlives a query.
func (d *DataSource) ask(servers []server) (*fleet.Fleet, error) {
	cfg := fleet.DefaultConfig()
	cfg.HostTimeout = d.settings.Timeout
	return fleet.New(hosts(servers), cfg, fleet.Deps{Now: d.now})
}

// askCatalogs asks every server what it has.
func (d *DataSource) askCatalogs(ctx context.Context) []fleet.HostCatalog {
	all, err := d.ask(d.servers)
	if err != nil {
		return []fleet.HostCatalog{}
	}
	return all.Catalogs(ctx)
}

func hosts(servers []server) []fleet.Host {
	list := make([]fleet.Host, len(servers))
	for i, s := range servers {
		list[i] = fleet.Host{Name: s.Name, Client: s.client}
	}
	return list
}

// unusable stands for a server whose settings are wrong.
type unusable struct{ problem error }

func (u unusable) Query(context.Context, *wire.Request) (*wire.Result, error) { return nil, u.problem }
func (u unusable) Catalog(context.Context) (*wire.Catalog, error)             { return nil, u.problem }
func (u unusable) Info(context.Context) (*client.Info, error)                 { return nil, u.problem }
