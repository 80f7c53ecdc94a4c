package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/fleet"
	"github.com/weirflow/weir/pkg/inventory"
)

func isNATS(address string) bool { return strings.HasPrefix(address, "nats:") }

// discoveryEvery is how often services are asked that do not say otherwise.
const discoveryEvery = time.Minute

// newWatcher makes the sources of a configuration.
func (g *Gateway) newWatcher(cfg Config, ring keyring) (*inventory.Watcher, error) {
	i := cfg.Inventory
	sources := []inventory.Watched{{Source: inventory.NewStatic(i.Hosts, i.Groups)}}
	for _, path := range i.Files {
		sources = append(sources, inventory.Watched{Source: inventory.File{Path: path, Read: g.deps.ReadFile}, Every: i.Refresh})
	}
	for _, s := range i.FileSD {
		sources = append(sources, inventory.Watched{Source: inventory.Targets{Path: s.Path, Read: g.deps.ReadFile, Defaults: s.Defaults}, Every: i.Refresh})
	}
	for _, s := range i.HTTPSD {
		sources = append(sources, inventory.Watched{Source: httpSource(s, ring), Every: orMinute(s.Refresh)})
	}
	for _, s := range i.DNSSRV {
		sources = append(sources, inventory.Watched{Source: inventory.SRV{Service: s.Name, Lookup: g.deps.LookupSRV, Defaults: s.Defaults}, Every: orMinute(s.Refresh)})
	}
	sources = append(sources, g.deps.Sources...)
	return inventory.NewWatcher(inventory.Config{Timeout: i.Timeout, MaxHosts: i.MaxHosts}, sources, inventory.Deps{Now: g.deps.Now,
		Failed: func(source string, err error) {
			if err != nil {
				g.deps.Logger.Warn("source of the inventory fails, its last hosts stay", "source", source, "error", err)
				return
			}
			g.deps.Logger.Info("source of the inventory works again", "source", source)
		}})
}

func orMinute(d time.Duration) time.Duration {
	if d == 0 {
		return discoveryEvery
	}
	return d
}

// unusable is a source that cannot be read as things are configured.
type unusable struct {
	inventory.HTTP
	err error
}

// Load satisfies inventory.Source.
func (u unusable) Load(context.Context) (*inventory.List, error) { return nil, u.err }

// httpSource makes a source that shows its credentials to its own server only.
func httpSource(s HTTPSD, ring keyring) inventory.Source {
	cred, err := ring.find(s.Auth, s.URL)
	if err == nil && cred.token != "" && !strings.HasPrefix(s.URL, "https://") && !client.IsPrivate(s.URL) {
		err = errors.New("the token would be sent unencrypted: use https://")
	}
	var config *tls.Config
	if err == nil {
		config, err = cred.tls.Config()
	}
	if err != nil {
		return unusable{inventory.HTTP{URL: s.URL}, err}
	}
	transport := &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: 90 * time.Second}
	return inventory.HTTP{URL: s.URL, Token: cred.token, Defaults: s.Defaults, Client: &http.Client{Transport: transport,
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			return fmt.Errorf("the server redirects to %s, which is not followed", r.URL.Redacted())
		}}}
}

// Changes says what a reload did.
type Changes struct {
	Applied []string `json:"applied"`           // parts of the configuration that have changed
	Restart []string `json:"restart,omitempty"` // parts that have changed, and count after a restart only
	Hosts   int      `json:"hosts"`
}

