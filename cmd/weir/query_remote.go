package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/wire"
)

// noTimeout is longer than anybody waits.
const noTimeout = 365 * 24 * time.Hour

// remote answers by asking servers.
func (v *queryVerb) remote(ctx context.Context, attributes string, addresses []string) error {
	if err := v.connection.check(true); err != nil {
		return err
	}
	q, err := v.prepare(ctx, attributes, true)
	if err != nil {
		return err
	}
	if q.Request.QueryHosts != "" && len(addresses) > 1 {
		return usage("--hosts chooses hosts at one gateway, but several servers are named", "")
	}
	if q, err = v.fixed(q); err != nil {
		return err
	}
	result, err := v.ask(ctx, q, addresses)
	if err != nil {
		return err
	}
	return v.show(q, result, true)
}

// ask asks one server, whose errors are those of the query, or several or named ones, whose errors stand in the
// result.
func (v *queryVerb) ask(ctx context.Context, q *wire.Query, servers []string) (*wire.Result, error) {
	var hosts []fleet.Host
	for _, text := range servers {
		name, address := named(text)
		server, err := v.app.dial(&v.connection, address)
		if err != nil {
			return nil, err
		}
		defer server.Close() //nolint:errcheck // closes idle connections
		if len(servers) == 1 && name == "" {
			return server.Query(ctx, q.Request)
		}
		host := fleet.Host{Name: cmp.Or(name, address), Client: server}
		if slices.ContainsFunc(hosts, func(h fleet.Host) bool { return h.Name == host.Name }) {
			return nil, usage(fmt.Sprintf("--server: %s is named twice", host.Name), "")
		}
		hosts = append(hosts, host)
	}
	cfg := fleet.DefaultConfig()
	cfg.HostTimeout = cmp.Or(v.connection.timeout, noTimeout)
	f, err := fleet.New(hosts, cfg, fleet.Deps{Now: v.app.now})
	if err != nil {
		return nil, usage("--server: "+err.Error(), "")
	}
	return f.Query(ctx, q, nil)
}
