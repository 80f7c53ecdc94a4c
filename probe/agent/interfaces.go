package agent

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/checkpoint"
	"github.com/weirflow/weir/probe/meter"
	"github.com/weirflow/weir/probe/table"
	"github.com/weirflow/weir/probe/vfs"
)

// forgetAfter is how long an interface that does not exist any more stays in status and metrics, so that a host whose
// interfaces come and go under new names does not collect them for ever. Its stored flows stay.
const forgetAfter = time.Hour

// metered is an interface that is to be captured, and the last meters that ran on it.
type metered struct {
	config  InterfaceSettings
	meters  []*meter.Meter    // one for each worker; none: it could not be captured yet
	past    map[string]totals // of the meters before them, of the interface and of those derived from it
	err     error             // why it does not run now; nil while it does
	gone    time.Time         // since when it does not run; zero while it does
	running *running          // what it belongs to
	stop    context.CancelFunc
	ended   chan struct{} // closed when the last meters have ended
}

// states of the meters, by interface: the captured one, and those derived from it.
func (m *metered) states(name string) map[string]meter.Status {
	all := map[string]meter.Status{name: {Interface: name, RingFill: -1}}
	for _, of := range m.meters {
		for _, s := range of.Statuses() {
			if !s.Running {
				s.Flows, s.Memory = 0, 0 // its table is gone
			}
			if before, ok := all[s.Interface]; ok && !before.Started.IsZero() {
				s = together(before, s)
			}
			all[s.Interface] = s
		}
	}
	return all
}

// together is the status of an interface that two workers share.
func together(a, b meter.Status) meter.Status {
	a.Running = a.Running || b.Running
	a.Total.Add(b.Total)
	a.Current.Add(b.Current)
	a.Flows, a.Memory, a.Folded = a.Flows+b.Flows, a.Memory+b.Memory, a.Folded+b.Folded
	a.Link = cmp.Or(a.Link, b.Link)
	a.Unassigned, a.Frozen, a.RingFill = a.Unassigned+b.Unassigned, a.Frozen+b.Frozen, max(a.RingFill, b.RingFill)
	a.Stored, a.Waiting, a.Condensed, a.SinkFailures = a.Stored+b.Stored, a.Waiting+b.Waiting, a.Condensed+b.Condensed, a.SinkFailures+b.SinkFailures
	a.SinkError = cmp.Or(a.SinkError, b.SinkError)
	if b.LastWrite.After(a.LastWrite) {
		a.LastWrite = b.LastWrite
	}
	c := &a.Checkpoint
	c.Bytes, c.Failures, c.Period = c.Bytes+b.Checkpoint.Bytes, c.Failures+b.Checkpoint.Failures, max(c.Period, b.Checkpoint.Period)
	c.Error = cmp.Or(c.Error, b.Checkpoint.Error)
	if b.Checkpoint.Last.Before(c.Last) {
		c.Last = b.Checkpoint.Last
	}
	return a
}

// running is what Run has.
type running struct {
	ctx    context.Context //nolint:containedctx // captures that are started later end with it, too
	meters sync.WaitGroup
}

// settle is how long to wait after the kernel said that interfaces changed: it says so several times.
const settle = 50 * time.Millisecond

// Run captures until ctx ends; then all meters bring home what they saw. An interface that the configuration names
// and that cannot be captured at the start is an error; later it is looked for again, every Rescan and when the kernel
// says that interfaces have changed.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	r := &running{ctx: ctx}
	defer r.meters.Wait()
	defer cancel()
	defer a.notRunningAnyMore()
	changed := make(chan struct{}, 1)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() { a.deps.Watch(ctx, changed) })
	watching.Go(func() { a.store.Run(ctx) })
	if err := a.begin(r); err != nil {
		return err
	}
	ticker := time.NewTicker(a.cfg.Capture.Rescan)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			a.notRunningAnyMore()
			r.meters.Wait()
			return a.lost()
		case <-changed:
			pause(ctx, settle)
		case <-ticker.C:
		}
		a.look()
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (a *Agent) notRunningAnyMore() {
	a.turn.Lock()
	defer a.turn.Unlock()
	a.running = nil
}

// lost is the error of the meters that could not store everything.
func (a *Agent) lost() error {
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	var faults []error
	for name, m := range a.meters {
		if m.err != nil && m.states(name)[name].Waiting > 0 {
			faults = append(faults, fmt.Errorf("interface %s: %w", name, m.err))
		}
	}
	return errors.Join(faults...)
}

