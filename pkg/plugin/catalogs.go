package plugin

import (
	"context"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/fleet"
)

// How long what servers say of themselves is believed, and how long a query waits to hear it. An answer that lacks
// a server is asked for again sooner.
const (
	catalogsAge        = time.Minute
	partialCatalogsAge = 10 * time.Second
	catalogsWait       = 2 * time.Second
)

// defaultInterval is the interval of a server that did not say (a goProbe sensor, or one that is down).
const defaultInterval = 5 * time.Minute

// catalogs remembers what the servers say of themselves, so that not every query asks twice. One refresh serves
// all who wait for it.
type catalogs struct {
	fetch func(context.Context) []fleet.HostCatalog
	now   func() time.Time

	mu      sync.Mutex
	known   []fleet.HostCatalog
	until   time.Time
	pending chan struct{} // closed when the refresh under way ends
}

// get returns the catalog, or why there is none, of every server in the order of the settings. What is known is given
// at once, though it may be out of date while it is asked for again: a host that hangs must not hold up every query.
func (c *catalogs) get(ctx context.Context) []fleet.HostCatalog {
	c.mu.Lock()
	if known := c.known; known != nil {
		if !c.now().Before(c.until) {
			c.ask(ctx)
		}
		c.mu.Unlock()
		return known
	}
	c.mu.Unlock()
	return c.fresh(ctx)
}

// fresh is get that waits for what is asked for, up to its time.
func (c *catalogs) fresh(ctx context.Context) []fleet.HostCatalog {
	c.mu.Lock()
	if c.known != nil && c.now().Before(c.until) {
		defer c.mu.Unlock()
		return c.known
	}
	pending := c.ask(ctx)
	c.mu.Unlock()
	select {
	case <-pending:
	case <-ctx.Done():
	}
	return c.last()
}

// ask begins to refresh unless somebody has; it is called with the lock held.
func (c *catalogs) ask(ctx context.Context) chan struct{} {
	if c.pending == nil {
		c.pending = make(chan struct{})
		go c.refresh(context.WithoutCancel(ctx), c.pending) // others wait for it too
	}
	return c.pending
}

// last is what is known already, without asking.
func (c *catalogs) last() []fleet.HostCatalog {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known
}

func (c *catalogs) refresh(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, catalogsWait)
	defer cancel()
	defer close(done)
	fresh := c.fetch(ctx)
	age := catalogsAge
	for _, h := range fresh {
		if h.Err != nil {
			age = partialCatalogsAge
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.until, c.pending = fresh, c.now().Add(age), nil
}

// interval is the longest interval of the chosen servers: no bin may be shorter.
func (c *catalogs) interval(ctx context.Context, chosen []server) time.Duration {
	names := make(map[string]bool)
	for _, s := range chosen {
		names[s.Name] = true
	}
	var longest time.Duration
	for _, h := range c.get(ctx) {
		if names[h.Name] && h.Catalog != nil {
			longest = max(longest, h.Catalog.Interval)
		}
	}
	if longest < time.Second {
		return defaultInterval
	}
	return longest.Round(time.Second)
}
