package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/meter"
)

// metered is an interface and the last meter that ran on it.
type metered struct {
	meter *meter.Meter
	past  flow.Accounting // of the meters before it
	err   error           // why it does not run now; nil while it does
	runs  uint64          // how often capture was started on the interface
	gone  time.Time       // since when it does not run; zero while it does
}

// Run captures until ctx ends; then all meters bring home what they saw. An interface that the configuration names
// and that cannot be captured at the start is an error; later it is looked for again, every Rescan.
func (a *Agent) Run(ctx context.Context) error {
	var running sync.WaitGroup
	ended := make(chan string, 16)
	if err := a.start(ctx, &running, ended, true); err != nil {
		return err
	}
	ticker := time.NewTicker(a.cfg.Capture.Rescan)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			running.Wait()
			return a.lost()
		case <-ended:
		case <-ticker.C:
			// Later on nothing is fatal: what cannot be opened now is tried again.
			_ = a.start(ctx, &running, ended, false)
		}
	}
}

// lost is the error of the meters that could not store everything.
func (a *Agent) lost() error {
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	var faults []error
	for name, m := range a.meters {
		if m.err != nil && m.meter.Status().Waiting > 0 {
			faults = append(faults, fmt.Errorf("interface %s: %w", name, m.err))
		}
	}
	return errors.Join(faults...)
}

// start opens every interface that is to be captured and is not yet. With first, a fault of a named interface ends
// the start, before anything runs.
func (a *Agent) start(ctx context.Context, running *sync.WaitGroup, ended chan<- string, first bool) error {
	existing, err := a.deps.List()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	matched, unmatched, err := capture.Match(a.cfg.Capture.Interfaces, a.cfg.Capture.Exclude, existing)
	if err != nil {
		return fmt.Errorf("capture.interfaces: %w", err)
	}
	if first {
		for _, pattern := range unmatched {
			if named(pattern) {
				matched = append(matched, pattern) // opening it says what is wrong
			} else {
				a.deps.Logger.Warn("no interface matches yet", "pattern", pattern, "existing", strings.Join(existing, ","))
			}
		}
	}
	sources := map[string]capture.Source{}
	for _, name := range matched {
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
			return err
		default:
			a.absent(name, err)
		}
	}
	for name, source := range sources {
		if err := a.run(ctx, name, source, running, ended); err != nil {
			return err
		}
	}
	return nil
}

// named says whether a pattern is the plain name of one interface.
func named(pattern string) bool {
	return pattern != capture.Any && !strings.ContainsAny(pattern, "*?[/")
}

func (a *Agent) isRunning(name string) bool {
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	m, ok := a.meters[name]
	return ok && m.err == nil
}

// absent notes, once for each reason, that an interface cannot be captured now.
func (a *Agent) absent(name string, err error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	m, known := a.meters[name]
	if known && m.err != nil && m.err.Error() == err.Error() {
		return
	}
	a.deps.Logger.Warn("interface is not captured now", "iface", name, "error", err)
	if known {
		m.err = err
	}
}

func (a *Agent) run(ctx context.Context, name string, source capture.Source, running *sync.WaitGroup, ended chan<- string) error {
	cfg := a.cfg.Meter
	cfg.Interface, cfg.CheckpointDir = name, a.checkpointDir()
	boot := a.boot
	a.mutex.Lock()
	defer a.mutex.Unlock()
	m := a.meters[name]
	if m == nil {
		m = &metered{}
		a.meters[name] = m
	} else {
		m.past.Add(m.meter.Status().Total)
	}
	m.runs++
	// Each meter counts its sequence from the start: one that follows another on the same interface is another run.
	boot[15] ^= byte(m.runs)
	boot[14] ^= byte(m.runs >> 8)
	made, err := meter.New(cfg, meter.Deps{Source: source, Sink: a.store, Boot: boot, Now: a.deps.Now,
		Logger: a.deps.Logger.With("iface", name)})
	if err != nil {
		return errors.Join(err, source.Close())
	}
	m.meter, m.err, m.gone = made, nil, time.Time{}
	a.deps.Logger.Info("capturing", "iface", name)
	running.Go(func() {
		err := made.Run(ctx)
		a.ended(name, err)
		select {
		case ended <- name:
		default: // the next scan sees it
		}
	})
	return nil
}

// errStopped stands for an orderly end.
var errStopped = errors.New("capture has stopped")

func (a *Agent) ended(name string, err error) {
	if err == nil {
		err = errStopped
	} else {
		a.deps.Logger.Warn("capture ended, will be tried again", "iface", name, "error", err)
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	m := a.meters[name]
	m.err, m.gone = err, a.deps.Now()
}