// adjust starts and stops captures so that what is wanted is captured, and leaves alone what is captured as it should
// be. With first, a fault of a named interface ends it, before anything runs. It says what is wanted, whether or not it
// exists, and which captures it has stopped. a.turn is held.
func (a *Agent) adjust(first bool) (all map[string]InterfaceSettings, stopped []string, err error) {
	existing, err := a.deps.List()
	if err != nil {
		return nil, nil, fmt.Errorf("list interfaces: %w", err)
	}
	all, unmatched, err := a.want(existing)
	if err != nil {
		return nil, nil, err
	}
	stopped = a.end(all, existing)
	a.vanished(existing)
	a.forget(existing)
	there := maps.Clone(all)
	for _, name := range a.unmatched(unmatched, existing, first) {
		all[name] = a.wanted.of(name)
	}
	if first { // opening what is not there says what is wrong
		there = all
	}
	sources, err := a.open(there, first)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if err := a.run(name, all[name], sources[name]); err != nil {
			return nil, nil, err
		}
	}
	return all, stopped, nil
}

// look is adjust later on, when nothing is fatal: what cannot be opened now is tried again.
func (a *Agent) look() {
	a.turn.Lock()
	defer a.turn.Unlock()
	if a.running == nil || a.running.ctx.Err() != nil {
		return
	}
	if _, _, err := a.adjust(false); err != nil {
		a.deps.Logger.Warn("interfaces were not looked for", "error", err)
	}
}

// begin is adjust at the start.
func (a *Agent) begin(r *running) error {
	a.turn.Lock()
	defer a.turn.Unlock()
	a.running = r
	_, _, err := a.adjust(true)
	return err
}

func (a *Agent) want(existing []string) (map[string]InterfaceSettings, []string, error) {
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	return a.wanted.interfaces(existing)
}

// end ends the captures that are not wanted any more, or not in this way, and waits until all they saw is stored.
func (a *Agent) end(all map[string]InterfaceSettings, existing []string) (names []string) {
	var ending []*metered
	a.mutex.Lock()
	for name, m := range a.meters {
		config, wanted := all[name]
		switch {
		case m.err != nil, !wanted && !slices.Contains(existing, name):
			continue // its capture has ended, or is about to end by itself
		case wanted && config.equal(m.config):
			continue
		}
		names = append(names, name)
		m.stop()
		ending = append(ending, m)
	}
	a.mutex.Unlock()
	for _, m := range ending {
		<-m.ended
	}
	slices.Sort(names)
	return names
}

// unmatched returns the plain names among patterns that no interface matches: opening them says what is wrong. That
// nothing matches a glob yet is worth a line in the log, the first time.
func (a *Agent) unmatched(patterns, existing []string, first bool) (names []string) {
	for _, pattern := range patterns {
		if pattern != capture.Any && !strings.ContainsAny(pattern, "*?[/") {
			names = append(names, pattern)
		} else if first {
			a.deps.Logger.Warn("no interface matches yet", "pattern", pattern, "existing", strings.Join(existing, ","))
		}
	}
	return names
}

// open opens the interfaces that are not captured yet; with first, all that have to be there or none.
func (a *Agent) open(all map[string]InterfaceSettings, first bool) (map[string][]capture.Source, error) {
	sources := map[string][]capture.Source{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if a.isRunning(name) {
			continue
		}
		c := all[name]
		opened, err := a.deps.Open(capture.LiveConfig{Interface: name, Backend: a.cfg.Capture.Backend,
			Promiscuous: c.Promiscuous, BlockSize: c.BlockSize, Blocks: a.wanted.capture.blocks(c, all), Filter: c.filter(), BPF: c.BPF}, max(c.Fanout, 1))
		switch {
		case err == nil:
			sources[name] = opened
		case first && (a.wanted.names(name) || errors.Is(err, capture.ErrNoPermission)):
			for _, s := range sources {
				closeAll(s)
			}
			return nil, err
		default:
			a.absent(name, err)
		}
	}
	return sources, nil
}

// open opens an interface with one ring or several.
func open(cfg capture.LiveConfig, rings int) ([]capture.Source, error) {
	if rings > 1 {
		return capture.OpenGroup(cfg, rings)
	}
	source, err := capture.OpenLive(cfg)
	if err != nil {
		return nil, err
	}
	return []capture.Source{source}, nil
}

// closeAll closes sources of which nothing was read.
func closeAll(sources []capture.Source) {
	for _, s := range sources {
		_ = s.Close()
	}
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
		m = &metered{gone: a.deps.Now(), past: map[string]totals{}}
		a.meters[name] = m
	}
	if m.err == nil || m.err.Error() != err.Error() {
		a.deps.Logger.Warn("interface is not captured now", "interface", name, "error", err)
	}
	m.err = err
}

