package fleet

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/wire"
)

// CacheConfig bounds a Cache.
type CacheConfig struct {
	// Bytes that the answers may take in memory; 0: nothing is kept.
	Bytes int64 `yaml:"bytes"`
	// Fresh is how long an answer is given without asking its host whether it still is the same; after that each use
	// asks, which costs the host a look at a directory.
	Fresh time.Duration `yaml:"fresh"`
	// Settle is how long after midnight, in UTC, the day before counts as closed: what was counted last is stored by then.
	Settle time.Duration `yaml:"settle"`
}

// DefaultCacheConfig returns the defaults.
func DefaultCacheConfig() CacheConfig {
	return CacheConfig{Bytes: 64 << 20, Fresh: time.Minute, Settle: 10 * time.Minute}
}

// Validate says what is wrong with the configuration.
func (c CacheConfig) Validate() error {
	if c.Bytes < 0 || c.Fresh < 0 || c.Settle < 0 {
		return errors.New("cache: bytes, fresh and settle must not be negative")
	}
	return nil
}

// CacheDeps of a cache; all may be zero.
type CacheDeps struct {
	Now func() time.Time // nil: time.Now
	// Role is the role of whoever asks in a context; what one role got is not given to another. Nil: all are alike.
	Role func(context.Context) string
}

// Cache keeps answers of hosts to questions about days that are over, in UTC, the least recently used going first. An
// answer is kept under its host's client, the question and the asker's role, with the version of the data that the host named;
// hosts that name none, such as goProbe's, are not cached. It is safe for concurrent use.
type Cache struct {
	cfg     CacheConfig
	deps    CacheDeps
	metrics cacheMetrics
	clients atomic.Uint64 // made so far

	mu    sync.Mutex
	kept  map[cacheKey]*list.Element
	order *list.List // of *cached, the most recently used first
	bytes int64
}

type cacheKey [sha256.Size]byte

// cached is one answer. Its result is never changed.
type cached struct {
	key     cacheKey
	result  *wire.Result
	version string
	checked time.Time
	bytes   int64
}

type cacheMetrics struct {
	lookups *prometheus.CounterVec
	bytes   prometheus.Gauge
	entries prometheus.Gauge
}

// NewCache returns an empty cache.
func NewCache(cfg CacheConfig, deps CacheDeps) (*Cache, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Role == nil {
		deps.Role = func(context.Context) string { return "" }
	}
	c := &Cache{cfg: cfg, deps: deps, kept: map[cacheKey]*list.Element{}, order: list.New(), metrics: cacheMetrics{
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weir_cache_lookups_total", Help: "Questions to hosts about closed days, by outcome: hit, checked, miss.",
		}, []string{"outcome"}),
		bytes:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "weir_cache_bytes", Help: "Memory that cached answers take."}),
		entries: prometheus.NewGauge(prometheus.GaugeOpts{Name: "weir_cache_answers", Help: "Cached answers."}),
	}}
	return c, nil
}

// Describe is part of prometheus.Collector.
func (c *Cache) Describe(ch chan<- *prometheus.Desc) {
	c.metrics.lookups.Describe(ch)
	c.metrics.bytes.Describe(ch)
	c.metrics.entries.Describe(ch)
}

// Collect is part of prometheus.Collector.
func (c *Cache) Collect(ch chan<- prometheus.Metric) {
	c.metrics.lookups.Collect(ch)
	c.metrics.bytes.Collect(ch)
	c.metrics.entries.Collect(ch)
}

// Client puts the cache in front of a host's client. What was kept of another client is not given by this one, even of the
// same host: its address or credentials may have changed.
func (c *Cache) Client(inner Client) Client {
	one := cachedClient{Client: inner, cache: c, host: c.clients.Add(1)}
	if p, ok := inner.(Prober); ok {
		return probingClient{one, p}
	}
	return one
}

type cachedClient struct {
	Client
	cache *Cache
	host  uint64
}

// probingClient is one whose host can be asked for a sign of life.
type probingClient struct {
	cachedClient
	Prober
}

// Abilities satisfies Abler: they are the inner client's. One that cannot say has none.
func (h cachedClient) Abilities(ctx context.Context) (wire.Abilities, error) {
	if a, ok := h.Client.(Abler); ok {
		return a.Abilities(ctx)
	}
	return wire.Abilities{}, nil
}

// Query satisfies Client.
func (h cachedClient) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	c := h.cache
	if !c.closed(r) {
		return h.Client.Query(ctx, r)
	}
	key, err := c.key(ctx, h.host, r)
	if err != nil {
		return h.Client.Query(ctx, r)
	}
	known, fresh := c.find(key)
	if fresh {
		c.metrics.lookups.WithLabelValues("hit").Inc()
		return known.answer(wire.Timings{}), nil
	}
	begun := c.deps.Now()
	if known != nil {
		result, err := h.check(ctx, r, known)
		if err != nil {
			return nil, err
		}
		if result != nil && result.Unchanged && result.Summary.DataVersion == known.version {
			c.metrics.lookups.WithLabelValues("checked").Inc()
			c.renew(key, begun)
			return known.answer(result.Summary.Timings), nil
		}
		c.forget(key)
		if result != nil && !result.Unchanged {
			c.metrics.lookups.WithLabelValues("miss").Inc()
			return c.keep(key, result, begun), nil
		}
	}
	c.metrics.lookups.WithLabelValues("miss").Inc()
	result, err := h.Client.Query(ctx, r)
	if err != nil {
		return nil, err
	}
	return c.keep(key, result, begun), nil
}

