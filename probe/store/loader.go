package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
	"github.com/weirflow/weir/probe/vfs"
)

const (
	// loadBytes is what a Loader holds in memory: rows of about 25 bytes. Where many are at work, they share loadTotal, but
	// none has less than loadLeast.
	loadBytes = 64 << 20
	loadTotal = 128 << 20
	loadLeast = 4 << 20
	// loadDays is how many days it has at hand.
	loadDays = 8
	// loadIdle is after how many intervals of other days a day is thought to be complete.
	loadIdle = 64
)

// Loader brings much data of one interface into a store, without the fsync of each interval: it collects intervals in
// memory and makes segments of them, beside the Append of what comes next. What Append took is durable when Flush or Close has returned, or not there at all;
// an import that was interrupted is repeated, and leaves out what is in the store by then, as Append of a Store does.
// It is safe for concurrent use; loaders of several interfaces work side by side.
type Loader struct {
	store *Store
	iface string

	mu     sync.Mutex
	days   []*loadDay // appended to last at the end
	held   int        // bytes, those of the segment that is being made included
	most   int
	closed bool
	took   int // intervals
	job    *loadJob
	sorter flow.Sorter
	made   CompactReport // of job while there is one
}

// loadJob is a segment that is being made in the background of what a day had.
type loadJob struct {
	from *loadDay
	what loadDay
	done chan error
}

// loadDay is what a Loader has of a day.
type loadDay struct {
	day  day
	seen map[identity]struct{} // in the store, of the neighbours too
	runs []run
	rows int
	held int
	took int // intervals of the loader when the last one of this day came
}

// NewLoader makes a loader of an interface. The store must be open for writing.
func (s *Store) NewLoader(iface string) (*Loader, error) {
	if s.lock == nil {
		return nil, ErrReadOnly
	}
	if _, err := encodeName(iface); err != nil {
		return nil, err
	}
	s.loaders.Add(1)
	return &Loader{store: s, iface: iface, most: loadBytes}, nil
}

// limit is how many bytes the loader may hold.
func (l *Loader) limit() int {
	return min(l.most, max(loadLeast, loadTotal/int(max(1, l.store.loaders.Load()))))
}

// Append takes the block of an interval, as Store.Append does, and reports whether it is new. Records are copied.
// Intervals come best by day; what comes in any order makes more segments, which Close merges.
func (l *Loader) Append(ctx context.Context, interval flow.Interval, records []flow.Record) (added bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	added, err = l.append(ctx, interval, records)
	if err != nil {
		return false, fmt.Errorf("load interval %d of %s: %w", interval.End, l.iface, err)
	}
	return added, nil
}

func (l *Loader) append(ctx context.Context, interval flow.Interval, records []flow.Record) (bool, error) {
	header := blockHeader{interval: interval, rows: uint32(len(records)), payload: uint32(min(len(records), 1))}
	if err := errors.Join(header.validate(), checkRecords(records), ctx.Err()); err != nil {
		return false, err
	}
	if l.store.closed.Load() {
		return false, errClosed
	}
	d, err := l.dayOf(ctx, dayOf(interval.End))
	if err != nil {
		return false, err
	}
	if l.isKnown(d, header.identity()) {
		l.store.written.replays.Add(1)
		return false, nil
	}
	byKey := func(x, y flow.Record) int { return x.Key.Compare(y.Key) }
	if !slices.IsSortedFunc(records, byKey) {
		records = slices.Clone(records)
		l.sorter.Sort(records)
	}
	p := &packedRun{iv: interval}
	p.pack(records)
	l.took++
	d.took = l.took
	if err := l.makeRoom(ctx, p.held()); err != nil {
		return false, err
	}
	d.seen[header.identity()] = struct{}{}
	d.runs = append(d.runs, p)
	d.rows += len(records)
	d.held += p.held()
	l.held += p.held()
	return true, nil
}

// makeRoom starts to make a segment of a day that seems complete, and of the largest one if need be, and waits until
// there is room for size bytes.
func (l *Loader) makeRoom(ctx context.Context, size int) error {
	for _, d := range l.days {
		if l.job == nil && len(d.runs) > 0 && l.took-d.took >= loadIdle {
			l.start(ctx, d, false)
		}
	}
	for l.held > 0 && l.held+size > l.limit() {
		if l.job == nil {
			l.start(ctx, slices.MaxFunc(l.days, func(a, b *loadDay) int { return a.held - b.held }), false)
		}
		if err := l.wait(); err != nil {
			return err
		}
	}
	return nil
}

