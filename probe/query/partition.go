package query

import (
	"context"
	"slices"
	"sort"
)

// Groups that have their source in common stand together in every segment. Where a query groups by source, its
// segments are therefore read side by side, one range of sources after the other: what has been summed of a range
// is complete, is ranked and forgotten. Memory does not depend on the number of groups.

// partitionTuples is how many tuples a range has at least: few enough that their sums stay in the cache.
const partitionTuples = 12 << 10

// partitions returns the places at which ranges begin and end, one more than there are ranges.
func (pl *plan) partitions(least int) []position {
	type piece struct {
		begin  position
		tuples int
	}
	var pieces []piece
	for _, p := range pl.parts {
		for _, c := range p.candidates {
			chunk := &p.chunks[c.chunk]
			pieces = append(pieces, piece{p.begin(chunk.FirstSource, chunk.LastSource, chunk.LeastDestination), chunk.Tuples})
		}
	}
	const run = 4096
	for i := 0; i < len(pl.loose.keys); i += run {
		at := pl.loose.keys[i].position()
		if !pl.shape.finePartitions() {
			at.destination = 0
		}
		pieces = append(pieces, piece{at, min(run, len(pl.loose.keys)-i)})
	}
	slices.SortFunc(pieces, func(a, b piece) int { return a.begin.compare(b.begin) })
	borders := []position{{}}
	sum := 0
	for _, piece := range pieces {
		if sum >= least && piece.begin.compare(borders[len(borders)-1]) > 0 {
			borders = append(borders, piece.begin)
			sum = 0
		}
		sum += piece.tuples
	}
	return append(borders, lastPosition)
}

// finePartitions says that a range may begin within a source: groups have both addresses in full.
func (s *shape) finePartitions() bool {
	return s.source && s.destination && s.sourceBits == 0 && s.destinationBits == 0
}

// begin is where a chunk begins: its destination is known if it has one source only.
func (p *part) begin(source, last, least uint32) position {
	at := position{source: p.sourceAt(source)}
	if source == last && p.plan.shape.finePartitions() {
		at.destination = p.targets[least]
	}
	return at
}

func (p *part) sourceAt(code uint32) uint64 {
	n := uint64(p.sources[code])
	if code >= p.ipv4 {
		n |= 1 << 32
	}
	return n
}

// codes translates a place: the first source code that does not stand before it, and the first destination code of
// that source.
func (p *part) place(at position) (source, destination uint32) {
	switch {
	case at == lastPosition:
		return p.codes, 0
	case at.source>>32 == 0:
		source = uint32(sort.Search(int(p.ipv4), func(i int) bool { return uint64(p.sources[i]) >= at.source }))
	default:
		six := p.sources[p.ipv4:]
		source = p.ipv4 + uint32(sort.Search(len(six), func(i int) bool { return six[i] >= uint32(at.source) }))
	}
	if at.destination == 0 || source == p.codes || p.sourceAt(source) != at.source {
		return source, 0
	}
	family := p.targets[:p.ipv4]
	if source >= p.ipv4 {
		family, destination = p.targets[p.ipv4:], p.ipv4
	}
	return source, destination + uint32(sort.Search(len(family), func(i int) bool { return family[i] >= at.destination }))
}

// rangeTasks is into how many runs of partitions the work is cut for each worker.
const rangeTasks = 2

