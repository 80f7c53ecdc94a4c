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
	"strings"
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
	roster   roster
	catalogs *catalogs
	resolver *resolve.Resolver
	flights  flights
	streams  atomic.Int64 // that run
	// discovery keeps the roster up to date; nil: it stays.
	discovery *discovery
	now       func() time.Time
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

// New makes a data source of its settings, for datasource.Manage. It does not fail, and connects to nothing but a
// discovery of servers.
func New(_ context.Context, stored backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	settings := LoadSettings(stored)
	cache, err := newCache(settings.CacheBytes)
	if err != nil {
		settings.Problems = append(settings.Problems, err)
	}
	servers := make([]server, len(settings.Servers))
	for i, s := range settings.Servers {
		servers[i] = connect(s, settings, cache, nil)
	}
	d, err := newDataSource(stored.UID, settings, servers, time.Now)
	if err != nil {
		return nil, err
	}
	if d.discovery, err = discover(settings, cache, &d.roster); err != nil {
		d.settings.Problems = append(d.settings.Problems, err)
	}
	return d, nil
}

func newDataSource(uid string, settings Settings, servers []server, now func() time.Time) (*DataSource, error) {
	resolver, err := resolve.New(resolve.DefaultConfig(), resolve.Deps{Now: now, Dial: nameServer(settings.LookupServer)})
	if err != nil {
		return nil, err
	}
	d := &DataSource{uid: uid, settings: settings, resolver: resolver, now: now}
	d.roster = roster{timeout: settings.Timeout, now: now, servers: servers}
	d.catalogs = &catalogs{fetch: d.askCatalogs, now: now}
	d.CallResourceHandler = httpadapter.New(d.routes())
	return d, nil
}

// newCache is what all servers of a data source keep their answers in; nil: nothing is kept.
func newCache(bytes int64) (*fleet.Cache, error) {
	if bytes == 0 {
		return nil, nil
	}
	cfg := fleet.DefaultCacheConfig()
	cfg.Bytes = bytes
	return fleet.NewCache(cfg, fleet.CacheDeps{})
}

// connect makes the client of a server, which dials nothing before it is asked.
// way, where it is not nil, changes how.
func connect(s Server, settings Settings, cache *fleet.Cache, way func(*client.Config)) server {
	if s.Problem == nil {
		cfg := client.DefaultConfig()
		cfg.URL, cfg.Token, cfg.TLS, cfg.Timeout = s.URL, settings.Token, settings.TLS, settings.Timeout
		cfg.RejectUnix, cfg.UserAgent, cfg.Headers = true, "weir-grafana", settings.Headers
		if way != nil {
			way(&cfg)
		}
		c, err := client.New(cfg, client.Deps{})
		if err == nil {
			return server{Server: s, client: cached(limit(c, settings.Concurrency), cache), close: c.Close}
		}
		s.Problem = err
	}
	return server{Server: s, client: unusable{s.Problem}, close: func() error { return nil }}
}

// Dispose closes idle connections. Queries that still run keep theirs.
func (d *DataSource) Dispose() {
	d.discovery.close()
	for _, s := range d.roster.list() {
		if err := s.close(); err != nil {
			backend.Logger.Debug("close connections", "server", s.Name, "error", err)
		}
	}
}

// choose finds servers by name; no names mean all. The order is that of the settings.
func (d *DataSource) choose(ctx context.Context, names []string) ([]server, error) {
	d.discovery.wait(ctx)
	servers := d.roster.list()
	if len(servers) == 0 {
		return nil, d.nobody()
	}
	if len(names) == 0 {
		return servers, nil
	}
	wanted := make(map[string]bool)
	for _, name := range names {
		wanted[name] = true
	}
	var chosen []server
	for _, s := range servers {
		if wanted[s.Name] {
			chosen = append(chosen, s)
			delete(wanted, s.Name)
		}
	}
	for _, name := range names {
		if !wanted[name] {
			continue
		}
		if nearest, ok := flow.Nearest(name, serverNames(servers)); ok {
			return nil, fmt.Errorf("server %q is not in the data source's settings; did you mean %q?", name, nearest)
		}
		return nil, fmt.Errorf("server %q is not in the data source's settings: it was removed or renamed", name)
	}
	return chosen, nil
}

// nobody says why there is no server to ask.
func (d *DataSource) nobody() error {
	if len(d.settings.Problems) > 0 {
		return errors.Join(d.settings.Problems...)
	}
	if faults := d.discovery.health(); len(faults) > 0 {
		return fmt.Errorf("no server is known: %s", strings.Join(faults, "; "))
	}
	return errors.New("no server is known: nothing was discovered")
}

// askCatalogs asks every server what it has.
func (d *DataSource) askCatalogs(ctx context.Context) []fleet.HostCatalog {
	all, err := d.roster.fleet(d.roster.list())
	if err != nil {
		return []fleet.HostCatalog{}
	}
	list := all.Catalogs(ctx)
	d.roster.learn(list)
	return list
}

// unusable stands for a server whose settings are wrong.
type unusable struct{ problem error }

func (u unusable) Query(context.Context, *wire.Request) (*wire.Result, error) { return nil, u.problem }
func (u unusable) Catalog(context.Context) (*wire.Catalog, error)             { return nil, u.problem }
func (u unusable) Info(context.Context) (*client.Info, error)                 { return nil, u.problem }
