package natshttp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weirflow/weir/pkg/wire"
)

// ResponderConfig says where a host answers and how much at once.
type ResponderConfig struct {
	Address
	// Here is what the host says of itself; its name and site are the Address's.
	Here Announcement
	// Announce is the time between announcements; 0: 30 s.
	Announce time.Duration
	// Requests is how many are answered at once, whatever they ask for; the handler has limits of its own. 0: 64.
	Requests int
	// Shutdown is how long running requests may take to end after Run was told to; 0: 5 s.
	Shutdown time.Duration
	// Alive is the time between signs of life of a request that is being worked on; 0: 2 s.
	Alive time.Duration
}

// ResponderDeps are what a Responder works with; all are required.
type ResponderDeps struct {
	Link    *Link
	Handler http.Handler
	Logger  *slog.Logger
}

// Responder answers requests that come over a Link. Its methods are safe for concurrent use; Run is called once.
type Responder struct {
	cfg      ResponderConfig
	deps     ResponderDeps
	instance string
	counts   counts

	ending  context.Context // of every request
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	closing bool
	answers map[string]*answer // by id
	recent  [1024]string       // ids of requests, so that one that is delivered twice is answered once
	next    int
	known   map[string]bool
}

// counts are for metrics.
type counts struct {
	requests, refused, cancelled, bytes atomic.Uint64
}

// NewResponder checks the configuration; it listens nowhere.
func NewResponder(cfg ResponderConfig, deps ResponderDeps) (*Responder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Link == nil || deps.Handler == nil || deps.Logger == nil {
		return nil, errors.New("nats: a link, a handler and a logger are needed")
	}
	if cfg.Announce == 0 {
		cfg.Announce = defaultAnnounce
	}
	if cfg.Requests == 0 {
		cfg.Requests = 64
	}
	if cfg.Shutdown == 0 {
		cfg.Shutdown = 5 * time.Second
	}
	if cfg.Alive == 0 {
		cfg.Alive = 2 * time.Second
	}
	r := &Responder{cfg: cfg, deps: deps, instance: rand.Text(), answers: map[string]*answer{}, known: map[string]bool{}}
	here := &r.cfg.Here
	here.Name, here.Site, here.Instance = cfg.Host, cfg.site(), r.instance
	here.IntervalSeconds = max(int(cfg.Announce/time.Second), 1)
	if err := here.validate(); err != nil {
		return nil, err
	}
	r.ending, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// Run answers until ctx ends; then it takes leave, lets running requests end within Shutdown, and cancels the rest.
func (r *Responder) Run(ctx context.Context) error {
	defer r.cancel()
	conn := r.deps.Link.conn
	var subs []*nats.Subscription
	defer func() {
		for _, s := range subs {
			_ = s.Unsubscribe()
		}
	}()
	discovered := make(chan struct{}, 1)
	for _, one := range []struct {
		subject string
		handle  nats.MsgHandler
	}{
		{r.cfg.subject("control.*"), r.control},
		{r.cfg.subject("query"), r.request},
		{discoverSubject, func(*nats.Msg) {
			select {
			case discovered <- struct{}{}:
			default:
			}
		}},
	} {
		s, err := conn.Subscribe(one.subject, one.handle)
		if err != nil {
			return fmt.Errorf("nats: listen on %s: %w", one.subject, err)
		}
		subs = append(subs, s)
	}
	// What is published while a connection breaks may be lost, and askers of another connection would wait for it.
	defer r.deps.Link.watch(func(up bool) {
		if !up {
			r.cutAll()
		}
	})()
	r.announce(ctx, discovered)
	_ = subs[1].Unsubscribe() // no new requests
	subs = append(subs[:1], subs[2:]...)
	r.shutdown()
	return nil
}

// shutdown lets running requests end in time and cancels the rest.
func (r *Responder) shutdown() {
	r.mu.Lock()
	r.closing = true
	r.mu.Unlock()
	timer := time.AfterFunc(r.cfg.Shutdown, r.cancel)
	defer timer.Stop()
	r.running.Wait()
}

// cutAll ends all requests because the connection is lost.
func (r *Responder) cutAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.answers {
		a.cut.Store(true)
		a.cancel()
	}
}