// sumRanges sums up range by range. emit is called with the table of each range, by worker.
func (pl *plan) sumRanges(ctx context.Context, emit func(worker int, t *table) error) error {
	e := pl.run.engine
	workers := e.workers()
	buffers, least := pl.bufferCount(workers)
	borders := pl.partitions(least)
	ranges := len(borders) - 1
	tasks := min(ranges, workers*rangeTasks)
	if workers == 1 {
		tasks = 1
	}
	seed := newSeed()
	list := make([]*worker, workers)
	return parallel(ctx, workers, tasks, func(ctx context.Context, i, task int) error {
		if list[i] == nil {
			list[i] = pl.newWorker(ctx, newTable(pl.counters, pl.maxEntries(workers), seed, pl.only), buffers)
		}
		w := list[i]
		for r := task * ranges / tasks; r < (task+1)*ranges/tasks; r++ {
			if err := w.passes(func() error { return w.sumRange(borders[r], borders[r+1]) }, func() error { return emit(i, w.table) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// passes reads rows as often as the table needs to see all groups.
func (w *worker) passes(read, done func() error) error {
	for low := uint64(0); ; {
		w.table.begin(low)
		if err := read(); err != nil {
			return err
		}
		if err := done(); err != nil {
			return err
		}
		if low = w.table.high + 1; low == 0 {
			return nil
		}
	}
}

// chunkBytes is about what a decoded chunk takes: 4,096 tuples of three codes and four sums, and what decoding needs.
const chunkBytes = 256 << 10

// bufferCount returns how many decoded chunks a worker holds, and the least number of tuples in a range. Where memory
// does not suffice for a chunk of every segment, ranges are made so large that decoding again what lies on a border
// does not matter.
func (pl *plan) bufferCount(workers int) (buffers, least int) {
	affordable := int(pl.run.engine.cfg.Memory / 4 / int64(workers) / chunkBytes)
	if len(pl.parts) <= max(affordable, 1) {
		return max(len(pl.parts), 1), partitionTuples
	}
	// Groups of a range: at most those of its tuples.
	return max(affordable, 1), max(min(4*chunkTuples*len(pl.parts), pl.maxEntries(workers)/2), partitionTuples)
}

// chunkTuples is how many tuples a chunk has, most of the time.
const chunkTuples = 4096

func (pl *plan) maxEntries(workers int) int {
	return max(int(pl.run.engine.cfg.Memory/2/int64(workers)/entryBytes(len(pl.counters))), 1)
}

// sumRange adds the tuples from one place up to another.
func (w *worker) sumRange(from, until position) error {
	for i, p := range w.plan.parts {
		if err := w.sumPart(w.buffers[i%len(w.buffers)], p, from, until); err != nil {
			return err
		}
	}
	l := &w.plan.loose
	first := l.search(from)
	return w.addLoose(first, first+l.from(first).search(until))
}

func (l *loose) search(at position) int {
	return sort.Search(len(l.keys), func(i int) bool { return l.keys[i].position().compare(at) >= 0 })
}

func (l *loose) from(i int) *loose { return &loose{keys: l.keys[i:]} }

func (w *worker) sumPart(b *buffer, p *part, from, until position) error {
	source, destination := p.place(from)
	lastSource, lastDestination := p.place(until)
	if source == lastSource && destination == lastDestination {
		return nil
	}
	first := sort.Search(len(p.candidates), func(i int) bool { return p.chunks[p.candidates[i].chunk].LastSource >= source })
	for _, c := range p.candidates[first:] {
		chunk := &p.chunks[c.chunk]
		if chunk.FirstSource > lastSource || chunk.FirstSource == lastSource && lastDestination == 0 {
			return nil
		}
		if destination > 0 && chunk.FirstSource == source && chunk.LastSource == source && chunk.MostDestination < destination ||
			chunk.FirstSource == lastSource && chunk.LastSource == lastSource && chunk.LeastDestination >= lastDestination {
			continue
		}
		if err := w.load(b, p, c); err != nil {
			return err
		}
		begin := b.search(source, destination)
		end := begin + b.search2(begin, lastSource, lastDestination)
		if err := w.emit(b, b.selected[begin:end]); err != nil {
			return err
		}
	}
	return nil
}

// search returns the first of the selected tuples that does not stand before a source and destination.
func (b *buffer) search(source, destination uint32) int { return b.search2(0, source, destination) }

func (b *buffer) search2(begin int, source, destination uint32) int {
	sources, targets := b.sources(), b.targets()
	return sort.Search(len(b.selected)-begin, func(i int) bool {
		t := b.selected[begin+i]
		return sources[t] > source || sources[t] == source && (destination == 0 || targets[t] >= destination)
	})
}

// addLoose adds loose rows.
func (w *worker) addLoose(from, until int) error {
	l := &w.plan.loose
	for i := from; i < until; {
		n := min(until-i, batchSize)
		done := w.table.locate(l.keys[i:i+n], w.entries)
		for k, entry := range w.entries[:done] {
			w.table.addCounters(entry, &l.counters[i+k])
		}
		if i += done; done < n {
			if err := w.table.halve(); err != nil {
				return err
			}
		}
	}
	return nil
}
