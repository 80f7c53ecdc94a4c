// Package fleet asks several named servers at once and makes one exact answer of theirs.
//
// Invariants: a host that fails stands in the answer's HostsStatuses with its reason and never fails the rest; the
// answer is the one that a single store with all rows would give, or says that it is not; equal answers of the hosts
// give equal bytes; when Query returns, nothing of it runs on.
//
// Neighbours: client asks one host, wire merges and orders rows, serve and plugin ask the fleet.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/flow"
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
}

// Config bounds the fan-out.
type Config struct {
	// Concurrency is how many hosts are asked at once.
	Concurrency int `yaml:"concurrency"`
	// HostTimeout is how long one host may take, within the caller's deadline.
	HostTimeout time.Duration `yaml:"host_timeout"`
	// HostRows is how many groups are asked of a host where groups span hosts: the merge is exact as long as no host
	// has more.
	HostRows int64 `yaml:"host_rows"`
	// ProgressEvery is the least time between two partial results.
	ProgressEvery time.Duration `yaml:"progress_every"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Concurrency: 32, HostTimeout: 30 * time.Second, HostRows: 250_000, ProgressEvery: 250 * time.Millisecond}
}

// Deps of a fleet; all may be zero.
type Deps struct {
	Now func() time.Time // nil: time.Now
}

// Fleet is a fixed list of hosts. It is safe for concurrent use and satisfies serve.Querier.
type Fleet struct {
	hosts []Host
	cfg   Config
	now   func() time.Time
}

// New returns a fleet of hosts with distinct names, which it asks in the order of their names.
func New(hosts []Host, cfg Config, deps Deps) (*Fleet, error) {
	if cfg.Concurrency < 1 || cfg.HostTimeout <= 0 || cfg.HostRows < 1 || cfg.ProgressEvery < 0 {
		return nil, errors.New("fleet: concurrency, host_timeout and host_rows must be above 0")
	}
	f := &Fleet{hosts: slices.Clone(hosts), cfg: cfg, now: deps.Now}
	if f.now == nil {
		f.now = time.Now
	}
	slices.SortFunc(f.hosts, func(a, b Host) int { return strings.Compare(a.Name, b.Name) })
	for i, h := range f.hosts {
		switch {
		case h.Name == "":
			return nil, errors.New("fleet: a host has no name")
		case strings.ContainsAny(h.Name, ", \t\n") || strings.EqualFold(h.Name, "any"):
			return nil, fmt.Errorf("fleet: a host cannot have the name %q", h.Name)
		case h.Client == nil:
			return nil, fmt.Errorf("fleet: host %s has no client", h.Name)
		case i > 0 && f.hosts[i-1].Name == h.Name:
			return nil, fmt.Errorf("fleet: two hosts have the name %q", h.Name)
		}
	}
	return f, nil
}

// Names of the hosts, in order.
func (f *Fleet) Names() []string {
	names := make([]string, len(f.hosts))
	for i, h := range f.hosts {
		names[i] = h.Name
	}
	return names
}

// choose finds the hosts a request names: a list, or all where it is empty or "any".
func (f *Fleet) choose(r *wire.Request) ([]Host, error) {
	text := strings.TrimSpace(r.QueryHosts)
	if text == "" || strings.EqualFold(text, "any") {
		return f.hosts, nil
	}
	wanted := make(map[string]bool)
	var faults []wire.Fault
	for part := range strings.SplitSeq(text, ",") {
		name := strings.TrimSpace(part)
		wanted[name] = true
		if slices.ContainsFunc(f.hosts, func(h Host) bool { return h.Name == name }) {
			continue
		}
		message := fmt.Sprintf("unknown host %q", name)
		if nearest, ok := flow.Nearest(name, f.Names()); ok {
			message += fmt.Sprintf("; did you mean %q?", nearest)
		}
		faults = append(faults, wire.Fault{Message: message, Location: "body.query_hosts", Value: name})
	}
	if len(faults) > 0 {
		return nil, wire.NewProblem(http.StatusUnprocessableEntity, "the query is not valid", faults...)
	}
	return slices.DeleteFunc(slices.Clone(f.hosts), func(h Host) bool { return !wanted[h.Name] }), nil
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
	for i := range hosts {
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

// deadline is one host's: within the caller's, with a little left to merge and deliver.
func (f *Fleet) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := f.cfg.HostTimeout
	if end, ok := ctx.Deadline(); ok {
		left := time.Until(end)
		limit = min(limit, left-min(left/10, time.Second))
	}
	return context.WithTimeout(ctx, limit)
}
