package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weirflow/weir/probe/capture"
)

// Change is what became of one interface after the settings changed; Err says why it is not captured as it should be.
type Change struct {
	Name string
	Err  error
}

// Changes lists the interfaces that are captured now and were not, those that are captured anew with other settings,
// and those that are not captured any more; each sorted by name.
type Changes struct{ Enabled, Updated, Disabled []Change }

// errNotRunning says that there is no capture to be changed.
var errNotRunning = errors.New("the probe is starting or ending")

// Interfaces are the settings of the interfaces that are captured or to be captured.
func (a *Agent) Interfaces() map[string]InterfaceSettings {
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	list := map[string]InterfaceSettings{}
	for name, m := range a.meters {
		if list[name] = m.config; m.err != nil {
			list[name] = a.wanted.of(name)
		}
	}
	for name := range a.wanted.named {
		list[name] = a.wanted.of(name)
	}
	return list
}

// SetInterfaces captures these interfaces and no others, until Reload or a restart. Interfaces whose settings stay are
// left alone, so that the same settings again change nothing. Everything seen on the others is stored.
func (a *Agent) SetInterfaces(ctx context.Context, settings map[string]InterfaceSettings) (Changes, error) {
	var faults []error
	a.mutex.RLock()
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if err := settings[name].completed(a.wanted.capture.of(name)).Validate(); err != nil {
			faults = append(faults, fmt.Errorf("interface %s: %w", name, err))
		}
	}
	a.mutex.RUnlock()
	if len(faults) > 0 {
		return Changes{}, errors.Join(faults...)
	}
	named := map[string]InterfaceSettings{}
	maps.Copy(named, settings)
	return a.change(ctx, func(w *wanted) { w.named = named })
}

// Reload reads the configuration again and captures what it says. Its other parts hold at the next start.
func (a *Agent) Reload(ctx context.Context) (Changes, error) {
	c := a.cfg.Capture
	if a.deps.Reload != nil {
		var err error
		if c, err = a.deps.Reload(); err == nil {
			err = c.validate()
		}
		if err != nil {
			return Changes{}, err
		}
	}
	return a.change(ctx, func(w *wanted) { w.capture, w.named = c, nil })
}

// change replaces what is wanted, and waits for what comes of it.
func (a *Agent) change(ctx context.Context, replace func(*wanted)) (Changes, error) {
	if err := ctx.Err(); err != nil {
		return Changes{}, fmt.Errorf("change the interfaces: %w", err)
	}
	a.turn.Lock()
	defer a.turn.Unlock()
	if a.running == nil || a.running.ctx.Err() != nil {
		return Changes{}, errNotRunning
	}
	before := a.runningNow()
	a.mutex.Lock()
	replace(&a.wanted)
	a.mutex.Unlock()
	all, stopped, err := a.adjust(false)
	if err != nil {
		return Changes{}, err
	}
	var c Changes
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch change := (Change{name, a.notRunning(name)}); {
		case !slices.Contains(before, name):
			c.Enabled = append(c.Enabled, change)
		case slices.Contains(stopped, name):
			c.Updated = append(c.Updated, change)
		}
	}
	for _, name := range stopped {
		if _, wanted := all[name]; !wanted {
			c.Disabled = append(c.Disabled, Change{Name: name})
		}
	}
	a.drop(c.Disabled)
	a.deps.Logger.Info("interfaces changed", "enabled", len(c.Enabled), "updated", len(c.Updated), "disabled", len(c.Disabled))
	return c, nil
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

// drop forgets interfaces that are not to be captured any more, unless the store has yet to take some of their
// intervals.
func (a *Agent) drop(list []Change) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for _, c := range list {
		if m := a.meters[c.Name]; m != nil && m.states(c.Name)[c.Name].Waiting == 0 {
			delete(a.meters, c.Name)
		}
	}
}
