// Package serve is the HTTP server of the contract over a small Querier: listening, authentication, roles, limits,
// audit and framing. A probe and a gateway differ only in the Querier and in the extra routes they hand in.
//
// Invariants: everything but GET /-/health is authenticated; a user's fault is never a 5xx; every error is
// application/problem+json; a request's end cancels its query; no per-request state lives in the Server.
//
// Neighbours: wire is what is carried, client is the other end, probe/agent and pkg/fleet answer.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/resolve"
	"github.com/weirflow/weir/pkg/wire"
)

// Querier answers queries. It is called concurrently.
type Querier interface {
	// Query answers one query; the end of ctx ends the work. progress may be nil; it takes partial results, is never
	// called concurrently or after Query has returned, and keeps nothing of the result. A *wire.Problem among the
	// errors goes to the caller as it is, any other error is logged and shown as an internal one.
	Query(ctx context.Context, q *wire.Query, progress func(*wire.Result)) (*wire.Result, error)
	// Catalog says what can be asked. The server fills in the limits.
	Catalog(ctx context.Context) (*wire.Catalog, error)
}

// Route is a route beyond the contract, behind the same authentication, limits on reading, and metrics.
type Route struct {
	Pattern string // as http.ServeMux takes it: "GET /status/{iface}"
	Role    Role   // who may call it; RoleNone for everybody
	Handler http.Handler
}

// Info is the answer of GET /-/info.
type Info struct {
	Name    string `json:"name"` // "weir-probe" or "weir-gateway": clients tell the kinds of servers apart by it
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	// Abilities say what a fleet may ask of this server, as its catalog does, which costs more (extension).
	wire.Abilities
}

// Deps are what the server works with. Querier and Logger are required.
type Deps struct {
	Querier Querier
	Logger  *slog.Logger
	Info    Info
	Extra   []Route
	// Registerer takes the server's own metrics, Gatherer is what GET /metrics shows; either may be nil.
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer
	// Resolver looks up host names in conditions and names of addresses in results; nil: one of the server's own.
	Resolver *resolve.Resolver
	// Origins knows where addresses belong; nil: queries that want to know it are refused.
	Origins Origins
	// Lookup looks up host names in conditions; nil: Resolver does.
	Lookup wire.Lookup
	// Lists are the lists of addresses that conditions can name, those that callers upload among them; nil: the server's
	// own, empty at first.
	Lists *actors.Store
	// RuntimeID is what this process sends in the header X-GOPROBE-RUNTIME-ID when it asks other servers; a request
	// that carries it came back to us and is refused. Empty: no check.
	RuntimeID string
	// Traces makes the spans of requests; nil: none are recorded.
	Traces trace.TracerProvider
	// Now is the clock of relative times; nil: time.Now, in the machine's zone.
	Now func() time.Time
}

// Server serves the contract. Its methods may be called concurrently, Run and Listen once.
type Server struct {
	cfg     Config
	deps    Deps
	mux     *http.ServeMux
	routes  map[string]Role // by pattern
	tokens  atomic.Pointer[[]token]
	slots   chan struct{} // nil: no limit
	bucket  *bucket
	guard   *guard
	lists   *actors.Store
	conns   *connections
	metrics *metrics
	tracer  trace.Tracer

	mu        sync.Mutex
	listeners []*listener
}

