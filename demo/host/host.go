// Package host runs the built plugin without Grafana: it launches the backend's binary as Grafana does (go-plugin
// over gRPC, the same handshake, no environment handed down), holds the settings of one data source, and answers
// the part of Grafana's HTTP API that a data source plugin's page needs. The demo shows the explorer with it, the
// browser tests drive the real plugin through it.
//
// It is a tool for a developer's machine: no users, no storage, loopback only. Requests that another web site makes
// a browser send are refused.
//
// Neighbours: pkg/main.go is the plugin it runs; demo builds the binary and picks the page.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"
)

// PluginID is the id in src/plugin.json.
const PluginID = "weirflow-weir-datasource"

// Config says what to run and where.
type Config struct {
	// PluginBinary is the backend's executable.
	PluginBinary string
	// DistDir holds the built front end (module.js, plugin.json), served under /public/plugins/<id>/; PageDir the
	// page that loads it, served under /. Either may be empty: then there is nothing to serve.
	DistDir, PageDir string
	// Listen is a loopback address with a port; port 0 takes a free one.
	Listen string
	// DataSource is the one data source; PUT changes it.
	DataSource DataSource
	// StartTimeout bounds the launch of the plugin.
	StartTimeout time.Duration
}

// DefaultConfig listens on a free loopback port.
func DefaultConfig() Config {
	return Config{Listen: "127.0.0.1:0", StartTimeout: 30 * time.Second, DataSource: DataSource{UID: "weir", Name: "Weir"}}
}

// Deps are what a Host uses of its surroundings.
type Deps struct {
	Logger *slog.Logger // nil: discard
	Now    func() time.Time
}

// Host is a small stand-in for Grafana. All methods are safe for concurrent use.
type Host struct {
	config  Config
	logger  *slog.Logger
	now     func() time.Time
	process *process
	source  *source
	handler http.Handler

	ready chan struct{} // closed when url is set
	once  sync.Once
	url   string
}

// New checks the configuration; nothing runs before Run or the first call of the Client.
func New(cfg Config, deps Deps) (*Host, error) {
	if err := loopback(cfg.Listen); err != nil {
		return nil, fmt.Errorf("listen on %q: %w", cfg.Listen, err)
	}
	if cfg.DataSource.UID == "" {
		return nil, errors.New("the data source needs a uid")
	}
	if info, err := os.Stat(cfg.PluginBinary); err != nil {
		return nil, fmt.Errorf("plugin binary: %w", err)
	} else if info.IsDir() {
		return nil, fmt.Errorf("plugin binary %s: is a directory", cfg.PluginBinary)
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	source, err := newSource(cfg.DataSource, deps.Now)
	if err != nil {
		return nil, err
	}
	h := &Host{
		config:  cfg,
		logger:  deps.Logger,
		now:     deps.Now,
		process: &process{path: cfg.PluginBinary, timeout: cfg.StartTimeout, logger: deps.Logger},
		source:  source,
		ready:   make(chan struct{}),
	}
	h.handler, err = h.routes()
	return h, err
}

// loopback refuses addresses that other machines can reach: nothing here authenticates anybody.
func loopback(listen string) error {
	name, _, err := net.SplitHostPort(listen)
	if err != nil {
		return err
	}
	if address, err := netip.ParseAddr(name); err == nil && address.IsLoopback() || name == "localhost" {
		return nil
	}
	return errors.New("not a loopback address, and there is no authentication")
}

// Run serves until ctx ends, then stops the plugin. It keeps the plugin running: one that dies is launched again.
func (h *Host) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer h.Close()
	defer cancel()
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", h.config.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", h.config.Listen, err)
	}
	h.once.Do(func() {
		h.url = "http://" + listener.Addr().String()
		close(h.ready)
	})
	server := &http.Server{Handler: h.handler, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	go h.supervise(ctx)
	select {
	case err := <-done:
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, release := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer release()
	if err := server.Shutdown(grace); err != nil {
		_ = server.Close() // the listener is gone either way
	}
	return nil
}

// supervise launches the plugin at the start and again whenever it has died, looking once per second.
func (h *Host) supervise(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if _, err := h.process.services(); err != nil && ctx.Err() == nil {
			h.logger.Error("launch the plugin", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Ready is closed as soon as Run listens and URL is known.
func (h *Host) Ready() <-chan struct{} { return h.ready }

// URL is the address of the page, without a slash at the end. It waits until Run listens.
func (h *Host) URL() string {
	<-h.ready
	return h.url
}

// Handler is the HTTP interface, for tests that need no listener.
func (h *Host) Handler() http.Handler { return h.handler }

// Client talks to the plugin process directly, as Grafana's backend does.
func (h *Host) Client() *Client { return &Client{host: h} }

// Close stops the plugin for good. It may be called more than once.
func (h *Host) Close() { h.process.close() }
