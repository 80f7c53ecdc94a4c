package query

import (
	"context"
	"slices"
	"sync"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
)

// chunksPerTask is how many chunks a worker takes at a time.
const chunksPerTask = 16

// task is a piece of work on a part: some of its candidates, or its rollups.
type task struct {
	part        *part
	from, until int
	sums        bool // the rollups
}

// sumHashed sums all groups of the plan in tables by hash, in as many passes as memory demands, and calls emit with
// the groups of each pass.
func (pl *plan) sumHashed(ctx context.Context, emit func(t *table) error) error {
	tasks, most, sum := pl.tasks()
	workers := max(min(pl.run.engine.workers(), len(tasks)), 1)
	if len(tasks) <= len(pl.parts) {
		workers = 1 // little to read; to merge tables would be more work
	}
	seed := newSeed()
	list := make([]*worker, workers)
	for i := range list {
		list[i] = pl.newWorker(ctx, newTable(pl.counters, pl.maxEntries(workers), seed, pl.only), 1)
		if pl.shape.onlyServices() {
			list[i].table.direct = new(directSlots)
		}
		list[i].table.expect(most, sum)
	}
	read := func() error {
		low := list[0].table.low
		for {
			if err := pl.pass(ctx, tasks, list); err != nil {
				return err
			}
			doubtful := pl.doubtful()
			if len(doubtful) == 0 {
				return nil
			}
			for _, p := range doubtful {
				if err := p.leaveSums(); err != nil {
					pl.run.lose(p.Reader, -1, err)
				}
			}
			tasks, _, _ = pl.tasks()
			list[0].table.begin(low)
		}
	}
	return list[0].passes(read, func() error { return emit(list[0].table) })
}

// tasks lists the work on all parts. From one part's sums come about most groups, from all together up to about sum.
func (pl *plan) tasks() (tasks []task, most, sum int) {
	for _, p := range pl.parts {
		switch p.method {
		case methodRollup, methodTotals:
			tasks = append(tasks, task{part: p, sums: true})
			most, sum = max(most, len(p.rollups)), sum+len(p.rollups)
		case methodSources:
			tasks = append(tasks, task{part: p, sums: true})
			most, sum = max(most, int(p.codes)/8), sum+int(p.codes)/2
		}
		for i := 0; i < len(p.candidates); i += chunksPerTask {
			tasks = append(tasks, task{part: p, from: i, until: min(i+chunksPerTask, len(p.candidates))})
		}
	}
	return tasks, most, sum
}

// onlyServices says that keys hold a service, or a part of one, and nothing else.
func (s *shape) onlyServices() bool {
	return (s.port || s.protocol) && !s.source && !s.destination && !s.time && !s.iface && !s.verdict
}

