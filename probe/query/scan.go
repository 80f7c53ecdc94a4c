package query

import (
	"context"

	"github.com/weirflow/weir/pkg/flow"
	tracing "github.com/weirflow/weir/pkg/span"
	"github.com/weirflow/weir/probe/segment"
)

// batchSize is the number of keys that are located at a time.
const batchSize = 4096

// worker reads chunks and adds what matches to its table. Nothing in it is shared, and nothing is allocated once
// its buffers have grown.
type worker struct {
	plan    *plan
	ctx     context.Context
	table   *table
	buffers []*buffer
	keys    []packed
	entries []uint32
	rows    []uint32
	masks   masks
}

func (pl *plan) newWorker(ctx context.Context, t *table, buffers int) *worker {
	w := &worker{plan: pl, ctx: ctx, table: t, buffers: make([]*buffer, buffers),
		keys: make([]packed, batchSize), entries: make([]uint32, batchSize), rows: make([]uint32, batchSize)}
	for i := range w.buffers {
		w.buffers[i] = &buffer{chunk: -1}
	}
	return w
}

// buffer is a decoded chunk.
type buffer struct {
	part     *part
	chunk    int
	verdicts int // row by row the verdict decides, if above 1
	inTest   segment.Columns
	tested   segment.Tuples // the columns of the test
	loaded   segment.Tuples // the others
	selected []uint32       // tuples that match, ascending
	holds    [flow.VerdictAccepted + 1][]uint8
	offsets  []uint32 // by tuple: its first row
}

// of is where a key column was decoded.
func (b *buffer) of(c segment.Columns) *segment.Tuples {
	if b.inTest&c != 0 {
		return &b.tested
	}
	return &b.loaded
}

func (b *buffer) sources() []uint32  { return b.of(segment.Sources).Source }
func (b *buffer) targets() []uint32  { return b.of(segment.Destinations).Destination }
func (b *buffer) services() []uint32 { return b.of(segment.Services).Service }

