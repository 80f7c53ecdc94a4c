package plugin

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// knownHost is a host as far as the servers' catalogs know it: a server itself, or one behind a gateway.
type knownHost struct {
	wire.CatalogHost
	Server string // that was asked for it
}

// hostsOf are the hosts of some servers, by name: of a gateway those behind it, or itself if it does not say.
func hostsOf(known []fleet.HostCatalog, servers []server) []knownHost {
	var list []knownHost
	for _, s := range servers {
		at := slices.IndexFunc(known, func(h fleet.HostCatalog) bool { return h.Name == s.Name })
		switch {
		case at < 0:
			list = append(list, knownHost{wire.CatalogHost{Name: s.Name, State: wire.StateTimeout, Error: "no answer yet"}, s.Name})
		case known[at].Err != nil:
			list = append(list, knownHost{failedHost(s.Name, known[at].Err), s.Name})
		case len(known[at].Catalog.Hosts) > 0:
			for _, h := range known[at].Catalog.Hosts {
				list = append(list, knownHost{h, s.Name})
			}
		default:
			list = append(list, knownHost{ownHost(s.Name, known[at].Catalog), s.Name})
		}
	}
	slices.SortStableFunc(list, func(a, b knownHost) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// failedHost is what is known of a server that gave no catalog.
func failedHost(name string, err error) wire.CatalogHost {
	host := wire.CatalogHost{Name: name, State: wire.StateError, Error: frames.OneLine(err.Error())}
	var e *client.Error
	if errors.As(err, &e) {
		host.Error = frames.OneLine(e.Text)
		host.Class = e.Kind.Class()
	}
	if errors.Is(err, context.DeadlineExceeded) || e != nil && e.Kind == client.KindTimeout {
		host.State = wire.StateTimeout
	}
	return host
}

// ownHost is what a server says of itself.
func ownHost(name string, c *wire.Catalog) wire.CatalogHost {
	host := wire.CatalogHost{
		Name: name, ID: c.HostID, Labels: c.Labels, State: wire.StateOK, Kind: c.Kind, Version: c.Version,
	}
	for _, i := range c.Interfaces {
		host.Interfaces = append(host.Interfaces, i.Name)
		if !i.First.IsZero() && (host.First.IsZero() || i.First.Before(host.First)) {
			host.First = i.First
		}
		if i.Last.After(host.Last) {
			host.Last = i.Last
		}
	}
	return host
}

// labelValues are the values of each label among the hosts, sorted.
func labelValues(hosts []knownHost) map[string][]string {
	found := make(map[string]map[string]bool)
	for _, h := range hosts {
		for key, value := range h.Labels {
			if found[key] == nil {
				found[key] = make(map[string]bool)
			}
			found[key][value] = true
		}
	}
	values := make(map[string][]string, len(found))
	for key, set := range found {
		values[key] = slices.Sorted(maps.Keys(set))
	}
	return values
}

// lists are the names of the lists of addresses that the servers know.
func listNames(known []fleet.HostCatalog, servers []server) []string {
	var names []string
	for _, h := range known {
		asked := slices.ContainsFunc(servers, func(s server) bool { return s.Name == h.Name })
		if !asked || h.Catalog == nil {
			continue
		}
		for _, l := range h.Catalog.Lists {
			if l.Name != "" {
				names = append(names, l.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
