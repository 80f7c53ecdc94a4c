package meter

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/weirflow/weir/internal/background"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/table"
)

const (
	firstRetry = time.Second
	lastRetry  = time.Minute
	// lastGrace is how long the sink may go on failing after the loop has ended.
	lastGrace = 10 * time.Second
	// largeBlock is from how many rows on the memory they took goes back to the system: the next ones come in five
	// minutes.
	largeBlock = 100_000
	// niceness is that of what brings intervals to the sink: it gets a tenth of a processor that capture wants too, and
	// all of one that nobody wants.
	niceness = 10
)

// writer brings finished intervals to the sink, in a goroutine of its own. What the sink does not take waits, in
// bounded memory, and is tried again; the others go first, so that one it will never take holds up nobody.
type writer struct {
	meter *Meter
	wake  chan struct{} // there is something to do
	done  chan struct{} // run has returned

	helpers sync.WaitGroup

	mu        sync.Mutex
	queue     []*waiting // oldest first
	rows      int        // conversations or rows in queue
	closed    bool
	shrinking bool // a helper is at it
	stored    uint64
	lastWrite time.Time
	condensed uint64
	failures  uint64
	lastError error
}

// waiting is an interval in the queue.
type waiting struct {
	Block
	size      int // rows, or the conversations they are made of
	tries     int
	writing   bool // the sink is at it
	condensed bool
}

func newWriter(m *Meter) *writer {
	return &writer{meter: m, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// push adds an interval; it never waits.
func (w *writer) push(lane string, interval flow.Interval, picture *table.Picture) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, &waiting{Block: blockOf(lane, interval, picture), size: picture.Len()})
	w.rows += picture.Len()
	if w.rows > w.meter.cfg.WaitingRows && !w.shrinking {
		w.shrinking = true
		w.helpers.Go(w.shrink)
	}
	w.signal()
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run writes until finish was called and nothing waits, or the sink fails for too long after that.
func (w *writer) run(ctx context.Context) error {
	defer close(w.done)
	defer w.helpers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var grace *time.Timer
	retry := time.Duration(0)
	for {
		waiting, closed := w.state()
		if closed && grace == nil {
			grace = time.AfterFunc(lastGrace, cancel)
			defer grace.Stop()
		}
		if waiting == 0 && closed {
			return nil
		}
		var pause <-chan time.Time
		if waiting > 0 {
			if closed {
				retry = min(retry, firstRetry)
			}
			pause = time.After(retry)
		}
		select {
		case <-w.wake:
		case <-pause:
			if retry = w.write(ctx, retry); retry == 0 && grace != nil {
				grace.Reset(lastGrace) // it does not fail, however many wait
			}
		case <-ctx.Done():
			return w.unsaved()
		}
	}
}

// state says how many intervals wait and whether more may come.
func (w *writer) state() (waiting int, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue), w.closed
}

// write tries to store an interval, of those tried least the oldest, so that one the sink never takes holds up nobody.
// It returns how long to wait before the next try, 0 after success.
func (w *writer) write(ctx context.Context, retry time.Duration) time.Duration {
	w.mu.Lock()
	b := slices.MinFunc(w.queue, func(a, b *waiting) int {
		return cmp.Or(cmp.Compare(a.tries, b.tries), cmp.Compare(a.Interval.Sequence, b.Interval.Sequence))
	})
	b.tries++
	b.writing = true
	waited := w.closed // capture has ended, and somebody waits
	w.mu.Unlock()
	var err error
	store := func() { err = w.meter.deps.Sink.Append(ctx, b.Interface, b.Interval, b.rows()) }
	if waited {
		store()
	} else {
		background.Run(niceness, store)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	b.writing = false
	if err != nil {
		return w.failed(err, retry)
	}
	i := slices.Index(w.queue, b)
	w.queue = slices.Delete(w.queue, i, i+1)
	w.rows -= b.size
	w.wrote(&b.Block)
	if b.size > largeBlock {
		w.helpers.Go(giveBack)
	}
	return 0
}

// giveBack lets the runtime return memory to the system. It does so little by little behind a collection, down to what the one
// before found in use: hence two. All at once (debug.FreeOSMemory) would stop capture for hundreds of milliseconds.
func giveBack() {
	runtime.GC()
	runtime.GC()
}

// wrote notes that an interval is in the sink. w.mu is held.
func (w *writer) wrote(b *Block) {
	if w.lastError != nil {
		w.meter.log.Info("intervals are stored again", "waiting", len(w.queue))
	}
	w.stored++
	w.lastWrite, w.lastError = w.meter.deps.Now(), nil
	if w.meter.keeper != nil {
		w.meter.keeper.drop(b.Interface, b.Interval.Sequence)
	}
}

// failed notes why the sink took nothing. w.mu is held.
func (w *writer) failed(err error, retry time.Duration) time.Duration {
	w.failures++
	w.lastError = err
	retry = min(max(2*retry, firstRetry), lastRetry)
	w.meter.log.Error("interval could not be stored", "error", err, "waiting", len(w.queue), "retry", retry)
	return retry
}

// shrink condenses intervals, the oldest first and never the newest, until what waits is within the bound.
func (w *writer) shrink() {
	for {
		w.mu.Lock()
		b := w.oldest()
		if b == nil {
			w.shrinking = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		records := b.rows()
		folded := make([]flow.Record, 0, len(records))
		for _, r := range records {
			key := flow.Key{Family: r.Key.Family, Protocol: r.Key.Protocol}
			folded = append(folded, flow.Record{Key: key, Counters: r.Counters})
		}
		w.condense(b, slices.Clone(table.Merge(folded)))
	}
}

// oldest returns the interval to condense next, nil if there is none or no need. w.mu is held.
func (w *writer) oldest() *waiting {
	if w.rows <= w.meter.cfg.WaitingRows {
		return nil
	}
	for _, b := range w.queue[:len(w.queue)-1] {
		if !b.condensed && !b.writing {
			return b
		}
	}
	return nil
}

// condense replaces the rows of an interval, unless the sink is at it by now.
func (w *writer) condense(b *waiting, rows []flow.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b.writing || !slices.Contains(w.queue, b) {
		return
	}
	w.meter.log.Error("too many rows wait for the store: an interval was reduced to sums by protocol",
		"end", b.Interval.End, "rows", b.size, "kept", len(rows))
	w.rows += len(rows) - b.size
	w.condensed++
	b.rows, b.size, b.condensed = func() []flow.Record { return rows }, len(rows), true
}

// finish says that no more intervals come.
func (w *writer) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.signal()
}

func (w *writer) unsaved() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.lastError
	if err == nil {
		err = fmt.Errorf("one of them takes more than %v", lastGrace)
	}
	return fmt.Errorf("store the last %d intervals of %s: %w", len(w.queue), w.meter.cfg.Interface, err)
}

// blocks returns what waits of an interface, oldest first, without Records.
func (w *writer) blocks(iface string) (blocks []Block) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.queue {
		if b.Interface == iface {
			blocks = append(blocks, b.Block)
		}
	}
	return blocks
}

func (w *writer) status(s *Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Stored, s.LastWrite, s.Waiting = w.stored, w.lastWrite, len(w.queue)
	s.Condensed, s.SinkFailures = w.condensed, w.failures
	if w.lastError != nil {
		s.SinkError = w.lastError.Error()
	}
}
