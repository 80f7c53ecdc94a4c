package query

import (
	"context"
	"encoding/binary"
	"slices"

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
	scratch segment.Scratch
	rollup  segment.Rollup
}

func (pl *plan) newWorker(ctx context.Context, t *table, buffers int) *worker {
	w := &worker{plan: pl, ctx: ctx, table: t, buffers: make([]*buffer, buffers),
		keys: make([]packed, batchSize), entries: make([]uint32, batchSize), rows: make([]uint32, batchSize)}
	for i := range w.buffers {
		w.buffers[i] = &buffer{chunk: -1}
		w.buffers[i].tested.Share(&w.scratch)
		w.buffers[i].loaded.Share(&w.scratch)
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
	any      []uint8           // of all verdicts
	byRank   []segment.Service // as many as the selected tuples need
}

// fewSelected is the number of tuples up to which it is looked at which services they have.
const fewSelected = 256

// findServices finds the services that the selected tuples have, if keys need them.
func (b *buffer) findServices() (err error) {
	if s := &b.part.plan.shape; !s.port && !s.protocol || len(b.selected) == 0 {
		return nil
	}
	most := uint32(b.part.ServiceCount() - 1)
	if len(b.selected) <= fewSelected {
		most = 0
		for _, t := range b.selected {
			most = max(most, b.services()[t])
		}
	}
	b.byRank, err = b.part.FirstServices(int(most) + 1)
	return err
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
			test := p.test.narrow(c.chunk, &p.chunks[c.chunk])
			if b.inTest = test.columns(); b.inTest&segment.Destinations != 0 {
				b.inTest |= want & segment.Sources // which come with them
			}
			if n, err := p.decode(c.chunk, b.inTest, nil, &b.tested); err != nil {
				return err
			} else if read = n; !w.selectTuples(b, p, test, &p.chunks[c.chunk]) {
				return nil
			}
			want &^= b.inTest
		}
		var selected []uint32
		if !c.all {
			selected = b.selected
		}
		n, err := p.decode(c.chunk, want, selected, &b.loaded)
		read += n
		if err == nil && c.all {
			b.selected = counting(b.selected, p.chunks[c.chunk].Tuples)
		}
		if err == nil {
			err = b.findServices()
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
	return nil
}

// decode loads columns, if any; those of rows for selected tuples, nil for all.
func (p *part) decode(chunk int, want segment.Columns, selected []uint32, into *segment.Tuples) (int64, error) {
	if want == 0 {
		return 0, nil
	}
	before := into.BytesRead()
	err := p.LoadSelected(chunk, want, selected, into)
	return into.BytesRead() - before, err
}

// counting appends 0 to n-1.
func counting(to []uint32, n int) []uint32 {
	to = slices.Grow(to, n)
	for i := range n {
		to = append(to, uint32(i))
	}
	return to
}

// selectTuples evaluates the test and says whether any tuple matches.
func (w *worker) selectTuples(b *buffer, p *part, test *test, c *segment.Chunk) bool {
	n := c.Tuples
	const attempts = 1<<segment.Attempts | 1<<segment.Accepts | 1<<segment.Rejects
	if c.HasCounter&attempts != 0 && test.onVerdicts() {
		b.verdicts = len(b.holds)
	}
	for v := range b.verdicts {
		if cap(b.holds[v]) < n {
			b.holds[v] = make([]uint8, n)
		}
		b.holds[v] = b.holds[v][:n]
		test.evaluate(p, &b.tested, flow.Verdict(v), b.holds[v], &w.masks, 0)
	}
	holds := b.holds[0]
	if b.verdicts > 1 {
		b.any = append(b.any[:0], holds...)
		holds = b.any
		for _, others := range b.holds[1:b.verdicts] {
			for i, other := range others {
				holds[i] |= other
			}
		}
	}
	b.selected = appendSet(b.selected, holds)
	return len(b.selected) > 0
}

// appendSet appends the places of what is not 0.
func appendSet(to []uint32, bytes []uint8) []uint32 {
	at := 0
	for ; at+8 <= len(bytes); at += 8 { // most tests select few
		if binary.LittleEndian.Uint64(bytes[at:]) != 0 {
			to = appendSetOf(to, bytes[at:at+8], at)
		}
	}
	return appendSetOf(to, bytes[at:], at)
}

func appendSetOf(to []uint32, bytes []uint8, first int) []uint32 {
	for i, b := range bytes {
		if b != 0 {
			to = append(to, uint32(first+i))
		}
	}
	return to
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