// pass fills the first worker's table with the groups from its lowest hash on.
func (pl *plan) pass(ctx context.Context, tasks []task, list []*worker) error {
	low := list[0].table.low
	for _, w := range list[1:] {
		w.table.begin(low)
	}
	var mu sync.Mutex // guards high
	high := list[0].table.high
	err := parallel(ctx, len(list), len(tasks), func(ctx context.Context, worker, task int) error {
		w := list[worker]
		w.ctx = ctx
		if err := w.run(&tasks[task]); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if high = min(high, w.table.high); w.table.high > high {
			w.table.cut(high) // another one had no room for these
		}
		return nil
	})
	if err != nil {
		return err
	}
	first := list[0]
	if first.table.high > high {
		first.table.cut(high)
	}
	if err := first.addLoose(0, len(pl.loose.keys)); err != nil {
		return err
	}
	for _, w := range list[1:] {
		if err := first.merge(w.table); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) run(t *task) error {
	switch {
	case t.sums && t.part.method == methodTotals:
		return w.totals(t.part)
	case t.sums && t.part.method == methodSources:
		return w.sources(t.part)
	case t.sums:
		return w.rollups(t.part)
	}
	for _, c := range t.part.candidates[t.from:t.until] {
		if err := w.load(w.buffers[0], t.part, c); err != nil {
			return err
		}
		if err := w.emit(w.buffers[0], w.buffers[0].selected); err != nil {
			return err
		}
	}
	return nil
}

// merge adds the groups of another table.
func (w *worker) merge(t *table) error {
	for i := 1; i < len(t.keys); {
		n := min(len(t.keys)-i, batchSize)
		done := w.table.locate(t.keys[i:i+n], w.entries)
		for k, entry := range w.entries[:done] {
			c := t.counted(i + k)
			w.table.addCounters(entry, &c)
		}
		if i += done; done < n {
			if err := w.table.halve(); err != nil {
				return err
			}
		}
	}
	t.begin(0)
	return nil
}

// totals adds the sums by stamp.
func (w *worker) totals(p *part) error {
	sums, err := p.StampTotals()
	if err != nil {
		w.plan.run.doubts.add(p.Reader, err)
		return nil
	}
	for i := range p.bins {
		c, rows := sums.IPv4[i].Counters, sums.IPv4[i].Rows+sums.IPv6[i].Rows
		c.Add(sums.IPv6[i].Counters)
		if p.bins[i] == outside || rows == 0 {
			continue
		}
		if err := w.addOne(packed{rest: p.base | p.bins[i]}, &c); err != nil {
			return err
		}
	}
	return nil
}

// rollups adds the sums by service, and by service and stamp where rows have to be told apart.
func (w *worker) rollups(p *part) error {
	if len(p.rollups) == 0 {
		return nil
	}
	services, err := p.FirstServices(int(p.rollups[len(p.rollups)-1]) + 1)
	if err != nil {
		w.plan.run.lose(p.Reader, -1, err)
		return nil
	}
	mask := w.plan.shape.serviceMask()
	if p.byRow {
		for _, rank := range p.rollups {
			if err := w.ctx.Err(); err != nil {
				return err
			}
			if _, err := p.ServiceRollup(rank, &w.rollup); err != nil {
				w.plan.run.doubts.add(p.Reader, err)
				return nil
			}
			if err := w.addStamps(p, p.base|packedService(services[rank])&mask, &w.rollup); err != nil {
				return err
			}
		}
		return nil
	}
	return w.serviceSums(p, services, mask)
}

// serviceSums adds the sums by service of the part's rollups, which ascend.
func (w *worker) serviceSums(p *part, services []segment.Service, mask uint64) error {
	wanted, ranks, failed := uint16(0), p.rollups, error(nil)
	for _, c := range w.plan.counters {
		wanted |= 1 << c
	}
	err := p.SumsByService(wanted, func(first uint32, n int, sums *[segment.CounterCount][]uint64) error {
		end, _ := slices.BinarySearch(ranks, first+uint32(n))
		piece := ranks[:end]
		for ranks = ranks[end:]; len(piece) > 0; {
			batch := piece[:min(len(piece), batchSize)]
			for i, rank := range batch {
				w.keys[i], w.rows[i] = packed{rest: p.base | packedService(services[rank])&mask}, rank-first
			}
			if failed = w.addBatch(w.keys[:len(batch)], w.rows[:len(batch)], sums); failed != nil {
				return failed
			}
			piece = piece[len(batch):]
		}
		return nil
	})
	if err != nil && failed == nil {
		w.plan.run.doubts.add(p.Reader, err)
	}
	return failed
}

// addStamps adds the sums of a service by stamp.
func (w *worker) addStamps(p *part, rest uint64, sums *segment.Rollup) error {
	for i, stamp := range sums.Stamps {
		if p.bins[stamp] == outside {
			continue
		}
		if err := w.addOne(packed{rest: rest | p.bins[stamp]}, &sums.Counters[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) addOne(k packed, c *flow.Counters) error {
	w.keys[0] = k
	for w.table.locate(w.keys[:1], w.entries) == 0 {
		if err := w.table.halve(); err != nil {
			return err
		}
	}
	w.table.addCounters(w.entries[0], c)
	return nil
}
