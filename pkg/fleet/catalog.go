package fleet

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// catalogTimeout is how long a host may take to say what it has: it looks into its memory for that.
const catalogTimeout = 5 * time.Second

// failureAge is how long it is remembered that a host did not say what it has.
const failureAge = 10 * time.Second

// HostCatalog is what one host said of itself, or why it did not.
type HostCatalog struct {
	Name    string
	Catalog *wire.Catalog
	Err     error
	// ClockSkew is by how much the host's clock is ahead of ours, where that is more than can be explained.
	ClockSkew time.Duration
}

// Catalogs asks all hosts; the answers stand in the order of the names.
func (f *Fleet) Catalogs(ctx context.Context) []HostCatalog { return f.catalogs(ctx, f.list(), 0) }

// catalogs takes answers of at most that age.
func (f *Fleet) catalogs(ctx context.Context, hosts []Host, age time.Duration) []HostCatalog {
	list := make([]HostCatalog, len(hosts))
	f.each(ctx, hosts, func(ctx context.Context, i int) error {
		list[i] = f.catalogOf(ctx, hosts[i], age)
		return list[i].Err
	}, func(i int, err error) {
		list[i].Name, list[i].Err = hosts[i].Name, err
	})
	return list
}

// catalogOf asks one host, once for all who want to know at the same time. A failure is remembered for a while, too.
func (f *Fleet) catalogOf(ctx context.Context, h Host, age time.Duration) HostCatalog {
	s := h.state
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return HostCatalog{Name: h.Name, Err: ctx.Err()}
	}
	if past := f.now().Sub(s.freshAt); s.fresh.Name != "" && past >= 0 && (past < age && s.fresh.Err == nil || past < min(age, failureAge)) {
		return s.fresh
	}
	ctx, cancel := context.WithTimeout(ctx, catalogTimeout)
	defer cancel()
	c := HostCatalog{Name: h.Name}
	c.Err = f.guarded(ctx, h, func(ctx context.Context) error {
		sent := f.now()
		catalog, err := s.client.Catalog(ctx)
		if err != nil {
			return err
		}
		if catalog == nil {
			return errors.New("no answer")
		}
		c.Catalog = catalog
		c.ClockSkew = skew(&wire.Result{Summary: wire.Summary{Timings: wire.Timings{QueryStart: catalog.Now}}}, sent, f.now())
		return nil
	})
	if errors.Is(c.Err, context.Canceled) {
		return c // says nothing of the host
	}
	if s.fresh, s.freshAt = c, f.now(); c.Err == nil {
		s.catalog.Store(c.Catalog)
	}
	return c
}

// lastCatalog is what a host said of itself last, however long ago that is if it does not answer now; nil if never.
func (f *Fleet) lastCatalog(ctx context.Context, h Host) *wire.Catalog {
	if c := f.catalogOf(ctx, h, f.cfg.CatalogAge); c.Err == nil {
		return c.Catalog
	}
	return h.state.catalog.Load()
}

// Catalog is the union of what the hosts say that answer, and says of each whether it did; where none does, it has no
// interfaces. It satisfies serve.Querier, and fails never.
func (f *Fleet) Catalog(ctx context.Context) (*wire.Catalog, error) {
	hosts := f.list()
	list := f.catalogs(ctx, hosts, f.cfg.CatalogAge)
	union := &wire.Catalog{
		Kind: "gateway", Now: f.now().UTC(), Interfaces: []wire.CatalogInterface{},
		Fields: wire.CatalogFields(), Shorthands: wire.CatalogShorthands(), Features: features(list),
	}
	interfaces := make(map[string]wire.CatalogInterface)
	for _, h := range list {
		if h.Err != nil {
			continue
		}
		if d := h.Catalog.Interval; union.Interval == 0 || d > 0 && d < union.Interval {
			union.Interval = d
		}
		for _, i := range h.Catalog.Interfaces {
			interfaces[i.Name] = join(interfaces[i.Name], i)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(interfaces)) {
		union.Interfaces = append(union.Interfaces, interfaces[name])
	}
	union.Hosts = catalogHosts(hosts, list)
	return union, nil
}

// features are those that all servers have that know extensions at all: what goProbe lacks is done by its client.
func features(list []HostCatalog) []string {
	count, servers := make(map[string]int), 0
	for _, h := range list {
		if h.Err != nil || len(h.Catalog.Features) == 0 {
			continue
		}
		servers++
		for _, name := range slices.Compact(slices.Sorted(slices.Values(h.Catalog.Features))) {
			count[name]++
		}
	}
	maps.DeleteFunc(count, func(_ string, n int) bool { return n < servers })
	return append([]string{}, slices.Sorted(maps.Keys(count))...)
}

// catalogHosts are the hosts in the order of their names; behind a gateway that answers, its own.
func catalogHosts(hosts []Host, list []HostCatalog) []wire.CatalogHost {
	var all []wire.CatalogHost
	taken := make(map[string]bool, len(hosts))
	for _, h := range hosts {
		taken[h.Name] = true
	}
	for i, h := range hosts {
		c := list[i]
		if c.Err != nil || len(c.Catalog.Hosts) == 0 {
			all = append(all, catalogHost(h, c))
			continue
		}
		for _, inner := range c.Catalog.Hosts {
			if inner.Gateway = h.Name; taken[inner.Name] {
				inner.Name = h.Name + "/" + inner.Name
			}
			taken[inner.Name] = true
			inner.Labels = overlaid(h.Labels, inner.Labels)
			inner.Groups = slices.Compact(slices.Sorted(slices.Values(slices.Concat(inner.Groups, h.Groups))))
			all = append(all, inner)
		}
	}
	slices.SortStableFunc(all, func(a, b wire.CatalogHost) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func catalogHost(h Host, c HostCatalog) wire.CatalogHost {
	host := wire.CatalogHost{Name: h.Name, ID: h.ID, Labels: h.Labels, Groups: h.Groups, ClockSkewNanoseconds: c.ClockSkew.Nanoseconds()}
	if c.Err != nil {
		s := failure(c.Err)
		host.State, host.Class, host.Error = s.State, s.Class, s.Message
		return host
	}
	host.State, host.Kind, host.Version = wire.StateOK, c.Catalog.Kind, c.Catalog.Version
	if c.Catalog.HostID != "" {
		host.ID = c.Catalog.HostID
	}
	host.Labels = overlaid(c.Catalog.Labels, h.Labels)
	for _, i := range c.Catalog.Interfaces {
		host.Interfaces = append(host.Interfaces, i.Name)
		span := join(wire.CatalogInterface{First: host.First, Last: host.Last}, i)
		host.First, host.Last = span.First, span.Last
	}
	return host
}

// overlaid are the labels of both, with those of the second where they differ.
func overlaid(under, over map[string]string) map[string]string {
	switch {
	case len(under) == 0:
		return over
	case len(over) == 0:
		return under
	}
	labels := maps.Clone(under)
	maps.Copy(labels, over)
	return labels
}

// join is what two hosts together know of an interface name.
func join(a, b wire.CatalogInterface) wire.CatalogInterface {
	if b.First.IsZero() || !a.First.IsZero() && a.First.Before(b.First) {
		b.First = a.First
	}
	if a.Last.After(b.Last) {
		b.Last = a.Last
	}
	b.Capturing = b.Capturing || a.Capturing
	return b
}
