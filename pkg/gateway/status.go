package gateway

import (
	"net/http"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/inventory"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/version"
	"github.com/weirflow/weir/pkg/wire"
)

// Status is the answer of GET /status at a gateway.
type Status struct {
	Kind      string    `json:"kind"` // "gateway"
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	// Configuration is when it was last taken, and why the one that is there now was not.
	Configuration ConfigurationStatus `json:"configuration"`
	Sources       []inventory.Health  `json:"sources"`
	Hosts         []HostStatus        `json:"hosts"`
	Lists         []actors.Health     `json:"lists"`
}

// ConfigurationStatus is the state of the configuration.
type ConfigurationStatus struct {
	Taken time.Time `json:"taken"`
	Error string    `json:"error,omitempty"`
}

// HostStatus is a host, where it is, and how it did.
type HostStatus struct {
	fleet.HostState
	Address string `json:"address"`
	Auth    string `json:"auth,omitempty"` // the credentials that it is shown
}

// Status says how everything is; it asks no host.
func (g *Gateway) Status() Status {
	hosts := g.fleet.Load().Hosts()
	g.mu.Lock()
	defer g.mu.Unlock()
	s := Status{Kind: "gateway", Version: version.String(), StartedAt: g.started.UTC(), Sources: g.watcher.Health(), Hosts: make([]HostStatus, 0, len(hosts)),
		Lists: g.lists.Healths(), Configuration: ConfigurationStatus{Taken: g.loaded.UTC()}}
	if g.failed != nil {
		s.Configuration.Error = g.failed.Error()
	}
	for _, h := range hosts {
		status := HostStatus{HostState: h}
		if known := g.hosts[h.Name]; known != nil {
			status.Address, status.Auth = known.entry.URL, known.cred.Name
		}
		s.Hosts = append(s.Hosts, status)
	}
	return s
}

// Routes are those of a gateway beyond the contract.
func (g *Gateway) Routes() []serve.Route {
	return []serve.Route{
		{Pattern: "GET /status", Role: serve.RoleQuery, Handler: http.HandlerFunc(g.getStatus)},
		{Pattern: "POST /config/_reload", Role: serve.RoleAdmin, Handler: http.HandlerFunc(g.postReload)},
		{Pattern: "/config", Role: serve.RoleQuery, Handler: http.HandlerFunc(noConfig)},
	}
}

// noConfig answers those who take a gateway for a probe.
func noConfig(w http.ResponseWriter, _ *http.Request) {
	serve.WriteProblem(w, wire.NewProblem(http.StatusNotFound, "a gateway captures nothing: ask the probe itself for its interfaces"))
}

func (g *Gateway) getStatus(w http.ResponseWriter, _ *http.Request) { serve.WriteJSON(w, g.Status()) }

func (g *Gateway) postReload(w http.ResponseWriter, r *http.Request) {
	changes, err := g.Reload(r.Context())
	if err != nil {
		serve.WriteProblem(w, wire.NewProblem(http.StatusBadRequest, strings.ReplaceAll(err.Error(), "\n", "; ")))
		return
	}
	serve.WriteJSON(w, changes)
}
