package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"maps"

	"github.com/weirflow/weir/probe/capture"
)

// InterfaceSettings are how one interface is captured. Zero sizes are the configuration's.
type InterfaceSettings struct {
	Promiscuous       bool
	BlockSize, Blocks int
}

// Change is what became of one interface after the settings changed; Err says why it is not captured as it should be.
type Change struct {
	Name string
	Err  error
}

// Changes lists the interfaces that are captured now and were not, those that are captured anew with other settings,
// and those that are not captured any more; each sorted by name.
type Changes struct{ Enabled, Updated, Disabled []Change }

// target is what is to be captured. It is replaced as a whole.
type target struct {
	capture  Capture
	settings map[string]InterfaceSettings // by interface, where they were set; nil: all have the configuration's
}

// of are the settings of an interface, completed.
func (t *target) of(name string) InterfaceSettings {
	s, set := t.settings[name]
	if !set {
		s.Promiscuous = t.capture.Promiscuous
	}
	s.BlockSize, s.Blocks = cmp.Or(s.BlockSize, t.capture.BlockSize), cmp.Or(s.Blocks, t.capture.Blocks)
	return s
}

func (t *target) live(name string) capture.LiveConfig {
	s := t.of(name)
	return capture.LiveConfig{Interface: name, Backend: t.capture.Backend, Promiscuous: s.Promiscuous, BlockSize: s.BlockSize, Blocks: s.Blocks}
}

// errNotRunning says that there is no capture to be changed.
var errNotRunning = errors.New("the probe is starting or ending")

// order is a new target on its way to Run.
type order struct {
	target *target
	reply  chan Changes
}

// Interfaces are the settings of the interfaces that are captured or to be captured.
func (a *Agent) Interfaces() map[string]InterfaceSettings {
	t := a.target.Load()
	list := map[string]InterfaceSettings{}
	for name := range t.settings {
		list[name] = t.of(name)
	}
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	for name := range a.meters {
		list[name] = t.of(name)
	}
	return list
}

// SetInterfaces captures these interfaces and no others, until Reload or a restart. Interfaces whose settings stay are
// left alone, so that the same settings again change nothing. Everything seen on the others is stored.
func (a *Agent) SetInterfaces(ctx context.Context, settings map[string]InterfaceSettings) (Changes, error) {
	t := &target{capture: a.cfg.Capture, settings: maps.Clone(settings)}
	t.capture.Interfaces, t.capture.Exclude = slices.Sorted(maps.Keys(settings)), nil
	return a.apply(ctx, t)
}

// Reload reads the configuration again and captures what it says.
func (a *Agent) Reload(ctx context.Context) (Changes, error) {
	c := a.cfg.Capture
	if a.deps.Reload != nil {
		var err error
		if c, err = a.deps.Reload(); err != nil {
			return Changes{}, err
		}
	}
	return a.apply(ctx, &target{capture: c})
}

// apply hands a target to Run, which owns the meters, and waits for what came of it.
func (a *Agent) apply(ctx context.Context, t *target) (Changes, error) {
	o := order{t, make(chan Changes, 1)}
	select {
	case a.orders <- o:
	case <-a.ended:
		return Changes{}, errNotRunning
	case <-ctx.Done():
		return Changes{}, fmt.Errorf("change the interfaces: %w", ctx.Err())
	}
	return <-o.reply, nil // Run answers every order that it takes
}

// retarget is apply's half in Run.
func (a *Agent) retarget(ctx context.Context, running *sync.WaitGroup, t *target) Changes {
	old := a.target.Load()
	matched, named, err := a.wanted(t)
	var c Changes
	if err != nil {
		for _, name := range t.capture.Interfaces {
			c.Enabled = append(c.Enabled, Change{name, err})
		}
		return c
	}
	before := a.runningNow()
	var stopping []string
	for _, name := range before {
		if !slices.Contains(matched, name) || old.live(name) != t.live(name) {
			stopping = append(stopping, name)
		}
	}
	a.stopMeters(stopping)
	a.target.Store(t)
	if err := a.start(ctx, running, false); err != nil {
		a.deps.Logger.Warn("interfaces were not looked for", "error", err)
	}
	for _, name := range named {
		switch change := (Change{name, a.notRunning(name)}); {
		case !slices.Contains(before, name):
			c.Enabled = append(c.Enabled, change)
		case slices.Contains(stopping, name):
			c.Updated = append(c.Updated, change)
		}
	}
	for _, name := range stopping {
		if !slices.Contains(named, name) {
			c.Disabled = append(c.Disabled, Change{Name: name})
		}
	}
	a.drop(c.Disabled)
	a.deps.Logger.Info("interfaces changed", "enabled", len(c.Enabled), "updated", len(c.Updated), "disabled", len(c.Disabled))
	return c
}

// wanted lists the interfaces that exist and match the target, and these with those that it names and do not exist.
func (a *Agent) wanted(t *target) (matched, named []string, err error) {
	existing, err := a.deps.List()
	if err != nil {
		return nil, nil, fmt.Errorf("list interfaces: %w", err)
	}
	matched, unmatched, err := capture.Match(t.capture.Interfaces, t.capture.Exclude, existing)
	if err != nil {
		return nil, nil, err
	}
	named = slices.Concat(matched, a.unmatched(unmatched, existing))
	slices.Sort(named)
	return matched, slices.Compact(named), nil
}

func (a *Agent) runningNow() (names []string) {
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	for name, m := range a.meters {
		if m.err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// notRunning is why an interface is not captured; nil if it is.
func (a *Agent) notRunning(name string) error {
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	if m := a.meters[name]; m != nil {
		return m.err
	}
	return capture.ErrNoInterface
}

// stopMeters ends meters, all at once, and returns when they have brought home what they saw.
func (a *Agent) stopMeters(names []string) {
	var stopped []chan struct{}
	a.mutex.RLock()
	for _, name := range names {
		m := a.meters[name]
		m.stop()
		stopped = append(stopped, m.done)
	}
	a.mutex.RUnlock()
	for _, done := range stopped {
		<-done
	}
}

// drop forgets interfaces that are not to be captured any more, unless the store has yet to take some of their
// intervals.
func (a *Agent) drop(list []Change) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for _, c := range list {
		if m := a.meters[c.Name]; m != nil && m.state().Waiting == 0 {
			delete(a.meters, c.Name)
		}
	}
}