// check asks whether the answer still is the same; nil without an error: the host does not know the question any more.
func (h cachedClient) check(ctx context.Context, r *wire.Request, known *cached) (*wire.Result, error) {
	asked := *r
	asked.IfVersion = known.version
	result, err := h.Client.Query(ctx, &asked)
	var e *client.Error
	if errors.As(err, &e) && (e.Status == http.StatusBadRequest || e.Status == http.StatusUnprocessableEntity) {
		return nil, nil // an older release may have taken its place
	}
	return result, err
}

// closed says that all that the question is about is over, and that nothing but the store is asked.
func (c *Cache) closed(r *wire.Request) bool {
	if c.cfg.Bytes == 0 || r.Live || r.Explain || r.IfVersion != "" || r.DNSResolution != nil {
		return false
	}
	last, err := strconv.ParseInt(r.Last, 10, 64) // as the fleet writes it
	midnight := c.deps.Now().Add(-c.cfg.Settle).UTC().Truncate(24 * time.Hour)
	return err == nil && last <= midnight.Unix()
}

// key of an answer. What only says how it is carried makes no difference.
func (c *Cache) key(ctx context.Context, host uint64, r *wire.Request) (cacheKey, error) {
	asked := *r
	asked.Caller, asked.Format, asked.KeepAlive = "", "", 0
	question, err := json.Marshal(&asked)
	if err != nil {
		return cacheKey{}, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d %q ", host, c.deps.Role(ctx))
	h.Write(question)
	return cacheKey(h.Sum(nil)), nil
}

// find looks an answer up; fresh says that it was checked lately.
func (c *Cache) find(key cacheKey) (known *cached, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element := c.kept[key]
	if element == nil {
		return nil, false
	}
	c.order.MoveToFront(element)
	known = element.Value.(*cached)
	age := c.deps.Now().Sub(known.checked)
	return known, age >= 0 && age < c.cfg.Fresh
}

// renew notes that an answer was the same at a time.
func (c *Cache) renew(key cacheKey, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element := c.kept[key]; element != nil {
		element.Value.(*cached).checked = at
	}
}

func (c *Cache) forget(key cacheKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(c.kept[key])
}

func (c *Cache) drop(element *list.Element) {
	if element == nil {
		return
	}
	old := c.order.Remove(element).(*cached)
	delete(c.kept, old.key)
	c.bytes -= old.bytes
	c.show()
}

func (c *Cache) show() {
	c.metrics.bytes.Set(float64(c.bytes))
	c.metrics.entries.Set(float64(len(c.kept)))
}

// keep keeps a copy of an answer that is whole and has a version; the answer stays the caller's.
func (c *Cache) keep(key cacheKey, result *wire.Result, at time.Time) *wire.Result {
	if !keepable(result) {
		return result
	}
	one := &cached{key: key, result: clone(result), version: result.Summary.DataVersion, checked: at}
	if one.bytes = sizeOf(one.result); one.bytes > c.cfg.Bytes/4 {
		return result // it would take the place of too many others
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(c.kept[key])
	c.kept[key] = c.order.PushFront(one)
	c.bytes += one.bytes
	for c.bytes > c.cfg.Bytes {
		c.drop(c.order.Back())
	}
	c.show()
	return result
}

// keepable says that an answer is one host's, whole, and will be known by its version.
func keepable(r *wire.Result) bool {
	if r == nil || r.Unchanged || r.Summary.DataVersion == "" || r.Hostname == "" {
		return false
	}
	for _, s := range r.HostsStatuses {
		if !whole(s) {
			return false
		}
	}
	return whole(r.Status)
}

func whole(s wire.Status) bool {
	return (s.Code == wire.CodeOK || s.Code == wire.CodeEmpty) && (s.State == "" || s.State == wire.StateOK || s.State == wire.StateEmpty)
}

// answer is a copy for a caller: it cost nothing this time, and says so.
func (k *cached) answer(timings wire.Timings) *wire.Result {
	result := clone(k.result)
	timings.Resolution = result.Summary.Timings.Resolution
	result.Summary.Timings, result.Summary.Stats = timings, wire.Stats{}
	free := func(s wire.Status) wire.Status {
		s.Cached, s.BytesScanned = true, 0
		return s
	}
	result.Status = free(result.Status)
	for name, s := range result.HostsStatuses {
		result.HostsStatuses[name] = free(s)
	}
	return result
}
