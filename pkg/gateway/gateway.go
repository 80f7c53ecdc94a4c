// Package gateway is the contract over an inventory: it keeps the fleet's hosts as the inventory says, gives them their
// credentials and lists, and follows its configuration while it runs.
//
// Invariants: a credential goes to the hosts that it is meant for and to no other; what is wrong with one host is said in
// every answer and costs no other host its place; a configuration that is not valid changes nothing; the gateway keeps
// nothing on disk, so that two of them with one configuration are as good as one.
//
// Neighbours: inventory knows the hosts, fleet asks them, serve answers; the command makes the server of both.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/inventory"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/version"
	"github.com/weirflow/weir/pkg/wire"
)

// Deps of a gateway. Logger and ReadFile are required.
type Deps struct {
	Logger *slog.Logger
	// ReadFile reads inventories, credentials and lists.
	ReadFile inventory.ReadFile
	// Load reads the configuration again; nil: it does not change.
	Load func() (Config, error)
	// Files are what Load reads: they are looked at for changes.
	Files []string
	// LookupSRV asks the DNS; nil: as the system does.
	LookupSRV func(ctx context.Context, name string) ([]*net.SRV, error)
	// Sources are further ones of the inventory, beside those of the configuration.
	Sources []inventory.Watched
	// Transport reaches hosts whose address has the scheme nats; nil: such hosts cannot be asked.
	Transport http.RoundTripper
	// Wrap may put something between the fleet and a host; nil: nothing.
	Wrap func(name string, c fleet.Client) fleet.Client
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Gateway is safe for concurrent use; it satisfies serve.Querier.
type Gateway struct {
	deps      Deps
	runtimeID string
	lists     *actors.Store
	answers   *client.Answers
	fleet     atomic.Pointer[fleet.Fleet]
	started   time.Time
	server    atomic.Pointer[serve.Server] // whose tokens follow the configuration

	reloading sync.Mutex // held by Reload

	mu      sync.Mutex
	cfg     Config
	ring    keyring
	entries []inventory.Entry // as the inventory says
	hosts   map[string]*host  // by name
	watcher *inventory.Watcher
	stop    func() // ends the watcher
	loaded  time.Time
	failed  error // of the last reload
	running context.Context
}

// host is a host of the fleet, and what it was made of.
type host struct {
	entry     inventory.Entry
	cred      credential
	maxAnswer int64
	client    fleet.Client
	close     func()
}

var _ serve.Querier = (*Gateway)(nil)

// New checks the configuration and reads credentials and lists; it asks nobody yet.
func New(cfg Config, deps Deps) (*Gateway, error) {
	if deps.Logger == nil || deps.ReadFile == nil {
		return nil, errors.New("gateway: a logger and a way to read files are needed")
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.LookupSRV == nil {
		deps.LookupSRV = func(ctx context.Context, name string) ([]*net.SRV, error) {
			_, records, err := net.DefaultResolver.LookupSRV(ctx, "", "", name)
			return records, err
		}
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, fmt.Errorf("make an identity for this process: %w", err)
	}
	g := &Gateway{deps: deps, runtimeID: id.String(), lists: actors.NewStore(actors.DefaultStoreConfig(), deps.Now),
		answers: client.NewAnswers(cfg.AnswerMemory, cfg.LargeAnswers), started: deps.Now(), hosts: make(map[string]*host)}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	f, err := fleet.New(nil, cfg.Fleet, fleet.Deps{Now: deps.Now})
	if err != nil {
		return nil, err
	}
	g.fleet.Store(f)
	g.cfg, g.ring, g.loaded = cfg, loadKeyring(cfg.Auth, deps.ReadFile), deps.Now()
	if g.watcher, err = g.newWatcher(cfg, g.ring); err != nil {
		return nil, err
	}
	g.loadLists(cfg.Lists)
	g.logKeyring()
	return g, nil
}

// RuntimeID identifies this process to the servers that it asks.
func (g *Gateway) RuntimeID() string { return g.runtimeID }

// Lists are those that conditions can name.
func (g *Gateway) Lists() *actors.Store { return g.lists }

// Follow makes the server's tokens those of the configuration whenever that changes.
func (g *Gateway) Follow(s *serve.Server) { g.server.Store(s) }

// Query satisfies serve.Querier.
func (g *Gateway) Query(ctx context.Context, q *wire.Query, progress func(*wire.Result)) (*wire.Result, error) {
	return g.fleet.Load().Query(ctx, q, progress)
}

// Catalog satisfies serve.Querier.
func (g *Gateway) Catalog(ctx context.Context) (*wire.Catalog, error) {
	c, err := g.fleet.Load().Catalog(ctx)
	if err != nil {
		return nil, err
	}
	c.Version, c.Lists = version.String(), g.lists.Healths()
	return c, nil
}

// Run follows inventory and configuration until ctx ends. The first reading of the inventory is over when ready is
// called, be it with or without hosts.
func (g *Gateway) Run(ctx context.Context, ready func()) error {
	g.mu.Lock()
	g.running = ctx
	w := g.watcher
	g.mu.Unlock()
	g.follow(ctx, w, ready)
	g.watchFiles(ctx)
	<-ctx.Done()
	g.reloading.Lock() // for good: what is closed stays closed
	g.mu.Lock()
	stop := g.stop
	g.mu.Unlock()
	stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.hosts {
		h.close()
	}
	return nil
}

// follow runs a watcher in the place of the one before.
func (g *Gateway) follow(ctx context.Context, w *inventory.Watcher, ready func()) {
	watching, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	first := make(chan struct{})
	go func() {
		defer close(done)
		var once sync.Once
		w.Run(watching, func(entries []inventory.Entry) {
			g.setEntries(watching, entries)
			once.Do(func() { close(first) })
		})
	}()
	g.mu.Lock()
	g.stop = func() { cancel(); <-done }
	g.mu.Unlock()
	select {
	case <-first:
	case <-done:
	}
	if ready != nil {
		ready()
	}
}

// setEntries makes the fleet's hosts of what the inventory says.
func (g *Gateway) setEntries(ctx context.Context, entries []inventory.Entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ctx.Err() != nil {
		return // of a watcher that has been replaced
	}
	g.entries = entries
	g.setHosts()
}

// setHosts makes the fleet's hosts anew; those that did not change keep their connections. g.mu is held.
func (g *Gateway) setHosts() {
	hosts := make(map[string]*host, len(g.entries))
	list := make([]fleet.Host, 0, len(g.entries))
	var added int
	for _, e := range g.entries {
		cred, err := g.ring.find(e.Auth, e.URL)
		h := g.hosts[e.Name]
		if h == nil || err != nil || !sameClient(h, e, cred, g.cfg.MaxAnswer) {
			h = g.newHost(e, cred, err)
			added++
		}
		h.entry = e
		hosts[e.Name] = h
		list = append(list, fleet.Host{Name: e.Name, Client: h.client, ID: e.ID, Labels: e.Labels, Groups: e.Groups, Gateway: e.Gateway})
	}
	if err := g.fleet.Load().SetHosts(list); err != nil {
		g.deps.Logger.Error("inventory not taken", "error", err) // the inventory's Join leaves nothing to refuse
		return
	}
	removed := 0
	for name, h := range g.hosts {
		if hosts[name] != h {
			h.close()
			removed++
		}
	}
	g.hosts = hosts
	g.deps.Logger.Info("inventory", "hosts", len(hosts), "new", added, "gone", removed)
}

// sameClient says that a host is reached as before.
func sameClient(h *host, e inventory.Entry, cred credential, maxAnswer int64) bool {
	return h.entry.URL == e.URL && h.entry.Discovered == e.Discovered && h.maxAnswer == maxAnswer && reflect.DeepEqual(h.cred, cred)
}

func (g *Gateway) newHost(e inventory.Entry, cred credential, err error) *host {
	h := &host{entry: e, cred: cred, maxAnswer: g.cfg.MaxAnswer, close: func() {}}
	var c *client.Client
	if err == nil {
		c, err = client.New(g.clientConfig(e, cred), client.Deps{Now: g.deps.Now})
	}
	if err != nil {
		g.deps.Logger.Warn("host cannot be asked", "host", e.Name, "error", err)
		h.client = &misconfigured{e.URL, err}
		return h
	}
	h.close = func() { _ = c.Close() } // closes idle connections
	h.client = &member{Client: c, lists: g.lists}
	if g.deps.Wrap != nil {
		h.client = g.deps.Wrap(e.Name, h.client)
	}
	return h
}

// clientConfig is how a host is reached. The time is the fleet's to bound.
func (g *Gateway) clientConfig(e inventory.Entry, cred credential) client.Config {
	cfg := client.DefaultConfig()
	cfg.URL, cfg.Timeout, cfg.MaxResponse, cfg.Answers = e.URL, 0, g.cfg.MaxAnswer, g.answers
	cfg.Token, cfg.TLS, cfg.RefuseLocal = cred.token, cred.tls, e.Discovered
	cfg.RuntimeID, cfg.UserAgent = g.runtimeID, "weir-gateway/"+version.String()
	if isNATS(e.URL) {
		cfg.Transport = g.deps.Transport
	}
	return cfg
}
