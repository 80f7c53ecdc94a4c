package plugin

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// Catalog is what the editors know of the servers; it mirrors Catalog in src/types.ts.
type Catalog struct {
	Servers    []CatalogServer         `json:"servers"`
	Interfaces []CatalogInterface      `json:"interfaces"`
	Fields     []wire.CatalogField     `json:"fields"`
	Shorthands []wire.CatalogShorthand `json:"shorthands"`
	Hosts      []wire.CatalogHost      `json:"hosts"`
	Lists      []actors.Health         `json:"lists"`
}

// CatalogServer is a configured server and what it says of itself.
type CatalogServer struct {
	Name    string        `json:"name"`
	URL     string        `json:"url"`
	State   wire.State    `json:"state"` // ok or error
	Error   string        `json:"error,omitempty"`
	Catalog *wire.Catalog `json:"catalog,omitempty"`
}

// CatalogInterface is an interface's name and the servers that have it.
type CatalogInterface struct {
	Name    string   `json:"name"`
	Servers []string `json:"servers"`
}

// catalog sums up what the servers say. Of a fleet without any answer, the fields are those this plugin knows, so
// that the editor works.
func (d *DataSource) catalog(known []fleet.HostCatalog) Catalog {
	c := Catalog{Servers: []CatalogServer{}, Interfaces: []CatalogInterface{}, Hosts: []wire.CatalogHost{}, Lists: []actors.Health{}}
	for _, h := range hostsOf(known, d.roster.list()) {
		c.Hosts = append(c.Hosts, h.CatalogHost)
	}
	for _, s := range d.roster.list() {
		at := slices.IndexFunc(known, func(h fleet.HostCatalog) bool { return h.Name == s.Name })
		entry := CatalogServer{Name: s.Name, URL: s.URL, State: wire.StateOK}
		switch {
		case at < 0:
			entry.State, entry.Error = wire.StateTimeout, "no answer yet"
		case known[at].Err != nil:
			entry.State, entry.Error = wire.StateError, frames.OneLine(known[at].Err.Error())
		default:
			entry.Catalog = known[at].Catalog
			c.add(s.Name, known[at].Catalog)
		}
		c.Servers = append(c.Servers, entry)
	}
	slices.SortFunc(c.Interfaces, func(a, b CatalogInterface) int { return strings.Compare(a.Name, b.Name) })
	if len(c.Fields) == 0 {
		c.Fields = wire.CatalogFields()
	}
	if len(c.Shorthands) == 0 {
		c.Shorthands = wire.CatalogShorthands()
	}
	return c
}

// add takes in what one server says.
func (c *Catalog) add(server string, said *wire.Catalog) {
	for _, i := range said.Interfaces {
		at := slices.IndexFunc(c.Interfaces, func(have CatalogInterface) bool { return have.Name == i.Name })
		if at < 0 {
			at = len(c.Interfaces)
			c.Interfaces = append(c.Interfaces, CatalogInterface{Name: i.Name})
		}
		c.Interfaces[at].Servers = append(c.Interfaces[at].Servers, server)
	}
	for _, f := range said.Fields {
		if !slices.ContainsFunc(c.Fields, func(have wire.CatalogField) bool { return have.Name == f.Name }) {
			c.Fields = append(c.Fields, f)
		}
	}
	for _, l := range said.Lists {
		if l.Name != "" && !slices.ContainsFunc(c.Lists, func(have actors.Health) bool { return have.Name == l.Name }) {
			c.Lists = append(c.Lists, l)
		}
	}
	for _, s := range said.Shorthands {
		if !slices.ContainsFunc(c.Shorthands, func(have wire.CatalogShorthand) bool { return have.Name == s.Name }) {
			c.Shorthands = append(c.Shorthands, s)
		}
	}
}

func (d *DataSource) getCatalog(w http.ResponseWriter, r *http.Request) {
	respond(w, http.StatusOK, d.catalog(d.catalogs.get(r.Context())))
}

// getInterfaces lists the names of interfaces; ?server=a&server=b asks for those of these servers.
func (d *DataSource) getInterfaces(w http.ResponseWriter, r *http.Request) {
	wanted := r.URL.Query()["server"]
	names := []string{}
	for _, i := range d.catalog(d.catalogs.get(r.Context())).Interfaces {
		has := func(server string) bool { return slices.Contains(i.Servers, server) }
		if len(wanted) == 0 || slices.ContainsFunc(wanted, has) {
			names = append(names, i.Name)
		}
	}
	respond(w, http.StatusOK, names)
}

func (d *DataSource) getFields(w http.ResponseWriter, r *http.Request) {
	respond(w, http.StatusOK, d.catalog(d.catalogs.get(r.Context())).Fields)
}

// getHosts lists the hosts; ?hosts=SELECTION those that it names.
func (d *DataSource) getHosts(w http.ResponseWriter, r *http.Request) {
	if hosts, ok := d.selected(w, r); ok {
		list := make([]wire.CatalogHost, len(hosts))
		for i, h := range hosts {
			list[i] = h.CatalogHost
		}
		respond(w, http.StatusOK, list)
	}
}

// getLabels lists the labels of the hosts with their values; ?hosts=SELECTION of those that it names.
func (d *DataSource) getLabels(w http.ResponseWriter, r *http.Request) {
	if hosts, ok := d.selected(w, r); ok {
		respond(w, http.StatusOK, labelValues(hosts))
	}
}

// getLists tells of the lists of addresses that conditions can name, and how they are.
func (d *DataSource) getLists(w http.ResponseWriter, r *http.Request) {
	respond(w, http.StatusOK, d.catalog(d.catalogs.get(r.Context())).Lists)
}

// selected are the hosts that the call is about; it answers itself where the selection is wrong.
func (d *DataSource) selected(w http.ResponseWriter, r *http.Request) ([]knownHost, bool) {
	hosts, err := selectHosts(hostsOf(d.catalogs.get(r.Context()), d.roster.list()), r.URL.Query().Get("hosts"))
	if err != nil {
		respond(w, http.StatusBadRequest, map[string]string{"message": err.Error()})
	}
	return hosts, err == nil
}

// known is what conditions can name, for completion.
func (d *DataSource) known(r *http.Request) filter.Known {
	catalogs := d.catalogs.get(r.Context())
	hosts := hostsOf(catalogs, d.roster.list())
	known := filter.Known{Labels: labelValues(hosts), Lists: listNames(catalogs, d.roster.list())}
	interfaces := make(map[string]bool)
	for _, h := range hosts {
		known.Hosts = append(known.Hosts, h.Name)
		if h.ID != "" {
			known.HostIDs = append(known.HostIDs, h.ID)
		}
		for _, i := range h.Interfaces {
			interfaces[i] = true
		}
	}
	known.Interfaces = slices.Sorted(maps.Keys(interfaces))
	return known
}
