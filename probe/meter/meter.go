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
	requests []chan Block
	ran      bool
}

// Block is an interval that is not in the store yet. Its records are ordered by flow.Key.Compare, each key once;
// they may be shared and must not be changed.
type Block struct {
	Interval flow.Interval
	Records  []flow.Record
	rows     func() []flow.Record // makes Records, in the goroutine that needs them
}

// New makes a meter; it does nothing before Run.
func New(cfg Config, deps Deps) (*Meter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Interface == "" || deps.Source == nil || deps.Sink == nil {
		return nil, errors.New("meter needs an interface, a source and a sink")
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
// it has passed. The records are the caller's.
func (m *Meter) Live(ctx context.Context) (flow.Interval, []flow.Record, error) {
	block, err := m.live(ctx)
	return block.Interval, block.Records, err
}

func (m *Meter) live(ctx context.Context) (Block, error) {
	answer := make(chan Block, 1)
	m.mu.Lock()
	m.requests = append(m.requests, answer)
	m.mu.Unlock()
	m.deps.Source.Wake()
	select {
	case block := <-answer:
		block.Records = block.rows()
		return block, nil
	case <-m.stopped:
		return Block{}, ErrStopped
	case <-ctx.Done():
		return Block{}, fmt.Errorf("live view of %s: %w", m.cfg.Interface, context.Cause(ctx))
	}
}

// Unstored returns every interval that the sink has not acknowledged, oldest first, the current one last. An
// interval may be in the sink by the time the caller looks there: it has the same boot and sequence.
func (m *Meter) Unstored(ctx context.Context) ([]Block, error) {
	current, err := m.live(ctx) // first: what ends in between is then among those that wait
	if err != nil && !errors.Is(err, ErrStopped) {
		return nil, err
	}
	blocks := m.writer.blocks()
	for i := range blocks {
		if blocks[i].Interval.Sequence == current.Interval.Sequence {
			err = ErrStopped // the current one has ended: this is all of it
		}
		blocks[i].Records = blocks[i].rows()
	}
	if err == nil {
		blocks = append(blocks, current)
	}
	return blocks, nil
}

// takeRequests returns those who wait for a live view.
func (m *Meter) takeRequests() []chan Block {
	m.mu.Lock()
	defer m.mu.Unlock()
	requests := m.requests
	m.requests = nil
	return requests
}

// answer sends a picture to those who asked for it; each makes its own rows, in its own goroutine.
func answer(requests []chan Block, interval flow.Interval, picture *table.Picture) {
	for _, r := range requests {
		r <- Block{Interval: interval, rows: func() []flow.Record { return picture.Rows(nil) }}
	}
}
