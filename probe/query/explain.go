package query

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/segment"
)

// maxSteps bounds how many steps an explanation lists.
const maxSteps = 1000

// explanation says what was read and skipped, if the query asks for it.
func (r *run) explanation() *wire.Explain {
	if !r.query.Explain {
		return nil
	}
	e := &wire.Explain{Steps: []wire.ExplainStep{}, BytesRead: r.stats.BytesRead}
	steps := slices.Clone(r.unsegmented)
	beside := r.readBeside()
	for _, p := range r.steps {
		steps = append(steps, wire.ExplainStep{
			Source: p.Name(), Method: p.method.String(), Reason: p.reason,
			Chunks: len(p.chunks), ChunksRead: len(p.done), Rows: p.rows, BytesRead: uint64(p.read + beside[p.Reader]),
		})
		delete(beside, p.Reader)
	}
	if r.earlier != nil {
		steps = append(steps, r.earlier.Steps...)
		e.Omitted = r.earlier.Omitted
	}
	most := min(len(steps), maxSteps)
	e.Steps = append(e.Steps, steps[:most]...)
	e.Omitted += len(steps) - most
	return e
}

// readBeside is what was read of each segment beside the chunks of its steps: what opening it took, dictionaries,
// postings and sums. It stands in the first of its steps.
func (r *run) readBeside() map[*segment.Reader]int64 {
	beside := make(map[*segment.Reader]int64, len(r.opened))
	for i := range r.opened {
		beside[r.opened[i].Reader] += r.readHere[i]
	}
	for _, p := range r.steps {
		beside[p.Reader] = max(beside[p.Reader]-p.read, 0)
	}
	return beside
}

// looked notes rows that were looked at one by one, of a log or of an interval that is being counted; nothing where there
// are none.
func (r *run) looked(source, reason string, blocks uint64, rows int64, bytes uint64) {
	if r.query.Explain && (blocks > 0 || bytes > 0) {
		r.unsegmented = append(r.unsegmented, wire.ExplainStep{Source: source, Method: methodRows.String(), Reason: reason, Rows: rows, BytesRead: bytes})
	}
}

// Progress is how far a query is.
type Progress struct{ Done, Total int64 } // flows to be read

// progress counts what is done.
type progress struct {
	report      func(Progress)
	done, total atomic.Int64
	mu          sync.Mutex // guards told
	told        int64
}

// expect adds to what there is to do.
func (p *progress) expect(n int64) { p.total.Add(n) }

// advance notes that something is done.
func (p *progress) advance(n int64) {
	done := p.done.Add(n)
	if p.report == nil || !p.mu.TryLock() {
		return
	}
	defer p.mu.Unlock()
	if total := p.total.Load(); done-p.told >= total/100 {
		p.told = done
		p.report(Progress{Done: min(done, total), Total: total})
	}
}
