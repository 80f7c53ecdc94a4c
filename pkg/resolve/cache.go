package resolve

import (
	"sync"
	"time"
)

// cache remembers answers, and who is looking for which. It holds two halves: when the young one is full it becomes
// the old one, and what nobody asked for meanwhile is gone.
type cache[K comparable, V any] struct {
	mu         sync.Mutex
	half       int
	young, old map[K]entry[V]
	flights    map[K]*flight[V]
}

// landed is the channel of lookups that have ended.
var landed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// entry is an answer, or an error, and when it expires.
type entry[V any] struct {
	value V
	err   error
	until time.Time
}

// flight is a lookup on its way, or one that has ended; entry is set before done is closed.
type flight[V any] struct {
	done  chan struct{}
	entry entry[V]
}

func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{half: max(size/2, 1), young: make(map[K]entry[V]), flights: make(map[K]*flight[V])}
}

// known returns what is remembered, or the lookup that is on its way; nil if there is neither.
func (c *cache[K, V]) known(key K, now time.Time) *flight[V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(key, now)
}

// join is known, and where nothing is known a new lookup, which is the caller's to finish.
func (c *cache[K, V]) join(key K, now time.Time) (f *flight[V], mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.find(key, now); f != nil {
		return f, false
	}
	f = &flight[V]{done: make(chan struct{})}
	c.flights[key] = f
	return f, true
}

// find is called with the lock held.
func (c *cache[K, V]) find(key K, now time.Time) *flight[V] {
	if f := c.flights[key]; f != nil {
		return f
	}
	e, ok := c.young[key]
	if !ok {
		if e, ok = c.old[key]; ok && now.Before(e.until) {
			c.put(key, e)
		}
	}
	if !ok || !now.Before(e.until) {
		return nil
	}
	return &flight[V]{done: landed, entry: e}
}

// put is called with the lock held.
func (c *cache[K, V]) put(key K, e entry[V]) {
	if len(c.young) >= c.half {
		c.young, c.old = make(map[K]entry[V]), c.young
	}
	c.young[key] = e
}

// finish remembers the answer and hands it to all that wait for it.
func (c *cache[K, V]) finish(key K, f *flight[V], answer entry[V]) {
	f.entry = answer
	c.mu.Lock()
	delete(c.flights, key)
	c.put(key, answer)
	c.mu.Unlock()
	close(f.done)
}