// vanished notes of interfaces that were down, so that their capture had ended, that they do not exist any more.
func (a *Agent) vanished(existing []string) {
	var names []string
	a.mutex.RLock()
	for name, m := range a.meters {
		if errors.Is(m.err, capture.ErrInterfaceDown) && !slices.Contains(existing, name) {
			names = append(names, name)
		}
	}
	a.mutex.RUnlock()
	for _, name := range names {
		a.absent(name, fmt.Errorf("capture on %s: %w any more", name, capture.ErrNoInterface))
	}
}

// forget drops interfaces that have been gone for long, unless the configuration names them or the store has yet to
// take some of their intervals.
func (a *Agent) forget(existing []string) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for name, m := range a.meters {
		gone := m.err != nil && a.deps.Now().Sub(m.gone) >= forgetAfter
		absent := !slices.Contains(existing, name) && !a.wanted.names(name) || errors.Is(m.err, errDisabled)
		if gone && absent && m.states(name)[name].Waiting == 0 {
			delete(a.meters, name)
		}
	}
}

// run starts the meters of an interface, one for each source.
func (a *Agent) run(name string, c InterfaceSettings, sources []capture.Source) error {
	left := a.takeLeft(name)
	a.mutex.Lock()
	defer a.mutex.Unlock()
	cfg := a.cfg.Meter
	cfg.Interface, cfg.CheckpointDir = name, a.checkpointDir()
	cfg.VLAN, cfg.Tunnels, cfg.Derived = meter.VLAN{Mode: c.VLAN, IDs: c.VLANs}, c.Tunnels, a.wanted.capture.Derived
	cfg.Workers = len(sources)
	cfg.Table.Memory = max(cfg.Table.Memory/int64(len(sources)), table.LeastMemory)
	deps := meter.Deps{Sink: a.store, Left: left, Now: a.deps.Now, Logger: a.deps.Logger}
	if cfg.Workers > 1 {
		deps.Group = meter.NewGroup(cfg.Workers, a.deps.Now)
	}
	var made []*meter.Meter
	for worker, source := range sources {
		cfg.Worker, deps.Source, deps.Boot = worker, source, a.nextBoot()
		one, err := meter.New(cfg, deps)
		if err != nil {
			closeAll(sources)
			return err
		}
		made = append(made, one)
	}
	m := a.meters[name]
	if m == nil {
		m = &metered{past: map[string]totals{}}
		a.meters[name] = m
	}
	for of, s := range m.states(name) {
		past := m.past[of]
		past.add(s)
		m.past[of] = past
	}
	ctx, stop := context.WithCancel(a.running.ctx)
	m.config, m.meters, m.err, m.gone, m.running, m.stop, m.ended = c, made, nil, time.Time{}, a.running, stop, make(chan struct{})
	a.deps.Logger.Info("capturing", "interface", name, "fanout", len(made), "vlan", c.VLAN, "tunnels", c.Tunnels)
	a.running.meters.Go(func() { a.meterAll(ctx, m, name) })
	return nil
}

// meterAll runs the meters of an interface until its context or one of them ends.
func (a *Agent) meterAll(ctx context.Context, m *metered, name string) {
	defer m.stop()
	faults := make([]error, len(m.meters))
	var workers sync.WaitGroup
	for i, one := range m.meters {
		workers.Go(func() {
			faults[i] = one.Run(ctx)
			m.stop()
		})
	}
	workers.Wait()
	a.hasEnded(m, name, errors.Join(faults...))
}

// takeLeft takes what earlier meters of an interface have left: of those of an earlier run of the probe, and of those
// that have ended since.
func (a *Agent) takeLeft(name string) []checkpoint.Unfinished {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if m := a.meters[name]; m != nil && len(m.meters) > 0 {
		for of := range m.states(name) {
			if err := checkpoint.RecoverInterface(vfs.OS{}, a.checkpointDir(), of, a.recovered); err != nil {
				a.deps.Logger.Error("recover checkpoints: what is named stays on disk", "error", err)
			}
		}
	}
	left := a.left[name]
	delete(a.left, name)
	return left
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

// What stands for an end that is no fault.
var (
	errStopped  = errors.New("capture has stopped")
	errDisabled = errors.New("the configuration does not ask for it any more")
)

func (a *Agent) hasEnded(m *metered, name string, err error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	switch {
	case err != nil:
		a.deps.Logger.Warn("capture ended, will be tried again", "interface", name, "error", err)
	case m.running.ctx.Err() == nil:
		err = errDisabled
	default:
		err = errStopped
	}
	m.err, m.gone = err, a.deps.Now()
	close(m.ended)
}
