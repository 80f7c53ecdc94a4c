package inventory

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// Watched is a source and how often it is read.
type Watched struct {
	Source
	Every time.Duration
}

// Config of a watcher.
type Config struct {
	// Timeout ends a load.
	Timeout time.Duration
	// MaxHosts bounds the hosts of all sources together.
	MaxHosts int
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{Timeout: 10 * time.Second, MaxHosts: MaxHosts} }

// Deps of a watcher; all may be zero.
type Deps struct {
	Now func() time.Time // nil: time.Now
	// Failed is told when a source fails, and with nil when it works again. It is not called concurrently.
	Failed func(source string, err error)
}

// Health is what is known of a source.
type Health struct {
	Source string    `json:"source"`
	Hosts  int       `json:"hosts"`
	Loaded time.Time `json:"loaded,omitzero"` // when it was last read in full
	// Error is why it cannot be read now; its hosts are those it had when it was last read.
	Error string `json:"error,omitempty"`
	// Faults are hosts that were left out, and why; the first of them.
	Faults     []string `json:"faults,omitempty"`
	FaultCount int      `json:"fault_count,omitempty"`
}

// Watcher keeps the lists of several sources. It is safe for concurrent use.
type Watcher struct {
	cfg     Config
	deps    Deps
	sources []Watched

	mu     sync.Mutex
	states []state
	shown  []Entry // last given to update
	given  bool
	update func([]Entry)
	faults map[string][]string // of Join, by source
}

// state of a source.
type state struct {
	list   *List // the last good one, nil before
	loaded time.Time
	err    error
	seq    uint64 // of the load whose outcome it is
	begun  uint64
}

// NewWatcher checks the configuration; it reads nothing yet.
func NewWatcher(cfg Config, sources []Watched, deps Deps) (*Watcher, error) {
	if cfg.Timeout <= 0 || cfg.MaxHosts < 1 {
		return nil, fmt.Errorf("inventory: the timeout %v and the limit of %d hosts must be above 0", cfg.Timeout, cfg.MaxHosts)
	}
	names := make(map[string]bool)
	for _, s := range sources {
		if names[s.Name()] {
			return nil, fmt.Errorf("inventory: %s is named twice", s.Name())
		}
		names[s.Name()] = true
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Failed == nil {
		deps.Failed = func(string, error) {}
	}
	return &Watcher{cfg: cfg, deps: deps, sources: slices.Clone(sources), states: make([]state, len(sources))}, nil
}

// Adopt takes over what another watcher knows of sources of the same name, so that they have their last lists. It is
// called before Run.
func (w *Watcher) Adopt(former *Watcher) {
	former.mu.Lock()
	known := make(map[string]state, len(former.states))
	for i, s := range former.states {
		known[former.sources[i].Name()] = state{list: s.list, loaded: s.loaded, err: s.err}
	}
	former.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.sources {
		w.states[i] = known[w.sources[i].Name()]
	}
}

// Run reads all sources, calls update with the whole list, then again after each change, until ctx ends. update is not
// called concurrently.
func (w *Watcher) Run(ctx context.Context, update func([]Entry)) {
	w.mu.Lock()
	w.update = update
	w.mu.Unlock()
	w.Refresh(ctx)
	var watching sync.WaitGroup
	for i := range w.sources {
		watching.Go(func() { w.watch(ctx, i) })
	}
	watching.Wait()
}

// watch reads one source again and again.
func (w *Watcher) watch(ctx context.Context, i int) {
	var changed <-chan struct{}
	if n, ok := w.sources[i].Source.(Notifier); ok {
		changed = n.Changed()
	}
	var tick <-chan time.Time
	if every := w.sources[i].Every; every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		case <-changed:
		}
		w.load(ctx, i)
		w.publish(ctx)
	}
}

// Refresh reads all sources now and returns when the list is up to date.
func (w *Watcher) Refresh(ctx context.Context) {
	var loading sync.WaitGroup
	for i := range w.sources {
		loading.Go(func() { w.load(ctx, i) })
	}
	loading.Wait()
	w.publish(ctx)
}

// load reads one source. An older load that ends later changes nothing.
func (w *Watcher) load(ctx context.Context, i int) {
	w.mu.Lock()
	s := &w.states[i]
	s.begun++
	seq := s.begun
	w.mu.Unlock()
	loading, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
	defer cancel()
	list, err := w.sources[i].Load(loading)
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if seq <= s.seq {
		return
	}
	if (err == nil) != (s.err == nil) || err != nil && err.Error() != s.err.Error() {
		w.deps.Failed(w.sources[i].Name(), err)
	}
	if s.seq, s.err = seq, err; err == nil {
		s.list, s.loaded = list, w.deps.Now()
	}
}

// publish hands the joined list out if it has changed.
func (w *Watcher) publish(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	var lists []Named
	for i, s := range w.states {
		if s.list != nil {
			lists = append(lists, Named{w.sources[i].Name(), s.list})
		}
	}
	entries, faults := Join(lists, w.cfg.MaxHosts)
	w.faults = faults
	if w.given && reflect.DeepEqual(entries, w.shown) {
		return
	}
	w.shown, w.given = entries, true
	if w.update != nil {
		w.update(slices.Clone(entries))
	}
}

// Health says how the sources are, in their order.
func (w *Watcher) Health() []Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]Health, len(w.sources))
	for i, s := range w.states {
		h := Health{Source: w.sources[i].Name(), Loaded: s.loaded}
		if s.list != nil {
			joined := w.faults[h.Source]
			h.Hosts = len(s.list.Entries)
			h.Faults = append(slices.Clone(s.list.Faults), joined...)
			h.FaultCount = s.list.FaultCount + len(joined)
		}
		if s.err != nil {
			h.Error = strings.ReplaceAll(s.err.Error(), "\n", " ")
		}
		all[i] = h
	}
	return all
}