// request begins to answer one.
func (r *Responder) request(m *nats.Msg) {
	if !strings.HasPrefix(m.Reply, "_INBOX") || strings.ContainsAny(m.Reply, "*> ") {
		r.counts.refused.Add(1)
		r.deps.Logger.Warn("refused", "remote", "nats", "reason", "the reply subject is no inbox", "reply", clip(m.Reply))
		return
	}
	id := m.Header.Get(headerRequest)
	if id == "" || len(id) > maxID || strings.ContainsFunc(id, func(c rune) bool { return c > 127 || !plain(byte(c)) }) {
		r.counts.refused.Add(1)
		return // there is no way to be told how much may be sent
	}
	a := r.begin(m, id)
	if a == nil {
		return
	}
	r.counts.requests.Add(1)
	go func() {
		defer r.running.Done()
		defer r.end(a)
		a.serve(m)
	}()
}

// begin books a request in; nil: it is known already, or we are about to end.
func (r *Responder) begin(m *nats.Msg, id string) *answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing || r.known[id] {
		return nil
	}
	if old := r.recent[r.next]; old != "" {
		delete(r.known, old)
	}
	r.recent[r.next], r.known[id] = id, true
	r.next = (r.next + 1) % len(r.recent)
	a := &answer{responder: r, id: id, inbox: m.Reply, control: r.cfg.subject("control." + id), page: r.deps.Link.page(),
		header: http.Header{}, changed: make(chan struct{}, 1), crowded: len(r.answers) >= r.cfg.Requests}
	patience := maxTimeout
	if nanoseconds, err := strconv.ParseInt(m.Header.Get(headerTimeout), 10, 64); err == nil {
		patience = min(max(time.Duration(nanoseconds), 1), maxTimeout)
	}
	a.ctx, a.cancel = context.WithTimeout(r.ending, patience)
	a.credit, _ = strconv.Atoi(m.Header.Get(headerCredit)) // without any, nothing can be sent before the asker says more
	a.credit = min(max(a.credit, 0), maxCredit)
	r.answers[id] = a
	r.running.Add(1)
	return a
}

func (r *Responder) end(a *answer) {
	a.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.answers, a.id)
}

// control takes what an asker says of a running request, or the server of an asker that is gone.
func (r *Responder) control(m *nats.Msg) {
	id := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	r.mu.Lock()
	a := r.answers[id]
	r.mu.Unlock()
	if a == nil {
		return
	}
	if isUndelivered(m) {
		r.counts.cancelled.Add(1)
		a.cancel()
		return
	}
	if to := m.Header.Get(headerInstance); to != "" && to != r.instance {
		return
	}
	switch {
	case m.Header.Get(headerCancel) != "":
		r.counts.cancelled.Add(1)
		a.cancel()
	case m.Header.Get(headerCredit) != "":
		if n, err := strconv.Atoi(m.Header.Get(headerCredit)); err == nil {
			a.grant(n)
		}
	case m.Header.Get(headerSequence) != "":
		if n, err := strconv.Atoi(m.Header.Get(headerSequence)); err == nil {
			a.bodyPage(n, m.Data, m.Header.Get(headerMore) != "")
		}
	}
}

// maxTimeout bounds a request whose asker does not say how long it waits.
const maxTimeout = MaxRequest

// crowdedProblem is for requests beyond Requests.
func (r *Responder) crowdedProblem() *wire.Problem {
	return wire.NewProblem(http.StatusServiceUnavailable, fmt.Sprintf("%d requests are being answered over NATS, the limit: try again in a second", r.cfg.Requests))
}

func clip(text string) string {
	if len(text) > 100 {
		return text[:100] + "…"
	}
	return text
}
