package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/meter"
)

// forgetAfter is how long an interface that does not exist any more stays in status and metrics, so that a host whose
// interfaces come and go under new names does not collect them for ever. Its stored flows stay.
const forgetAfter = time.Hour

// metered is an interface that is to be captured, and the last meter that ran on it.
type metered struct {
	meter *meter.Meter // nil: it could not be captured yet
	past  totals       // of the meters before it
	err   error        // why it does not run now; nil while it does
	gone  time.Time    // since when it does not run; zero while it does
}

// state of the meter; zero where none ran yet.
func (m *metered) state() meter.Status {
	if m.meter == nil {
		return meter.Status{}
	}
	s := m.meter.Status()
	if !s.Running {
		s.Flows = 0 // its table is gone
	}
	return s
}

// Run captures until ctx ends; then all meters bring home what they saw. An interface that the configuration names
// and that cannot be captured at the start is an error; later it is looked for again, every Rescan.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { a.store.Run(ctx) })
	if err := a.start(ctx, &running, true); err != nil {
		return err
	}
	ticker := time.NewTicker(a.cfg.Capture.Rescan)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			running.Wait()
			return a.lost()
		case <-ticker.C:
			// Later on nothing is fatal: what cannot be opened now is tried again.
			if err := a.start(ctx, &running, false); err != nil {
				a.deps.Logger.Warn("interfaces were not looked for", "error", err)
			}
		}
	}
}

// lost is the error of the meters that could not store everything.
func (a *Agent) lost() error {
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	var faults []error
	for name, m := range a.meters {
		if m.err != nil && m.state().Waiting > 0 {
			faults = append(faults, fmt.Errorf("interface %s: %w", name, m.err))
		}
	}
	return errors.Join(faults...)
}

// start opens every interface that is to be captured and is not yet. With first, a fault of a named interface ends
// the start, before anything runs.
func (a *Agent) start(ctx context.Context, running *sync.WaitGroup, first bool) error {
	existing, err := a.deps.List()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	matched, unmatched, err := capture.Match(a.cfg.Capture.Interfaces, a.cfg.Capture.Exclude, existing)
	if err != nil {
		return fmt.Errorf("capture.interfaces: %w", err)
	}
	if first {
		matched = append(matched, a.unmatched(unmatched, existing)...)
	}
	a.forget(existing)
	sources, err := a.open(matched, first)
	if err != nil {
		return err
	}
	for _, name := range matched {
		if source := sources[name]; source != nil {
			if err := a.run(ctx, name, source, running); err != nil {
				return err
			}
		}
	}
	return nil
}

// unmatched returns the plain names among patterns that no interface matches: opening them says what is wrong. That
// nothing matches a glob yet is worth a line in the log.
func (a *Agent) unmatched(patterns, existing []string) (names []string) {
	for _, pattern := range patterns {
		if pattern != capture.Any && !strings.ContainsAny(pattern, "*?[/") {
			names = append(names, pattern)
		} else {
			a.deps.Logger.Warn("no interface matches yet", "pattern", pattern, "existing", strings.Join(existing, ","))
		}
	}
	return names
}

// open opens the interfaces that are not captured yet; with first, all that have to be there or none.
func (a *Agent) open(names []string, first bool) (map[string]capture.Source, error) {
	sources := map[string]capture.Source{}
	for _, name := range names {
		if a.isRunning(name) {
			continue
		}
		source, err := a.deps.Open(capture.LiveConfig{Interface: name, Backend: a.cfg.Capture.Backend,
			Promiscuous: a.cfg.Capture.Promiscuous, BlockSize: a.cfg.Capture.BlockSize, Blocks: a.cfg.Capture.Blocks})
		switch {
		case err == nil:
			sources[name] = source
		case first && (slices.Contains(a.cfg.Capture.Interfaces, name) || errors.Is(err, capture.ErrNoPermission)):
			for _, s := range sources {
				_ = s.Close() // nothing was read yet
			}
			return nil, err
		default:
			a.absent(name, err)
		}
	}
	return sources, nil
}

func (a *Agent) isRunning(name string) bool {
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	m, ok := a.meters[name]
	return ok && m.err == nil
}

// absent notes, and logs once for each reason, that an interface cannot be captured now.
func (a *Agent) absent(name string, err error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	m := a.meters[name]
	if m == nil {
		m = &metered{gone: a.deps.Now()}
		a.meters[name] = m
	}
	if m.err == nil || m.err.Error() != err.Error() {
		a.deps.Logger.Warn("interface is not captured now", "interface", name, "error", err)
	}
	m.err = err
}

// forget drops interfaces that have been gone for long, unless the configuration names them or the store has yet to
// take some of their intervals.
func (a *Agent) forget(existing []string) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for name, m := range a.meters {
		gone := m.err != nil && a.deps.Now().Sub(m.gone) >= forgetAfter
		if gone && !slices.Contains(existing, name) && !slices.Contains(a.cfg.Capture.Interfaces, name) && m.state().Waiting == 0 {
			delete(a.meters, name)
		}
	}
}

func (a *Agent) run(ctx context.Context, name string, source capture.Source, running *sync.WaitGroup) error {
	cfg := a.cfg.Meter
	cfg.Interface, cfg.CheckpointDir = name, a.checkpointDir()
	a.mutex.Lock()
	defer a.mutex.Unlock()
	made, err := meter.New(cfg, meter.Deps{Source: source, Sink: a.store, Boot: a.nextBoot(), Now: a.deps.Now, Logger: a.deps.Logger})
	if err != nil {
		return errors.Join(err, source.Close())
	}
	m := a.meters[name]
	if m == nil {
		m = &metered{}
		a.meters[name] = m
	}
	m.past.add(m.state())
	m.meter, m.err, m.gone = made, nil, time.Time{}
	a.deps.Logger.Info("capturing", "interface", name)
	running.Go(func() { a.ended(m, name, made.Run(ctx)) })
	return nil
}

// nextBoot is the identity of the next meter's run. Each meter counts its sequence from the start, so one that follows
// another on the same interface has to be another run. a.mutex is held.
func (a *Agent) nextBoot() [16]byte {
	boot := a.boot
	a.runs++
	// The half that names its checkpoints, too.
	binary.LittleEndian.PutUint64(boot[:8], binary.LittleEndian.Uint64(boot[:8])+a.runs)
	return boot
}

// errStopped stands for an orderly end.
var errStopped = errors.New("capture has stopped")

func (a *Agent) ended(m *metered, name string, err error) {
	if err == nil {
		err = errStopped
	} else {
		a.deps.Logger.Warn("capture ended, will be tried again", "interface", name, "error", err)
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	m.err, m.gone = err, a.deps.Now()
}
