// Package fleet asks several named servers at once and makes one exact answer of theirs.
//
// Invariants: a host that fails stands in the answer's HostsStatuses with its reason and never fails the rest; the
// answer is the one that a single store with all rows would give, or says that it is not; equal answers of the hosts
// give equal bytes, but for a host that is asked under two names, of which the one that answers first counts; an answer that is none to the question is not used; when Query returns, nothing of it runs on.
//
// Neighbours: inventory knows the hosts, client asks one, wire merges and orders rows, serve and plugin ask the fleet.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirflow/weir/pkg/inventory"
	"github.com/weirflow/weir/pkg/wire"
)

// Client is what the fleet needs of a host; *client.Client is one. It must return soon after its context ends, and
// leave the result to the caller.
type Client interface {
	Query(ctx context.Context, r *wire.Request) (*wire.Result, error)
	Catalog(ctx context.Context) (*wire.Catalog, error)
}

// Host is one server under its name in the inventory.
type Host struct {
	Name   string
	Client Client
	// ID is the identity of the host's store where the inventory knows it; empty: what the host says counts.
	ID string
	// Labels are those that the inventory gives the host; they win over its own.
	Labels map[string]string
	// Groups that the host belongs to, for selections such as @edge.
	Groups []string
	// Gateway says that hosts are behind this one, which selections can name.
	Gateway bool

	state *state // the fleet's own
}

