package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/probe/godb"
	"github.com/weirflow/weir/probe/store"
)

const (
	// importers is how many interfaces are imported at a time: each interval waits for the disk.
	importers = 4
	// maxBatch is the greatest number of rows that are appended as one block; larger intervals become parts.
	maxBatch = 1 << 20
	// partShift makes room for the numbers of parts above those of the source.
	partShift = 32
	// maxToldDamage bounds how many damaged places an import names.
	maxToldDamage = 10
)

// emitter takes rows of an interval; several calls in a row for the same one add up.
type emitter = func(iface string, interval flow.Interval, records []flow.Record) error

// tally is what was imported of an interface.
type tally struct {
	intervals, rows, damaged, lost, salvaged uint64
	counted                                  flow.Counters
}

// importer appends what sources emit.
type importer struct {
	app      *app
	target   *store.Store // nil: dry run
	progress *progress
	rows     atomic.Uint64

	mu      sync.Mutex
	tallies map[string]*tally
	loaders map[string]*store.Loader
	told    int
}

func newImporter(a *app, target *store.Store) *importer {
	return &importer{app: a, target: target, progress: newProgress(a.stderr), tallies: map[string]*tally{},
		loaders: map[string]*store.Loader{}}
}

// loader returns the one loader of an interface.
func (im *importer) loader(iface string) (*store.Loader, error) {
	im.mu.Lock()
	defer im.mu.Unlock()
	l := im.loaders[iface]
	if l == nil {
		var err error
		if l, err = im.target.NewLoader(iface); err != nil {
			return nil, err
		}
		im.loaders[iface] = l
	}
	return l, nil
}

// finish makes durable what was loaded, interfaces side by side. What was interrupted is kept as it is; the rest is
// merged into whole days.
func (im *importer) finish(ctx context.Context) error {
	names := slices.Sorted(maps.Keys(im.loaders))
	faults := make([]error, len(names))
	var group sync.WaitGroup
	limit := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, name := range names {
		limit <- struct{}{}
		group.Go(func() {
			defer func() { <-limit }()
			l := im.loaders[name]
			if ctx.Err() != nil {
				faults[i] = l.Flush(context.WithoutCancel(ctx))
			} else if err := l.Close(ctx); !errors.Is(err, context.Canceled) {
				faults[i] = err
			}
		})
	}
	group.Wait()
	return errors.Join(faults...)
}

func (im *importer) tally(iface string) *tally {
	im.mu.Lock()
	defer im.mu.Unlock()
	t := im.tallies[iface]
	if t == nil {
		t = &tally{}
		im.tallies[iface] = t
	}
	return t
}

// damaged tells the first damaged places; weir db check tells all.
func (im *importer) damaged(d godb.Damage) {
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.told++; im.told <= maxToldDamage {
		im.progress.note(im.app, "%s", d)
	} else if im.told == maxToldDamage+1 {
		im.progress.note(im.app, "and more; weir db check names all")
	}
}

// each runs work for all interfaces, several at a time, and ends at the first error.
func (im *importer) each(ctx context.Context, names []string, work func(context.Context, string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan string)
	var group sync.WaitGroup
	for range min(importers, len(names)) {
		group.Go(func() {
			for name := range queue {
				if err := work(ctx, name); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, name := range names {
		if ctx.Err() != nil {
			break
		}
		queue <- name
	}
	close(queue)
	group.Wait()
	return context.Cause(ctx)
}

// batch is an interval, or a part of one, on its way to the store.
type batch struct {
	iface    string
	interval flow.Interval
	records  []flow.Record
}

func (b *batch) holds(iface string, interval flow.Interval) bool {
	return b.iface == iface && b.interval.End == interval.End && b.interval.Boot == interval.Boot &&
		b.interval.Sequence&(1<<partShift-1) == interval.Sequence
}

// pump reads a source in one goroutine and appends in another.
func (im *importer) pump(ctx context.Context, read func(context.Context, emitter) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	full, free := make(chan *batch, 1), make(chan *batch, 2)
	free <- &batch{}
	free <- &batch{}
	result := make(chan error, 1)
	go func() {
		defer close(full)
		c := &collector{ctx: ctx, full: full, free: free}
		err := read(ctx, c.add)
		if err == nil {
			err = c.flush()
		}
		result <- err
	}()
	var failed error
	for b := range full {
		if failed == nil {
			if failed = im.append(ctx, b); failed != nil {
				cancel()
			}
		}
		free <- b
	}
	if err := <-result; failed == nil || !errors.Is(err, context.Canceled) {
		failed = errors.Join(failed, err)
	}
	return failed
}

// collector makes batches of rows.
type collector struct {
	ctx        context.Context // lives as long as the call of pump that made it
	full, free chan *batch
	current    *batch
}

func (c *collector) add(iface string, interval flow.Interval, records []flow.Record) error {
	for {
		if c.current != nil && !c.current.holds(iface, interval) {
			if err := c.flush(); err != nil {
				return err
			}
		}
		if c.current == nil {
			c.current = <-c.free
			*c.current = batch{iface: iface, interval: interval, records: c.current.records[:0]}
		}
		b := c.current
		n := min(len(records), maxBatch-len(b.records))
		b.records = append(b.records, records[:n]...)
		if records = records[n:]; len(records) == 0 {
			return nil
		}
		part := b.interval // the next one
		part.Sequence, part.Duration, part.Accounting = part.Sequence+1<<partShift, 0, flow.Accounting{}
		if err := c.flush(); err != nil {
			return err
		}
		c.current = <-c.free
		*c.current = batch{iface: iface, interval: part, records: c.current.records[:0]}
	}
}

func (c *collector) flush() error {
	if c.current != nil {
		c.full <- c.current
		c.current = nil
	}
	return c.ctx.Err()
}

func (im *importer) append(ctx context.Context, b *batch) error {
	if im.target != nil {
		l, err := im.loader(b.iface)
		if err != nil {
			return err
		}
		if _, err := l.Append(ctx, b.interval, b.records); err != nil {
			return err
		}
	}
	t := im.tally(b.iface)
	if b.interval.Sequence>>partShift == 0 {
		t.intervals++
	}
	t.rows += uint64(len(b.records))
	for i := range b.records {
		t.counted.Add(b.records[i].Counters)
	}
	im.rows.Add(uint64(len(b.records)))
	return nil
}

// summary says what was imported.
func (im *importer) summary() error {
	t := newTable("interface", "intervals", "rows", "bytes counted", "damaged", "rows lost", "blocks salvaged")
	var all tally
	for _, name := range slices.Sorted(maps.Keys(im.tallies)) {
		n := im.tallies[name]
		t.row(render.Safe(name), n.intervals, n.rows, n.counted.Bytes(), n.damaged, n.lost, n.salvaged)
		all.intervals, all.rows = all.intervals+n.intervals, all.rows+n.rows
	}
	if err := t.write(im.app); err != nil {
		return err
	}
	last := "dry run, nothing was written"
	if im.target != nil {
		w := im.target.WriteStats()
		last = fmt.Sprintf("%d blocks with %d rows written in %d bytes; %d blocks were there already", w.Blocks, w.Rows, w.Bytes, w.Replays)
	}
	_, err := fmt.Fprintf(im.app.stdout, "\n%s\n", last)
	return err
}

// countingReader counts what is read.
type countingReader struct {
	source io.Reader
	read   atomic.Uint64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.source.Read(b)
	c.read.Add(uint64(n))
	return n, err
}