// isKnown says whether a block is in the store or in memory, on its day or a neighbouring one.
func (l *Loader) isKnown(d *loadDay, id identity) bool {
	for _, o := range l.days {
		if o.day >= d.day-1 && o.day <= d.day+1 {
			if _, known := o.seen[id]; known {
				return true
			}
		}
	}
	return false
}

// dayOf returns a day at hand, and puts one away that was not used for long.
func (l *Loader) dayOf(ctx context.Context, at day) (*loadDay, error) {
	i := slices.IndexFunc(l.days, func(d *loadDay) bool { return d.day == at })
	if i < 0 {
		if len(l.days) == loadDays {
			if err := l.flush(ctx, l.days[0], false); err != nil {
				return nil, err
			}
			l.days = l.days[1:]
		}
		seen, err := l.store.known(l.iface, at, true)
		if err != nil {
			return nil, err
		}
		l.days = append(l.days, &loadDay{day: at, seen: seen})
		i = len(l.days) - 1
	}
	d := l.days[i]
	l.days = append(slices.Delete(l.days, i, i+1), d)
	return d, nil
}

// flush makes a segment of what is in memory of a day, and waits for it.
func (l *Loader) flush(ctx context.Context, d *loadDay, done bool) error {
	if err := l.wait(); err != nil {
		return err
	}
	if len(d.runs) == 0 {
		return nil
	}
	l.start(ctx, d, done)
	return l.wait()
}

// start begins to make a segment of what is in memory of a day. There must be no other job. It is not cancelled with
// ctx: what was taken is to be durable.
func (l *Loader) start(ctx context.Context, d *loadDay, done bool) {
	job := &loadJob{from: d, what: *d, done: make(chan error, 1)}
	d.runs, d.rows, d.held = nil, 0, 0
	l.job = job
	go func() { job.done <- l.build(context.WithoutCancel(ctx), &job.what, done) }()
}

// wait waits for the segment that is being made, if there is one. What went into it is kept where that failed.
func (l *Loader) wait() error {
	job := l.job
	if job == nil {
		return nil
	}
	err := <-job.done
	l.job = nil
	if err == nil {
		l.held -= job.what.held
		return nil
	}
	d := job.from
	d.runs = append(job.what.runs, d.runs...)
	d.rows, d.held = d.rows+job.what.rows, d.held+job.what.held
	return err
}

// build makes a segment: that of the day, if the day is done and it is all there is.
func (l *Loader) build(ctx context.Context, d *loadDay, done bool) error {
	defer l.store.maintain(l.iface)()
	if l.store.closed.Load() {
		return errClosed
	}
	w := daily{store: l.store, iface: l.iface, day: d.day, report: &l.made}
	if err := w.prepare(); err != nil {
		return err
	}
	defer func() { l.store.closeDay(&w.parts) }()
	number := w.last + 1
	if current := day(l.store.now().Unix() / secondsPerDay); done && w.empty && d.day < current {
		number = 0
	}
	blocks, written := len(d.runs), l.made.BytesWritten
	// Rows take about 12 bytes in a segment, seldom more than 40.
	err := w.make(ctx, number, int64(d.rows)*16+4096, func(f vfs.File) (segment.Info, error) {
		return mergeRuns(ctx, f, l.iface, d.day, d.runs)
	})
	if err != nil {
		return err
	}
	l.store.written.blocks.Add(uint64(blocks))
	l.store.written.rows.Add(uint64(d.rows))
	l.store.written.bytes.Add(uint64(l.made.BytesWritten - written))
	return nil
}

// Flush makes all that Append took durable.
func (l *Loader) Flush(ctx context.Context) error { return l.flushAll(ctx, false) }

func (l *Loader) flushAll(ctx context.Context, done bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.wait(); err != nil {
		return fmt.Errorf("load %s: %w", l.iface, err)
	}
	for _, d := range l.days {
		if err := l.flush(ctx, d, done); err != nil {
			return fmt.Errorf("load %s: %w", l.iface, err)
		}
	}
	return nil
}

// Close makes all durable, and merges what was made in pieces. Without Close, or where the merge is cancelled, compaction
// does it some time.
func (l *Loader) Close(ctx context.Context) error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		l.store.loaders.Add(-1)
	}
	l.mu.Unlock()
	if err := l.flushAll(ctx, true); err != nil {
		return err
	}
	report, err := l.store.Compact(ctx, CompactOptions{Interfaces: []string{l.iface}})
	return errors.Join(err, errors.Join(report.Faults...))
}