// Config bounds the fan-out.
type Config struct {
	// Concurrency is how many hosts are asked at once. Hosts that hang hold their places until their deadline: with fewer
	// places than hosts, some may not be asked in time.
	Concurrency int `yaml:"concurrency"`
	// HostTimeout is how long one host may take, within the caller's deadline.
	HostTimeout time.Duration `yaml:"host_timeout"`
	// HostRows is how many groups are asked of a host where groups span hosts: the merge is exact as long as no host
	// has more.
	HostRows int64 `yaml:"host_rows"`
	// FirstRows is how many groups are asked of a host at first where its largest suffice, shared by the hosts where they
	// are many: more of them than the query asks for save further rounds.
	FirstRows int64 `yaml:"first_rows"`
	// ProgressEvery is the least time between two partial results.
	ProgressEvery time.Duration `yaml:"progress_every"`
	// BreakerFailures is after how many failures in a row a host is not asked for a while; 0: it is always asked.
	BreakerFailures int `yaml:"breaker_failures"`
	// BreakerWait is how long that while is at first; it doubles while the host goes on to fail.
	BreakerWait time.Duration `yaml:"breaker_wait"`
	// BreakerMaxWait is how long it is at most.
	BreakerMaxWait time.Duration `yaml:"breaker_max_wait"`
	// CatalogAge is how long it is remembered what a host says of itself.
	CatalogAge time.Duration `yaml:"catalog_age"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Concurrency: 256, HostTimeout: 30 * time.Second, HostRows: 250_000, FirstRows: 1000, ProgressEvery: 250 * time.Millisecond,
		BreakerFailures: 3, BreakerWait: 5 * time.Second, BreakerMaxWait: time.Minute, CatalogAge: time.Minute,
	}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if c.Concurrency < 1 || c.HostTimeout <= 0 || c.HostRows < 1 || c.FirstRows < 0 || c.ProgressEvery < 0 {
		return errors.New("concurrency, host_timeout and host_rows must be above 0, first_rows and progress_every not below")
	}
	if c.BreakerFailures < 0 || c.CatalogAge < 0 || c.BreakerFailures > 0 && (c.BreakerWait <= 0 || c.BreakerMaxWait < c.BreakerWait) {
		return errors.New("breaker_failures and catalog_age must not be negative, breaker_wait must be above 0 and not above breaker_max_wait")
	}
	return nil
}

// Deps of a fleet; all may be zero.
type Deps struct {
	Now func() time.Time // nil: time.Now
}

// Fleet is a list of hosts, which may be replaced. It is safe for concurrent use and satisfies serve.Querier.
type Fleet struct {
	hosts atomic.Pointer[[]Host]
	cfg   Config
	now   func() time.Time
	set   sync.Mutex // held by SetHosts

	outcomes totals // of all hosts, those that are gone included
}

// New returns a fleet of hosts with distinct names, which it asks in the order of their names.
func New(hosts []Host, cfg Config, deps Deps) (*Fleet, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	f := &Fleet{cfg: cfg, now: deps.Now}
	if f.now == nil {
		f.now = time.Now
	}
	f.hosts.Store(&[]Host{})
	return f, f.SetHosts(hosts)
}

// SetHosts replaces all hosts at once, or none on an error. Queries that run keep those they began with. What is known
// of a host stays known as long as its name and its client stay.
func (f *Fleet) SetHosts(hosts []Host) error {
	f.set.Lock()
	defer f.set.Unlock()
	list := slices.Clone(hosts)
	slices.SortFunc(list, func(a, b Host) int { return strings.Compare(a.Name, b.Name) })
	ids := make(map[string]string)
	for i, h := range list {
		if err := inventory.CheckName(h.Name); err != nil {
			return fmt.Errorf("fleet: %w", err)
		}
		switch other := ids[h.ID]; {
		case h.Client == nil:
			return fmt.Errorf("fleet: host %s has no client", h.Name)
		case i > 0 && list[i-1].Name == h.Name:
			return fmt.Errorf("fleet: two hosts have the name %q", h.Name)
		case h.ID != "" && other != "":
			return fmt.Errorf("fleet: the hosts %s and %s have the same id %s", other, h.Name, h.ID)
		}
		ids[h.ID] = h.Name
	}
	known := make(map[string]*state)
	for _, h := range *f.hosts.Load() {
		known[h.Name] = h.state
	}
	for i, h := range list {
		if s := known[h.Name]; s != nil && same(s.client, h.Client) {
			list[i].state = s
			continue
		}
		list[i].state = &state{client: h.Client, asking: make(chan struct{}, 1)}
	}
	f.hosts.Store(&list)
	return nil
}

// same says that two clients are one.
func same(a, b Client) bool {
	return reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && a == b
}

// list is the hosts as they are now, which the caller must not change.
func (f *Fleet) list() []Host { return *f.hosts.Load() }

// Names of the hosts, in order.
func (f *Fleet) Names() []string {
	hosts := f.list()
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.Name
	}
	return names
}

// each calls work for every host, as many at once as allowed, and waits for all. done is called after each, one at
// a time. Hosts whose turn does not come before ctx ends are passed with the context's error.
func (f *Fleet) each(ctx context.Context, hosts []Host, work func(ctx context.Context, i int) error, done func(i int, err error)) {
	slots := make(chan struct{}, f.cfg.Concurrency)
	var mu sync.Mutex
	var running sync.WaitGroup
	report := func(i int, err error) {
		mu.Lock()
		defer mu.Unlock()
		done(i, err)
	}
	for _, i := range order(hosts) {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if err := ctx.Err(); err != nil {
			report(i, fmt.Errorf("not asked: %w", err))
			continue
		}
		running.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := f.deadline(ctx)
			defer cancel()
			report(i, work(ctx, i))
		})
	}
	running.Wait()
}

// order puts hosts that did not answer lately behind the others, so that they do not take their places.
func order(hosts []Host) []int {
	indexes := make([]int, 0, len(hosts))
	var later []int
	for i, h := range hosts {
		if h.state.breaker.suspect() {
			later = append(later, i)
			continue
		}
		indexes = append(indexes, i)
	}
	return append(indexes, later...)
}

// deadline is one host's: within the caller's, with a little left to merge and deliver.
func (f *Fleet) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := f.cfg.HostTimeout
	if end, ok := ctx.Deadline(); ok {
		left := time.Until(end)
		limit = min(limit, left-min(left/10, time.Second))
	}
	return context.WithTimeout(ctx, limit)
}