// load decodes a chunk into a buffer and selects its tuples. A chunk that cannot be read has none.
func (w *worker) load(b *buffer, p *part, c candidate) error {
	if b.part == p && b.chunk == c.chunk {
		return nil
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	_, s := tracing.Start(w.ctx, "chunk")
	b.part, b.chunk = p, c.chunk
	b.selected, b.verdicts, b.inTest = b.selected[:0], 1, 0
	want := p.wantKey | p.wantValues
	var read int64
	err := func() error {
		if !c.all {
			b.inTest = p.test.columns()
			if n, err := p.decode(c.chunk, b.inTest, &b.tested); err != nil {
				return err
			} else if read = n; !w.selectTuples(b, p, &p.chunks[c.chunk]) {
				return nil
			}
			want &^= b.inTest
		}
		n, err := p.decode(c.chunk, want, &b.loaded)
		read += n
		if err == nil && c.all {
			b.selected = counting(b.selected, p.chunks[c.chunk].Tuples)
		}
		return err
	}()
	p.account(c.chunk, read)
	if s.Recording() {
		s.Text("segment", p.Name())
		s.Int("chunk", int64(c.chunk))
		s.Int("bytes", read)
	}
	s.End(err)
	if err != nil {
		b.selected = b.selected[:0]
		w.plan.run.lose(p.Reader, c.chunk, err)
		return nil
	}
	if p.byRow {
		b.offsets = b.offsets[:0]
		next := uint32(0)
		for _, n := range b.loaded.RowCount {
			b.offsets = append(b.offsets, next)
			next += n
		}
		b.offsets = append(b.offsets, next)
	}
	return nil
}

// decode loads columns, if any.
func (p *part) decode(chunk int, want segment.Columns, into *segment.Tuples) (int64, error) {
	if want == 0 {
		return 0, nil
	}
	before := into.BytesRead()
	err := p.Load(chunk, want, into)
	return into.BytesRead() - before, err
}

// counting appends 0 to n-1.
func counting(to []uint32, n int) []uint32 {
	for i := range n {
		to = append(to, uint32(i))
	}
	return to
}

// selectTuples evaluates the test and says whether any tuple matches.
func (w *worker) selectTuples(b *buffer, p *part, c *segment.Chunk) bool {
	n := c.Tuples
	const attempts = 1<<segment.Attempts | 1<<segment.Accepts | 1<<segment.Rejects
	if c.HasCounter&attempts != 0 && p.test.onVerdicts() {
		b.verdicts = len(b.holds)
	}
	for v := range b.verdicts {
		if cap(b.holds[v]) < n {
			b.holds[v] = make([]uint8, n)
		}
		b.holds[v] = b.holds[v][:n]
		p.test.evaluate(p, &b.tested, flow.Verdict(v), b.holds[v], &w.masks, 0)
	}
	for i := range n {
		var holds uint8
		for v := range b.verdicts {
			holds |= b.holds[v][i]
		}
		if holds != 0 {
			b.selected = append(b.selected, uint32(i))
		}
	}
	return len(b.selected) > 0
}

// emit adds selected tuples, or their rows, to the table.
func (w *worker) emit(b *buffer, selected []uint32) error {
	if b.part.byRow {
		return w.emitRows(b, selected)
	}
	for len(selected) > 0 {
		n := min(len(selected), batchSize)
		w.tupleKeys(b, selected[:n], w.keys)
		if w.plan.sparse {
			if err := w.sparseAddresses(b, selected[:n], w.keys); err != nil {
				w.plan.run.lose(b.part.Reader, -1, err)
				return nil
			}
		}
		if err := w.addBatch(w.keys[:n], selected[:n], &b.loaded.Sum); err != nil {
			return err
		}
		selected = selected[n:]
	}
	return nil
}

// addBatch adds the values at rows of columns to the groups of keys, making room where there is none.
func (w *worker) addBatch(keys []packed, rows []uint32, columns *[segment.CounterCount][]uint64) error {
	for len(keys) > 0 {
		done := w.table.locate(keys, w.entries)
		w.table.add(w.entries[:done], rows[:done], columns)
		if keys, rows = keys[done:], rows[done:]; len(keys) > 0 {
			if err := w.table.halve(); err != nil {
				return err
			}
		}
	}
	return nil
}

// tupleKeys writes the keys of tuples, without what differs from row to row.
func (w *worker) tupleKeys(b *buffer, tuples []uint32, keys []packed) {
	p, s := b.part, &w.plan.shape
	keys = keys[:len(tuples)]
	if s.port || s.protocol {
		services, bits := b.services(), p.serviceBits
		for i, t := range tuples {
			keys[i].rest = p.base | bits[services[t]]
		}
	} else {
		for i := range keys {
			keys[i].rest = p.base
		}
	}
	switch sources, targets := b.sources(), b.targets(); {
	case w.plan.sparse: // sparseAddresses adds them
		for i := range keys {
			keys[i].addresses = 0
		}
	case s.source && s.destination:
		for i, t := range tuples {
			keys[i].addresses = uint64(p.sources[sources[t]])<<32 | uint64(p.targets[targets[t]])
		}
	case s.source:
		for i, t := range tuples {
			keys[i].addresses = uint64(p.sources[sources[t]]) << 32
		}
	case s.destination:
		for i, t := range tuples {
			keys[i].addresses = uint64(p.targets[targets[t]])
		}
	default:
		for i := range keys {
			keys[i].addresses = 0
		}
	}
	if !s.source && !s.destination {
		return
	}
	w.markSix(b, tuples, keys)
}

// markSix marks the keys of IPv6 tuples, which stand behind those of IPv4.
func (w *worker) markSix(b *buffer, tuples []uint32, keys []packed) {
	p, c := b.part, &b.part.chunks[b.chunk]
	if c.LastSource < p.ipv4 {
		return
	}
	sources := b.sources()
	for i := len(tuples) - 1; i >= 0 && sources[tuples[i]] >= p.ipv4; i-- {
		keys[i].rest |= 1 << packedSix
	}
}

// emitRows adds the rows of tuples that are within the plan.
func (w *worker) emitRows(b *buffer, selected []uint32) error {
	p, s := b.part, &w.plan.shape
	columns := &b.loaded.Value
	stamps, bins := b.loaded.Stamp, p.bins
	byVerdict := s.verdict || b.verdicts > 1
	var tupleKeys [64]packed
	n := 0
	for len(selected) > 0 {
		tuples := selected[:min(len(selected), len(tupleKeys))]
		selected = selected[len(tuples):]
		w.tupleKeys(b, tuples, tupleKeys[:])
		if w.plan.sparse {
			if err := w.sparseAddresses(b, tuples, tupleKeys[:]); err != nil {
				w.plan.run.lose(p.Reader, -1, err)
				break
			}
		}
		for i, t := range tuples {
			for row := b.offsets[t]; row < b.offsets[t+1]; row++ {
				bin := bins[stamps[row]]
				if bin == outside {
					continue
				}
				k := tupleKeys[i]
				k.rest |= bin
				if byVerdict {
					v := verdictOf(columns, row)
					if b.verdicts > 1 && b.holds[v][t] == 0 {
						continue
					}
					if s.verdict {
						k.rest |= uint64(v) << packedVerdict
					}
				}
				w.keys[n], w.rows[n] = k, row
				if n++; n == batchSize {
					if err := w.addBatch(w.keys, w.rows, columns); err != nil {
						return err
					}
					n = 0
				}
			}
		}
	}
	return w.addBatch(w.keys[:n], w.rows[:n], columns)
}

// verdictOf is flow.Counters.Verdict of a row.
func verdictOf(columns *[segment.CounterCount][]uint64, row uint32) flow.Verdict {
	above := func(counter int) bool { return columns[counter] != nil && columns[counter][row] > 0 }
	switch {
	case above(segment.Accepts):
		return flow.VerdictAccepted
	case above(segment.Rejects):
		return flow.VerdictRejected
	case above(segment.Attempts):
		return flow.VerdictUnanswered
	}
	return flow.VerdictNone
}

// account notes what was read of a chunk.
func (p *part) account(chunk int, bytes int64) {
	p.mu.Lock()
	again := p.done[chunk]
	if !again {
		p.done[chunk] = true
		p.rows += int64(p.chunks[chunk].Rows)
	}
	p.read += bytes
	p.mu.Unlock()
	if !again {
		p.plan.run.progress.advance(int64(p.chunks[chunk].Rows))
	}
}
