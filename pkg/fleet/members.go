package fleet

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/wire"
)

// choose finds the hosts that a request names, see Select. Hosts behind gateways can be named, too: a gateway is then
// asked for those among its hosts.
func (f *Fleet) choose(ctx context.Context, r *wire.Request) ([]Host, error) {
	hosts := f.list()
	text := strings.TrimSpace(r.QueryHosts)
	if text == "" || strings.EqualFold(text, "any") {
		return hosts, nil
	}
	m := f.members(ctx, hosts)
	chosen, err := Select(m.infos, text)
	if err != nil {
		return nil, m.explain(err)
	}
	inner := make(map[int][]string)
	for _, i := range chosen {
		at := m.of[i]
		inner[at.host] = append(inner[at.host], at.inner)
	}
	var list []Host
	for i, h := range hosts {
		names, ok := inner[i]
		if !ok {
			continue
		}
		if len(names) < m.sizes[i] {
			h.Client = narrowed{h.Client, strings.Join(names, ",")}
		}
		list = append(list, h)
	}
	return list, nil
}

// narrowed is a gateway that is asked for some of its hosts.
type narrowed struct {
	Client
	hosts string
}

func (n narrowed) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	r.QueryHosts = n.hosts // the request is this client's own
	return n.Client.Query(ctx, r)
}

// members are all hosts that can be named.
type members struct {
	infos  []Info
	of     []member    // by index of infos
	sizes  map[int]int // hosts behind a gateway, by index of the gateway; 1 for any other host
	silent []string    // gateways that did not say what is behind them
}

// member is where a host is: its own place in the fleet, or that of the gateway and the name there.
type member struct {
	host  int
	inner string
}

func (f *Fleet) members(ctx context.Context, hosts []Host) *members {
	m := &members{sizes: make(map[int]int, len(hosts))}
	behind := f.behind(ctx, hosts)
	taken := make(map[string]bool, len(hosts))
	for _, h := range hosts {
		taken[h.Name] = true
	}
	for i, h := range hosts {
		if h.Gateway && behind[i] == nil {
			m.silent = append(m.silent, h.Name)
		}
		if len(behind[i]) == 0 {
			m.infos, m.of, m.sizes[i] = append(m.infos, Info{Name: h.Name, Labels: h.Labels, Groups: h.Groups}), append(m.of, member{host: i}), 1
			continue
		}
		for _, c := range behind[i] {
			info := Info{Name: c.Name, Gateway: h.Name, Groups: slices.Concat(c.Groups, h.Groups), Labels: overlaid(h.Labels, c.Labels)} // the gateway nearest to a host knows best
			if taken[c.Name] {
				info.Name = h.Name + "/" + c.Name
			}
			taken[info.Name] = true
			m.infos, m.of = append(m.infos, info), append(m.of, member{i, c.Name})
		}
		m.sizes[i] = len(behind[i])
	}
	return m
}

// behind are the hosts behind each gateway, nil where that is not known.
func (f *Fleet) behind(ctx context.Context, hosts []Host) [][]wire.CatalogHost {
	list := make([][]wire.CatalogHost, len(hosts))
	if !slices.ContainsFunc(hosts, func(h Host) bool { return h.Gateway }) {
		return list
	}
	f.each(ctx, hosts, func(ctx context.Context, i int) error {
		if hosts[i].Gateway {
			if c := f.lastCatalog(ctx, hosts[i]); c != nil {
				list[i] = append([]wire.CatalogHost{}, c.Hosts...)
			}
		}
		return nil
	}, func(int, error) {})
	return list
}

// explain adds to an error which hosts are not known now.
func (m *members) explain(err error) error {
	var p *wire.Problem
	if len(m.silent) == 0 || !errors.As(err, &p) {
		return err
	}
	said := *p
	said.Errors = slices.Clone(p.Errors)
	for i := range said.Errors {
		said.Errors[i].Message += "; what is behind " + listed(m.silent) + " is not known, because it does not answer"
	}
	return &said
}