// New checks the configuration; it opens nothing.
func New(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Querier == nil || deps.Logger == nil {
		return nil, errors.New("serve: a querier and a logger are needed")
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Resolver == nil {
		var err error
		if deps.Resolver, err = resolve.New(resolve.DefaultConfig(), resolve.Deps{}); err != nil {
			return nil, err
		}
	}
	if deps.Lookup == nil {
		deps.Lookup = deps.Resolver.Addresses
	}
	if deps.Lists == nil {
		deps.Lists = actors.NewStore(actors.DefaultStoreConfig(), deps.Now)
	}
	if cfg.Limits.Body == 0 {
		cfg.Limits.Body = wire.DefaultBodyLimit
	}
	if cfg.Limits.List == 0 {
		cfg.Limits.List = defaultListLimit
	}
	if cfg.Limits.Header == 0 {
		cfg.Limits.Header = 10 * time.Second
	}
	deps.Info.Features = features(deps.Info.Features, deps.Origins)
	s := &Server{cfg: cfg, deps: deps, mux: http.NewServeMux(), routes: make(map[string]Role),
		tracer: tracer(deps.Traces), guard: newGuard(cfg.Limits.Memory),
		conns: newConnections(deps.Logger), lists: deps.Lists}
	tokens := decodeTokens(cfg.Tokens)
	s.tokens.Store(&tokens)
	if cfg.Limits.Concurrent > 0 {
		s.slots = make(chan struct{}, cfg.Limits.Concurrent)
	}
	if cfg.Limits.Rate > 0 {
		s.bucket = newBucket(cfg.Limits.Rate, cfg.Limits.Burst)
	}
	var err error
	if s.metrics, err = newMetrics(deps.Registerer); err != nil {
		return nil, err
	}
	return s, s.register()
}

// register fills the table of routes. A pattern that conflicts is the caller's mistake and becomes an error.
func (s *Server) register() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("serve: %v", p)
		}
	}()
	compress, err := compression()
	if err != nil {
		return err
	}
	for _, r := range append(s.contract(), s.deps.Extra...) {
		if r.Role.rank() == 0 {
			return fmt.Errorf("serve: route %s has no role", r.Pattern)
		}
		handler := r.Handler
		if r.Pattern != metricsPattern { // which compresses by itself
			handler = compress(handler)
		}
		s.mux.Handle(r.Pattern, handler)
		s.routes[r.Pattern] = r.Role
	}
	return nil
}

// SetTokens replaces all tokens at once: requests from now on are let in by the new ones only.
func (s *Server) SetTokens(tokens []Token) error {
	cfg := s.cfg
	cfg.Tokens = tokens
	if err := cfg.Validate(); err != nil {
		return err
	}
	list := decodeTokens(tokens)
	s.tokens.Store(&list)
	return nil
}

// Patterns are the routes of the server, those beyond the contract included, in order.
func (s *Server) Patterns() []string { return slices.Sorted(maps.Keys(s.routes)) }

// Listen opens all listeners; on an error none stays open. Run does it too, where it was not done before.
func (s *Server) Listen(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listeners != nil {
		return nil
	}
	var opened []*listener
	for _, l := range s.cfg.Listen {
		one, err := open(ctx, l)
		if err != nil {
			for _, o := range opened {
				o.Close()
			}
			return err
		}
		opened = append(opened, one)
	}
	s.listeners = opened
	return nil
}

// Addrs are the addresses of the open listeners, in the order of the configuration.
func (s *Server) Addrs() []net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	addresses := make([]net.Addr, len(s.listeners))
	for i, l := range s.listeners {
		addresses[i] = l.Addr()
	}
	return addresses
}

// Run serves on all listeners until ctx ends; then it stops accepting, lets running requests end within
// Limits.Shutdown, and cancels the rest. It returns nil after such an end.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(ctx); err != nil {
		return err
	}
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	failed := make(chan error, len(s.listeners))
	servers := make([]*http.Server, len(s.listeners))
	var running sync.WaitGroup
	for i, l := range s.listeners {
		servers[i] = s.server(requests, l)
		s.deps.Logger.Info("listening", "address", l.String())
		running.Go(func() { failed <- l.serve(servers[i]) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.shutdown(servers, cancel)
	running.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// server makes the HTTP server of a listener; contexts of its requests end with ctx.
func (s *Server) server(ctx context.Context, l *listener) *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.cfg.Limits.Header,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(s.conns, "", 0),
		ConnState:         s.conns.change,
		BaseContext:       func(net.Listener) context.Context { return context.WithValue(ctx, listenerKey{}, l) },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return s.conns.begin(peerContext(ctx, c), c)
		},
	}
}

// shutdown ends all servers at once, gracefully as long as that takes no longer than allowed.
func (s *Server) shutdown(servers []*http.Server, cancel func()) {
	ctx, done := context.WithTimeout(context.Background(), s.cfg.Limits.Shutdown)
	defer done()
	var ending sync.WaitGroup
	for _, server := range servers {
		ending.Go(func() {
			if err := server.Shutdown(ctx); err != nil {
				cancel()           // what still runs ends now
				_ = server.Close() // the listeners are closed already
			}
		})
	}
	ending.Wait()
}

// Handler serves without listeners and treats every caller as an admin: for tests, and to be mounted where
// somebody else authenticates.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), listenerKey{}, &listener{trusted: true})))
	})
}
