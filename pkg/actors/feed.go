package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// FeedConfig says what a list is and how often it is read again.
type FeedConfig struct {
	Name   string `yaml:"name"`
	Format string `yaml:"format"` // empty: found out
	// Every is how often it is read.
	Every time.Duration `yaml:"every"`
	// MaxAge is how old a list that says of when it is may be; 0: a week.
	MaxAge time.Duration `yaml:"max_age"`
	// Own are ranges of the asker, which a list should not hold.
	Own []netip.Prefix `yaml:"own"`
}

// DefaultFeedConfig returns the defaults, to which a name is added.
func DefaultFeedConfig() FeedConfig { return FeedConfig{Every: time.Hour} }

// FeedDeps are what a feed needs from outside.
type FeedDeps struct {
	// Read reads the text of the list, of at most MaxBytes and one byte: a file, a URL. It must end with its context.
	Read func(ctx context.Context) ([]byte, error)
	// Put is given each list that is new; *Store's Put, in the shape of its second result.
	Put    func(list *List, name string) error
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: none
}

// Feed is a list that is read again and again. A list that is empty, that was hardly read or that has lost most of its
// entries never takes the place of a better one: a feed that breaks must not look like a world without harm. It is safe
// for concurrent use.
type Feed struct {
	cfg  FeedConfig
	deps FeedDeps

	mu     sync.Mutex
	list   *List // the last good one
	fault  error // of the last reading
	loaded time.Time
}

// NewFeed returns a feed that has not been read.
func NewFeed(cfg FeedConfig, deps FeedDeps) (*Feed, error) {
	switch {
	case cfg.Name == "":
		return nil, errors.New("list: a list has no name")
	case cfg.Every < time.Second || cfg.MaxAge < 0:
		return nil, fmt.Errorf("list %s: every %v, max_age %v: must be a second or more, and not negative", cfg.Name, cfg.Every, cfg.MaxAge)
	case deps.Read == nil || deps.Put == nil:
		return nil, fmt.Errorf("list %s: nothing to read it, or to give it to", cfg.Name)
	}
	if cfg.Format != "" {
		if _, err := findFormat(nil, cfg.Format); err != nil {
			return nil, fmt.Errorf("list %s: %w", cfg.Name, err)
		}
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	return &Feed{cfg: cfg, deps: deps}, nil
}

// Run reads the list until the context ends. What goes wrong is logged, stands in Health and is tried again.
func (f *Feed) Run(ctx context.Context) error {
	timer := time.NewTicker(f.cfg.Every)
	defer timer.Stop()
	for {
		switch changed, err := f.Load(ctx); {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			f.deps.Logger.Warn("list not read", "name", f.cfg.Name, "error", err)
		case changed:
			h := f.Health()
			f.deps.Logger.Info("list read", "name", f.cfg.Name, "entries", h.Entries, "state", string(h.State))
		}
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// shrunk says that a list has lost so much that something is wrong with it.
func shrunk(before, after int) bool { return before >= 20 && after*4 < before }

// Load reads the list once and hands it on if it changed.
func (f *Feed) Load(ctx context.Context) (changed bool, err error) {
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.fault = err
	}()
	text, err := f.deps.Read(ctx)
	if err != nil {
		return false, err
	}
	list, err := Parse(text, f.cfg.Format)
	if err != nil {
		return false, err
	}
	f.mu.Lock()
	before := f.list
	f.mu.Unlock()
	switch {
	case list.health.State == StateAlarm:
		return false, fmt.Errorf("%d of %d lines could not be read", list.health.FaultCount, list.health.Lines)
	case before != nil && shrunk(before.Len(), list.Len()):
		return false, fmt.Errorf("%d entries where there were %d: the list before is kept", list.Len(), before.Len())
	}
	changed = before == nil || before.hash != list.hash
	if changed {
		if err := f.deps.Put(list, f.cfg.Name); err != nil {
			return false, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list, f.loaded = list, f.deps.Now()
	return changed, nil
}

// List is the last good list, nil before there was one.
func (f *Feed) List() *List {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list
}

// Health is that of the last good list, and what is wrong since: an alarm where there is none.
func (f *Feed) Health() Health {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := Health{Format: f.cfg.Format, State: StateAlarm}
	if f.list != nil {
		h = f.list.Check(CheckConfig{Own: f.cfg.Own, Now: f.deps.Now(), MaxAge: f.cfg.MaxAge})
	}
	h.Name = f.cfg.Name
	switch {
	case f.fault == nil:
		return h
	case f.list == nil:
		h.Warnings = append(h.Warnings, fmt.Sprintf("it was never read: %v", f.fault))
	default:
		h.Warnings = append(h.Warnings, fmt.Sprintf("it was last read at %s: since then %v", f.loaded.UTC().Format(time.DateTime), f.fault))
		if h.State == StateOK {
			h.State = StateWarning
		}
	}
	return h
}