// Reload takes the configuration as it is now, with all files that it names. One that is not valid changes nothing.
func (g *Gateway) Reload(ctx context.Context) (Changes, error) {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	changes, err := g.reload(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed = err; err != nil {
		g.deps.Logger.Error("configuration not taken, the one before stays", "error", err)
		return Changes{}, err
	}
	g.loaded = g.deps.Now()
	changes.Hosts = len(g.hosts)
	g.deps.Logger.Info("configuration taken", "changed", changes.Applied, "after a restart", changes.Restart)
	return changes, nil
}

func (g *Gateway) reload(ctx context.Context) (Changes, error) {
	changes := Changes{Applied: []string{}}
	g.mu.Lock()
	cfg, former, running := g.cfg, g.watcher, g.running
	old := g.cfg
	g.mu.Unlock()
	if running == nil {
		return changes, errors.New("the gateway is starting")
	}
	if g.deps.Load != nil {
		var err error
		if cfg, err = g.deps.Load(); err != nil {
			return changes, err
		}
	}
	ring := loadKeyring(cfg.Auth, g.deps.ReadFile)
	w, err := g.newWatcher(cfg, ring)
	if err != nil {
		return changes, err
	}
	f := g.fleet.Load()
	if cfg.Fleet != old.Fleet {
		if f, err = fleet.New(nil, cfg.Fleet, fleet.Deps{Now: g.deps.Now}); err != nil {
			return changes, err
		}
		changes.Applied = append(changes.Applied, "fleet")
	}
	if s := g.server.Load(); s != nil && !reflect.DeepEqual(cfg.API.Tokens, old.API.Tokens) {
		if err := s.SetTokens(cfg.API.Tokens); err != nil {
			return changes, err
		}
		changes.Applied = append(changes.Applied, "api.tokens")
	}
	changes.Restart = needRestart(old, cfg)
	g.mu.Lock()
	if !reflect.DeepEqual(g.ring, ring) {
		changes.Applied = append(changes.Applied, "auth")
	}
	if !reflect.DeepEqual(old.Inventory, cfg.Inventory) {
		changes.Applied = append(changes.Applied, "inventory")
	}
	g.cfg, g.ring, g.watcher = cfg, ring, w
	g.fleet.Store(f)
	g.setHosts() // with other credentials, in the other fleet
	stop := g.stop
	g.mu.Unlock()
	if g.loadLists(cfg.Lists) {
		changes.Applied = append(changes.Applied, "lists")
	}
	g.logKeyring()
	w.Adopt(former)
	stop()
	g.follow(running, w, nil)
	return changes, ctx.Err()
}

// needRestart names the parts that a running gateway does not change.
func needRestart(old, cfg Config) (parts []string) {
	old.API.Tokens, cfg.API.Tokens = nil, nil
	for _, p := range []struct {
		name string
		a, b any
	}{{"api", old.API, cfg.API}, {"answer_memory", old.AnswerMemory, cfg.AnswerMemory}, {"large_answers", old.LargeAnswers, cfg.LargeAnswers}, {"enrich", old.Enrich, cfg.Enrich},
		{"watch", old.Watch, cfg.Watch}, {"tracing", old.Tracing, cfg.Tracing}, {"log", old.Log, cfg.Log}, {"cache", old.Cache, cfg.Cache}, {"nats", old.NATS, cfg.NATS},
		{"nats_server", old.NATSServer, cfg.NATSServer}, {"inventory.nats", old.Inventory.NATS, cfg.Inventory.NATS}} {
		if !reflect.DeepEqual(p.a, p.b) {
			parts = append(parts, p.name)
		}
	}
	return parts
}

func (g *Gateway) logKeyring() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.ring {
		if c.err != nil {
			g.deps.Logger.Warn("credentials cannot be read, their hosts are not asked", "error", c.err)
		}
	}
}

// loadLists reads the files of lists, and says whether one is another than before. One that cannot be read, or holds
// next to nothing, leaves the former one in place.
func (g *Gateway) loadLists(files []ListFile) (changed bool) {
	for _, file := range files {
		text, err := g.deps.ReadFile(file.Path, actors.MaxBytes+1)
		var l *actors.List
		if err == nil {
			l, err = actors.Parse(text, file.Format)
		}
		if err == nil && l.Health().State == actors.StateAlarm {
			err = errors.New("it is empty, or most of its lines could not be read")
		}
		before := g.lists.Get(file.Name)
		if err == nil {
			_, err = g.lists.Put(l, file.Name)
		}
		if err != nil {
			g.deps.Logger.Error("list not taken, the one before stays", "list", file.Name, "path", file.Path, "error", err)
			continue
		}
		changed = changed || before == nil || before.Hash() != l.Hash()
	}
	return changed
}

// watchFiles reloads when a file of the configuration has changed, within the run of ctx.
func (g *Gateway) watchFiles(ctx context.Context) {
	g.mu.Lock()
	every := g.cfg.Watch
	g.mu.Unlock()
	if every == 0 {
		return
	}
	before := g.contents()
	go func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if now := g.contents(); !slices.Equal(now, before) {
				_, _ = g.Reload(ctx) // it is logged and shown in the status
				before = g.contents()
			}
		}
	}()
}

// contents are the marks of all files that a reload would read; inventories are watched by themselves.
func (g *Gateway) contents() []string {
	g.mu.Lock()
	cfg := g.cfg
	g.mu.Unlock()
	paths := slices.Clone(g.deps.Files)
	for _, c := range cfg.Auth {
		paths = append(paths, c.TokenFile, c.CAFile, c.CertificateFile, c.KeyFile)
	}
	for _, l := range cfg.Lists {
		paths = append(paths, l.Path)
	}
	marks := make([]string, len(paths))
	for i, path := range paths {
		if path == "" {
			continue
		}
		if info, err := os.Stat(path); err == nil {
			marks[i] = fmt.Sprint(path, info.Size(), info.ModTime().UnixNano())
		}
	}
	return marks
}
