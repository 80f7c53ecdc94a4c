// Package meter is the metering loop of one interface: it reads frames from a source, decodes them, adds them to the
// flow table, and brings the table's rows to the store at the end of every interval. It is floor 3, above capture,
// packet, table and checkpoint; whoever assembles the probe gives it a Source and a Sink.
//
// Invariants:
//   - Every frame the source hands over is metered or counted by the reason why not: in each interval
//     Received = Metered + the sum of Issues, and the packets of its rows add up to Metered.
//   - Intervals end at multiples of their length in Unix time and are stamped with that end (clock.go says what
//     happens when the clock steps or the machine sleeps). Each has the next sequence; none is lost or doubled.
//   - Reading never waits for long: the end of an interval, a live view and a checkpoint are passes over the table in steps
//     of bounded size between batches (one that is still under way when the next is due is completed at once), and
//     everything that sorts, encodes or writes runs in other goroutines.
//   - Memory is bounded while the sink fails: the oldest intervals that wait are reduced to sums by protocol, which
//     is counted, logged and in Status.
//   - When Run returns, everything seen is in the sink, or its error says what is not.
//
// One goroutine owns source and table; other goroutines ask it through Live and Unstored. Status, Live and Unstored
// may be called by any goroutine at any time; they change nothing.
package meter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/checkpoint"
	"github.com/weirflow/weir/probe/table"
	"github.com/weirflow/weir/probe/vfs"
)

// Sink takes finished intervals. Append returns when they are durable; it keeps nothing of records and does not
// change them. The same boot and sequence may come again after an error.
type Sink interface {
	Append(ctx context.Context, iface string, interval flow.Interval, records []flow.Record) error
}

// Deps are what a meter works with.
type Deps struct {
	Source capture.Source // closed by Run
	Sink   Sink
	// Files holds the checkpoints; nil: the operating system's.
	Files vfs.FS
	// Left is what the run before has left in its checkpoints: attempts to connect that were open go on.
	Left []checkpoint.Unfinished
	// Group is that of the interface's workers; nil: this is the only one.
	Group *Group
	// Boot identifies this run of the probe.
	Boot [16]byte
	// Now is the wall clock; nil: time.Now. Lengths of time are always measured by the monotonic clock.
	Now    func() time.Time
	Logger *slog.Logger // nil: no log
}

// ErrStopped is what Live gives when there is no current interval any more.
var ErrStopped = errors.New("meter has stopped")

// Meter meters one interface.
type Meter struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	writer  *writer
	keeper  *keeper // nil: no checkpoints
	stopped chan struct{}

	mu       sync.Mutex
	shown    shown
	requests []chan view
	ran      bool
}

// Block is an interval that is not in the store yet. Its records are ordered by flow.Key.Compare, each key once;
// they may be shared and must not be changed.
type Block struct {
	Interface string
	Interval  flow.Interval
	Records   []flow.Record
	rows      func() []flow.Record // makes Records, in the goroutine that needs them
}

// blockOf makes a block whose rows are made once, by whoever asks first.
func blockOf(iface string, interval flow.Interval, picture *table.Picture) Block {
	return Block{Interface: iface, Interval: interval, rows: sync.OnceValue(func() []flow.Record { return picture.Rows(nil) })}
}

// view is the current interval of all lanes, by name.
type view map[string]Block

