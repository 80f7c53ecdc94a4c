package plugin

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/fleet"
)

// fleetsAtMost bounds the fleets that are remembered: one for each choice of servers that panels make.
const fleetsAtMost = 32

// roster is the servers to ask as they are now, and the fleets that are made of them. A fleet remembers which of its
// hosts did not answer lately, so that they do not hold up the next query.
type roster struct {
	timeout time.Duration // of one host
	now     func() time.Time

	mu      sync.Mutex
	servers []server
	labels  map[string]map[string]string // that servers say of themselves, by name
	fleets  map[string]*fleet.Fleet      // by the names of their servers
}

// list is the servers, in the order of the settings; it is not to be changed.
func (r *roster) list() []server {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.servers
}

// set replaces the servers and returns those that are gone. Queries that run keep theirs.
func (r *roster) set(servers []server) (gone []server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, old := range r.servers {
		if !slices.ContainsFunc(servers, func(s server) bool { return s.client == old.client }) {
			gone = append(gone, old)
		}
	}
	r.servers = servers
	r.fleets = nil
	return gone
}

// fleet is the fleet of some of the servers.
func (r *roster) fleet(servers []server) (*fleet.Fleet, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := strings.Join(serverNames(servers), ",")
	if known := r.fleets[key]; known != nil {
		return known, nil
	}
	cfg := fleet.DefaultConfig()
	cfg.HostTimeout = r.timeout
	made, err := fleet.New(r.hosts(servers), cfg, fleet.Deps{Now: r.now})
	if err != nil {
		return nil, err
	}
	if r.fleets == nil || len(r.fleets) >= fleetsAtMost {
		r.fleets = make(map[string]*fleet.Fleet)
	}
	r.fleets[key] = made
	return made, nil
}

// hosts are the servers as a fleet takes them. Any of them may be a gateway: its catalog says so.
func (r *roster) hosts(servers []server) []fleet.Host {
	list := make([]fleet.Host, len(servers))
	for i, s := range servers {
		list[i] = fleet.Host{
			Name: s.Name, Client: s.client, ID: s.ID, Groups: s.Groups, Gateway: true,
			Labels: overlaid(r.labels[s.Name], s.Labels),
		}
	}
	return list
}

// learn takes in what servers say of their labels.
func (r *roster) learn(catalogs []fleet.HostCatalog) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := false
	for _, h := range catalogs {
		if h.Catalog != nil && !maps.Equal(r.labels[h.Name], h.Catalog.Labels) {
			if r.labels == nil {
				r.labels = make(map[string]map[string]string)
			}
			r.labels[h.Name] = h.Catalog.Labels
			changed = true
		}
	}
	if !changed {
		return
	}
	for key, known := range r.fleets {
		names := known.Names()
		of := slices.DeleteFunc(slices.Clone(r.servers), func(s server) bool { return !slices.Contains(names, s.Name) })
		if known.SetHosts(r.hosts(of)) != nil {
			delete(r.fleets, key) // made anew, and the error is the query's
		}
	}
}

// overlaid are labels over others.
func overlaid(below, above map[string]string) map[string]string {
	if len(above) == 0 {
		return below
	}
	all := maps.Clone(below)
	if all == nil {
		all = make(map[string]string, len(above))
	}
	maps.Copy(all, above)
	return all
}
