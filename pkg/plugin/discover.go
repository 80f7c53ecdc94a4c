package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/inventory"
	"github.com/weirflow/weir/pkg/natshttp"
)

// How often a list of servers is read again, and how long the first query waits for it.
const (
	discoverEvery = 30 * time.Second
	discoverWait  = 5 * time.Second
)

// discovery keeps the roster up to date from a list of servers elsewhere. What is discovered may not lead to this
// machine or its links.
type discovery struct {
	settings Settings
	cache    *fleet.Cache // nil: none
	roster   *roster
	watcher  *inventory.Watcher
	link     *natshttp.Link         // nil: no NATS
	over     *natshttp.RoundTripper // the way to servers behind it
	ready    chan struct{}          // closed when the list was read once, or could not be
	once     sync.Once
	cancel   context.CancelFunc
	running  sync.WaitGroup
	announce *natshttp.Discovery // nil: no NATS
}

// discover begins to watch, if the settings say so; nil: the servers stand in the settings.
func discover(settings Settings, cache *fleet.Cache, r *roster) (*discovery, error) {
	d := &discovery{settings: settings, cache: cache, roster: r, ready: make(chan struct{})}
	var source inventory.Watched
	var err error
	switch {
	case settings.DiscoveryURL != "":
		source, err = d.overHTTP()
	case settings.NATS.URL != "":
		source, err = d.overNATS()
	default:
		return nil, nil
	}
	if err == nil {
		d.watcher, err = inventory.NewWatcher(inventory.DefaultConfig(), []inventory.Watched{source}, inventory.Deps{})
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	time.AfterFunc(inventory.DefaultConfig().Timeout, d.settled) // also where nothing can be read
	d.running.Go(func() { d.watcher.Run(ctx, d.update) })
	if d.announce != nil {
		d.running.Go(func() {
			if err := d.announce.Run(ctx); err != nil {
				backend.Logger.Error("listen to announcements", "error", err)
			}
		})
	}
	return d, nil
}

// overHTTP is a server of Prometheus' HTTP discovery. It gets the token where nobody else can read it.
func (d *discovery) overHTTP() (inventory.Watched, error) {
	config, err := d.settings.TLS.Config()
	if err != nil {
		return inventory.Watched{}, err
	}
	source := inventory.HTTP{URL: d.settings.DiscoveryURL, Client: &http.Client{
		Transport: &http.Transport{TLSClientConfig: config, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the discovery redirects, which is not followed: put the final address into the settings")
		},
	}}
	if u, err := url.Parse(d.settings.DiscoveryURL); err == nil && u.Scheme == "https" {
		source.Token = d.settings.Token
	}
	return inventory.Watched{Source: source, Every: discoverEvery}, nil
}

// overNATS is those who announce themselves on a bus.
func (d *discovery) overNATS() (inventory.Watched, error) {
	n, t := d.settings.NATS, d.settings.TLS
	var servers []string
	for one := range strings.SplitSeq(n.URL, ",") {
		servers = append(servers, strings.TrimSpace(one))
	}
	link, err := natshttp.Connect(natshttp.Config{
		Servers: servers, CA: t.CA, Certificate: t.Certificate, Key: t.Key, Credentials: n.Credentials, Token: n.Token, Name: "weir-grafana",
	}, natshttp.LinkDeps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return inventory.Watched{}, err
	}
	d.link = link
	if d.over, err = natshttp.NewRoundTripper(natshttp.AskerConfig{Site: n.Site}, link); err != nil {
		link.Close()
		return inventory.Watched{}, err
	}
	d.announce = natshttp.NewDiscovery(natshttp.DiscoveryConfig{Site: n.Site}, link, nil)
	return inventory.Watched{Source: d.announce, Every: discoverEvery}, nil
}

// update makes servers of the entries; those that are as they were keep their clients.
func (d *discovery) update(entries []inventory.Entry) {
	old := d.roster.list()
	servers := make([]server, 0, len(entries))
	for _, e := range entries {
		s := Server{Name: e.Name, URL: e.URL, ID: e.ID, Labels: e.Labels, Groups: e.Groups}
		if known := same(old, s); known != nil {
			servers = append(servers, *known)
			continue
		}
		servers = append(servers, connect(s, d.settings, d.cache, d.way(e)))
	}
	for _, s := range d.roster.set(servers) {
		if err := s.close(); err != nil {
			backend.Logger.Debug("close connections", "server", s.Name, "error", err)
		}
	}
	d.settled()
}

// way changes how a discovered server is reached: over the bus, or by TCP but never to this machine.
func (d *discovery) way(e inventory.Entry) func(*client.Config) {
	return func(cfg *client.Config) {
		if d.over != nil {
			cfg.Transport = d.over
			return
		}
		cfg.RefuseLocal = e.Discovered
	}
}

// same finds a server that is as it was.
func same(servers []server, s Server) *server {
	for i := range servers {
		if servers[i].Problem == nil && reflect.DeepEqual(servers[i].Server, s) {
			return &servers[i]
		}
	}
	return nil
}

func (d *discovery) settled() { d.once.Do(func() { close(d.ready) }) }

// wait waits a while until the list was read for the first time.
func (d *discovery) wait(ctx context.Context) {
	if d == nil {
		return
	}
	timer := time.NewTimer(discoverWait)
	defer timer.Stop()
	select {
	case <-d.ready:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// health is why the list can't be read, or what was left out of it; empty if all is well.
func (d *discovery) health() (faults []string) {
	if d == nil {
		return nil
	}
	for _, h := range d.watcher.Health() {
		if h.Error != "" {
			faults = append(faults, fmt.Sprintf("%s: %s", h.Source, h.Error))
		}
		for _, f := range h.Faults {
			faults = append(faults, fmt.Sprintf("%s: %s", h.Source, f))
		}
		if more := h.FaultCount - len(h.Faults); more > 0 {
			faults = append(faults, fmt.Sprintf("%s: and %d more", h.Source, more))
		}
	}
	return faults
}

func (d *discovery) close() {
	if d == nil {
		return
	}
	d.cancel()
	d.running.Wait()
	if d.over != nil {
		_ = d.over.Close()
	}
	if d.link != nil {
		d.link.Close()
	}
}