// New makes a meter; it does nothing before Run.
func New(cfg Config, deps Deps) (*Meter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Interface == "" || deps.Source == nil || deps.Sink == nil {
		return nil, errors.New("meter needs an interface, a source and a sink")
	}
	if g := deps.Group; g != nil && (len(g.desks) != cfg.Workers || cfg.Worker < 0 || cfg.Worker >= cfg.Workers) {
		return nil, fmt.Errorf("worker %d of %d is not of a group of %d", cfg.Worker, cfg.Workers, len(g.desks))
	}
	if deps.Files == nil {
		deps.Files = vfs.OS{}
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Meter{cfg: cfg, deps: deps, stopped: make(chan struct{})}
	m.log = deps.Logger.With("component", "meter", "interface", cfg.Interface)
	m.writer = newWriter(m)
	if cfg.Checkpoint > 0 && cfg.CheckpointDir != "" && !cfg.Trace {
		m.keeper = newKeeper(m)
	}
	return m, nil
}

// Run meters until ctx is cancelled, the trace ends or the source fails; then it brings what was seen to the sink,
// closes the source and returns. The error is nil after a cancellation and at the end of a trace; it wraps that of
// the source otherwise, and that of the sink if intervals could not be stored. It may be called once.
func (m *Meter) Run(ctx context.Context) error {
	m.mu.Lock()
	if m.ran {
		m.mu.Unlock()
		return errors.New("meter ran already")
	}
	m.ran = true
	m.mu.Unlock()
	defer func() {
		if err := m.deps.Source.Close(); err != nil {
			m.log.Warn("source was not closed cleanly", "error", err)
		}
	}()
	if m.cfg.Trace {
		return m.runTrace(ctx)
	}
	return m.runLive(ctx)
}

func (m *Meter) runLive(ctx context.Context) error {
	var helpers sync.WaitGroup
	var unsaved error
	helpers.Go(func() { unsaved = m.writer.run(context.WithoutCancel(ctx)) })
	if m.keeper != nil {
		helpers.Go(m.keeper.run)
	}
	stop := context.AfterFunc(ctx, m.deps.Source.Wake)
	err := newLoop(m).run(ctx)
	stop()
	close(m.stopped)
	m.writer.finish()
	helpers.Wait()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, unsaved)
}

// Live returns the interval that is being counted, as it is now: End is when it is going to end, Duration what of
// it has passed. The records are shared and must not be changed.
func (m *Meter) Live(ctx context.Context) (flow.Interval, []flow.Record, error) {
	shown, err := m.live(ctx)
	if err != nil {
		return flow.Interval{}, nil, err
	}
	block := shown[m.cfg.Interface]
	return block.Interval, block.rows(), nil
}

func (m *Meter) live(ctx context.Context) (view, error) {
	answer := make(chan view, 1)
	m.putBack([]chan view{answer})
	m.deps.Source.Wake()
	select {
	case shown := <-answer:
		return shown, nil
	case <-m.stopped:
		return nil, ErrStopped
	case <-ctx.Done():
		return nil, fmt.Errorf("live view of %s: %w", m.cfg.Interface, context.Cause(ctx))
	}
}

// Interfaces lists the interface and those that are derived from it and known at present.
func (m *Meter) Interfaces() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := []string{m.cfg.Interface}
	for i, n := range m.shown.lanes {
		if i > 0 {
			names = append(names, n.name)
		}
	}
	return names
}

// Unstored returns every interval of an interface that the sink has not acknowledged, oldest first, the current one
// last. An interval may be in the sink by the time the caller looks there: it has the same boot and sequence.
func (m *Meter) Unstored(ctx context.Context, iface string) ([]Block, error) {
	shown, err := m.live(ctx) // first: what ends in between is then among those that wait
	if err != nil && !errors.Is(err, ErrStopped) {
		return nil, err
	}
	current, counted := shown[iface]
	blocks := m.writer.blocks(iface)
	for i := range blocks {
		if blocks[i].Interval.Sequence == current.Interval.Sequence {
			counted = false // the current one has ended: this is all of it
		}
	}
	if counted {
		blocks = append(blocks, current)
	}
	for i := range blocks {
		blocks[i].Records = blocks[i].rows()
	}
	return blocks, nil
}

// takeRequests returns those who wait for a live view.
func (m *Meter) takeRequests() []chan view {
	m.mu.Lock()
	defer m.mu.Unlock()
	requests := m.requests
	m.requests = nil
	return requests
}

// putBack lets requests wait.
func (m *Meter) putBack(requests []chan view) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests = append(m.requests, requests...)
}

// answer sends a view to those who asked for it.
func answer(requests []chan view, shown view) {
	for _, r := range requests {
		r <- shown
	}
}
