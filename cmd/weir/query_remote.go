package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/render"
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
	if q, err = v.fixed(q); err != nil {
		return err
	}
	result, err := v.ask(ctx, q, addresses)
	if err != nil {
		return err
	}
	return v.show(ctx, q, result, true)
}

// hostOf is how a server without a name stands in the host column: by the host of its address, with the port where
// several servers share the host.
func hostOf(address string, servers []string) string {
	host, port := hostPort(address)
	for _, text := range servers {
		if _, other := named(text); other != address {
			if same, _ := hostPort(other); same == host {
				return net.JoinHostPort(host, port)
			}
		}
	}
	return host
}

// hostPort splits an address; one without a host, such as a Unix socket's, stays whole.
func hostPort(address string) (host, port string) {
	text := address
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || strings.HasPrefix(address, "unix:") {
		return address, ""
	}
	return u.Hostname(), cmp.Or(u.Port(), "8145")
}

// given is a server that is given the lists of --list before it is asked.
type given struct {
	*client.Client
	verb *queryVerb
}

func (g given) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	if err := g.verb.upload(ctx, g.Client); err != nil {
		return nil, err
	}
	return g.Client.Query(ctx, r)
}

func (g given) Stream(ctx context.Context, r *wire.Request, partial func(*wire.Result)) (*wire.Result, error) {
	if err := g.verb.upload(ctx, g.Client); err != nil {
		return nil, err
	}
	return g.Client.Stream(ctx, r, partial)
}

// askOne asks a server, as a stream if that is wanted: then a gateway's hosts are seen to answer.
func (v *queryVerb) askOne(ctx context.Context, q *wire.Query, server given) (*wire.Result, error) {
	if !v.streaming {
		defer v.app.progress(func() string { return "waiting for " + server.Address() })()
		return server.Query(ctx, q.Request)
	}
	var answered, hosts atomic.Int64
	defer v.app.progress(func() string {
		if hosts.Load() == 0 {
			return "waiting for " + server.Address()
		}
		return fmt.Sprintf("%d of %d hosts answered", answered.Load(), hosts.Load())
	})()
	return server.Stream(ctx, q.Request, func(r *wire.Result) {
		n := 0
		for _, s := range r.HostsStatuses {
			if !render.Failed(s) {
				n++
			}
		}
		hosts.Store(int64(len(r.HostsStatuses)))
		answered.Store(int64(n))
	})
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
			return v.askOne(ctx, q, given{server, v})
		}
		host := fleet.Host{Name: cmp.Or(name, hostOf(address, servers)), Client: given{server, v}, Gateway: true} // perhaps: only --hosts makes a difference
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
	var answered atomic.Int64
	defer v.app.progress(func() string { return fmt.Sprintf("%d of %d servers answered", answered.Load(), len(hosts)) })()
	return f.Query(ctx, q, func(r *wire.Result) { answered.Store(int64(len(r.HostsStatuses))) })
}
