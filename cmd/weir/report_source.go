package main

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/reports"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/query"
)

// engineSource answers from a store on this machine.
type engineSource struct{ engine *query.Engine }

func (s engineSource) Query(ctx context.Context, q *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
	return s.engine.Query(ctx, q)
}

// local asks a store on this machine.
func (v *reportVerb) local(ctx context.Context, directory string, report func(context.Context, reports.Querier) error) error {
	if err := v.connection.check(false); err != nil {
		return err
	}
	switch {
	case v.live && v.liveGiven():
		return usage("--live: a store holds closed intervals only", "ask the probe that writes it: --server unix:"+v.app.socket)
	case v.scope.Hosts != "":
		return usage("--hosts: a store is about one host", "hosts are chosen at a gateway: --server ADDR")
	}
	ctx, cancel := v.connection.within(ctx)
	defer cancel()
	db, err := v.app.openDatabase(directory, nil)
	if err != nil {
		return err
	}
	defer db.close()
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	engine, err := query.New(query.Config{MaxGroups: maxGroups}, query.Deps{Stored: db.StoredSource, Host: host, HostID: db.hostID, Now: v.app.now})
	if err != nil {
		return err
	}
	v.scope.Names = wire.Names{Lookup: v.app.lookup, List: v.findList(false)}
	defer v.app.progress(func() string { return "reading " + directory })()
	if err := report(ctx, engineSource{engine}); err != nil {
		return err
	}
	if db.goProbe != nil {
		v.app.note("%s is a goProbe database: read in place; it has no message types of ICMP and no verdicts", directory)
	}
	return nil
}

// remote asks servers.
func (v *reportVerb) remote(ctx context.Context, addresses []string, report func(context.Context, reports.Querier) error) error {
	if err := v.connection.check(true); err != nil {
		return err
	}
	if v.scope.Hosts != "" && len(addresses) > 1 {
		return usage("--hosts chooses hosts at one gateway, but several servers are named", "")
	}
	v.scope.Names = wire.Names{Lookup: v.app.lookup, List: v.findList(true)}
	v.scope.Live = strings.TrimSpace(v.scope.Last) == ""
	if v.liveGiven() {
		v.scope.Live = v.live
	}
	if err := v.conditionByHash(); err != nil {
		return err
	}
	source := &serverSource{}
	for _, list := range v.known {
		source.lists = append(source.lists, list)
	}
	var hosts []fleet.Host
	for _, text := range addresses {
		name, address := named(text)
		server, err := v.app.dial(&v.connection, address)
		if err != nil {
			return err
		}
		defer server.Close() //nolint:errcheck // closes idle connections
		host := fleet.Host{Name: cmp.Or(name, hostOf(address, addresses)), Client: supplied{server, source}}
		if slices.ContainsFunc(hosts, func(h fleet.Host) bool { return h.Name == host.Name }) {
			return usage("--server: "+host.Name+" is named twice", "")
		}
		hosts = append(hosts, host)
		if len(addresses) == 1 && name == "" {
			source.one = host.Client
		}
	}
	if source.one == nil {
		cfg := fleet.DefaultConfig()
		cfg.HostTimeout = cmp.Or(v.connection.timeout, noTimeout)
		var err error
		if source.fleet, err = fleet.New(hosts, cfg, fleet.Deps{Now: v.app.now}); err != nil {
			return usage("--server: "+err.Error(), "")
		}
	}
	defer v.app.progress(func() string { return "waiting for " + plural(uint64(len(hosts)), "server") })()
	return report(ctx, source)
}

// serverSource asks one server, or several of them.
type serverSource struct {
	one   fleet.Client
	fleet *fleet.Fleet

	mu    sync.Mutex
	lists []*actors.List // that servers are given before they are asked
}

func (s *serverSource) Query(ctx context.Context, q *wire.Query, progress func(*wire.Result)) (*wire.Result, error) {
	if s.one != nil {
		return s.one.Query(ctx, q.Request)
	}
	return s.fleet.Query(ctx, q, progress)
}

// Upload has every server be given the list with the next question: one that fails to take it is one that fails to
// answer.
func (s *serverSource) Upload(_ context.Context, list *actors.List) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists = append(s.lists, list)
	return nil
}

// supplied is a server that is given the lists of its source before it is asked.
type supplied struct {
	*client.Client
	source *serverSource
}

func (s supplied) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	s.source.mu.Lock()
	lists := slices.Clone(s.source.lists)
	s.source.mu.Unlock()
	for _, list := range lists {
		if !strings.Contains(r.Condition, list.Hash()) {
			continue
		}
		if err := s.Upload(ctx, list); err != nil {
			return nil, err
		}
	}
	return s.Client.Query(ctx, r)
}
