// Package resolve looks up the names of addresses and the addresses of names in the DNS, for results and conditions.
//
// Invariants: at most Config.Concurrency lookups run at once, whoever asks, and each of them ends within
// Config.Timeout; what is asked again while it is looked up is looked up once; answers are remembered, also that
// there is none, for as long as the DNS says within bounds; memory is bounded. Names come from whoever owns the
// address: they are cleaned of what is no host name here, and still have to be escaped for where they are shown.
//
// Neighbours: wire says which addresses of a result need names; serve and the command line look up here.
package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config bounds the lookups.
type Config struct {
	// Concurrency is how many lookups run at once.
	Concurrency int
	// Timeout ends one lookup; a caller may leave sooner, and finds the answer in the cache later.
	Timeout time.Duration
	// CacheSize is how many names and how many addresses are remembered.
	CacheSize int
	// MinTTL and MaxTTL bound how long an answer is remembered, also that there is none; DefaultTTL holds where the
	// DNS does not say, such as for /etc/hosts.
	MinTTL, MaxTTL, DefaultTTL time.Duration
	// FailureTTL is how long a lookup that failed is not tried again, so that a dead server is not waited for each time.
	FailureTTL time.Duration
}

// DefaultConfig suits a probe as well as a person.
func DefaultConfig() Config {
	return Config{
		Concurrency: 16, Timeout: 5 * time.Second, CacheSize: 1 << 15,
		MinTTL: 10 * time.Second, MaxTTL: time.Hour, DefaultTTL: 5 * time.Minute, FailureTTL: 5 * time.Second,
	}
}

// Deps of a resolver; all may be zero.
type Deps struct {
	// Dial connects to DNS servers; nil: as the system's configuration says.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock of the cache; nil: time.Now.
	Now func() time.Time
}

// Resolver is safe for concurrent use.
type Resolver struct {
	cfg       Config
	now       func() time.Time
	system    *net.Resolver
	slots     chan struct{}
	names     *cache[netip.Addr, string]
	addresses *cache[string, []netip.Addr]
}

// New checks the configuration; it asks nobody yet.
func New(cfg Config, deps Deps) (*Resolver, error) {
	switch {
	case cfg.Concurrency < 1 || cfg.CacheSize < 1:
		return nil, fmt.Errorf("resolve: concurrency %d and cache size %d must be at least 1", cfg.Concurrency, cfg.CacheSize)
	case cfg.Timeout <= 0 || cfg.DefaultTTL <= 0 || cfg.FailureTTL < 0:
		return nil, errors.New("resolve: timeout and default TTL must be above 0, the failure TTL must not be negative")
	case cfg.MinTTL < 0 || cfg.MinTTL > cfg.MaxTTL:
		return nil, fmt.Errorf("resolve: the least TTL, %v, must be between 0 and the greatest, %v", cfg.MinTTL, cfg.MaxTTL)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	return &Resolver{
		cfg: cfg, now: deps.Now, slots: make(chan struct{}, cfg.Concurrency),
		system:    &net.Resolver{PreferGo: deps.Dial != nil, Dial: listening(deps.Dial)},
		names:     newCache[netip.Addr, string](cfg.CacheSize),
		addresses: newCache[string, []netip.Addr](cfg.CacheSize),
	}, nil
}

// Names looks up the names of the addresses, all at once, until ctx ends. An address without a name is not in the
// answer. Late counts those that were not known in time, or whose lookup failed.
func (r *Resolver) Names(ctx context.Context, addresses []netip.Addr) (names map[netip.Addr]string, late int) {
	names = make(map[netip.Addr]string)
	var mu sync.Mutex
	var group sync.WaitGroup
	work := make(chan netip.Addr)
	for range min(r.cfg.Concurrency, len(addresses)) {
		group.Go(func() {
			for a := range work {
				name, err := r.Name(ctx, a)
				mu.Lock()
				switch {
				case err != nil:
					late++
				case name != "":
					names[a] = name
				}
				mu.Unlock()
			}
		})
	}
	for _, a := range addresses {
		work <- a // a worker takes it soon: lookups end with ctx
	}
	close(work)
	group.Wait()
	return names, late
}

// Name looks up the name of an address, without a dot at its end; empty if it has none. Of several it is the first in
// the order of the alphabet, so that the same address always has the same name.
func (r *Resolver) Name(ctx context.Context, a netip.Addr) (string, error) {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsUnspecified() {
		return "", nil
	}
	return find(ctx, r, r.names, a, func(ctx context.Context) (string, error) {
		found, err := r.system.LookupAddr(ctx, a.String())
		var dns *net.DNSError
		if len(found) > 0 || errors.As(err, &dns) && !dns.IsTimeout && !dns.IsTemporary {
			err = nil // it has no name, or names some of which are no host names
		}
		found = slices.DeleteFunc(found, func(name string) bool { return !isHostName(name) })
		if err != nil || len(found) == 0 {
			return "", err
		}
		return strings.TrimSuffix(slices.Min(found), "."), nil
	})
}

// Addresses looks up the addresses of a host name, in order and none twice. No address is an error.
func (r *Resolver) Addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	found, err := find(ctx, r, r.addresses, strings.ToLower(name), func(ctx context.Context) ([]netip.Addr, error) {
		found, err := r.system.LookupNetIP(ctx, "ip", name)
		for i := range found {
			found[i] = found[i].Unmap()
		}
		slices.SortFunc(found, netip.Addr.Compare)
		return slices.Compact(found), err
	})
	if err == nil && len(found) == 0 {
		err = &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return slices.Clone(found), err
}

// isHostName accepts what net.LookupAddr does and hosts files should: letters, digits, hyphens, underscores and dots
// (RFC 1035 bounds the length; other characters, such as escape sequences, are somebody's joke).
func isHostName(name string) bool {
	name = strings.TrimSuffix(name, ".")
	return name != "" && len(name) <= 253 && !strings.ContainsFunc(name, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		return !letter && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}

// find takes the answer from the cache, or from the lookup of whoever asked first, or looks it up. A lookup goes on
// when its caller leaves, so that the answer is there the next time. "Not found" is an answer, the zero value.
func find[K comparable, V any](ctx context.Context, r *Resolver, c *cache[K, V], key K, lookup func(context.Context) (V, error)) (V, error) {
	f := c.known(key, r.now())
	if f == nil {
		select {
		case r.slots <- struct{}{}:
		case <-ctx.Done():
			return *new(V), ctx.Err()
		}
		var mine bool
		if f, mine = c.join(key, r.now()); mine {
			go func() {
				c.finish(key, f, look(ctx, r, lookup))
				<-r.slots
			}()
		} else {
			<-r.slots
		}
	}
	select {
	case <-f.done:
		return f.entry.value, f.entry.err
	case <-ctx.Done():
		return *new(V), ctx.Err()
	}
}

// look asks the DNS and says how long the answer holds.
func look[V any](ctx context.Context, r *Resolver, lookup func(context.Context) (V, error)) entry[V] {
	heard := &lifetime{}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Timeout)
	defer cancel()
	value, err := lookup(context.WithValue(ctx, lifetimeKey{}, heard))
	var dns *net.DNSError
	if err != nil && (!errors.As(err, &dns) || !dns.IsNotFound) {
		return entry[V]{err: err, until: r.now().Add(r.cfg.FailureTTL)}
	}
	ttl, ok := heard.get()
	if !ok {
		ttl = r.cfg.DefaultTTL
	}
	return entry[V]{value: value, until: r.now().Add(min(max(ttl, r.cfg.MinTTL), r.cfg.MaxTTL))}
}
