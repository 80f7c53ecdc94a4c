package query

import (
	"sync"
	"sync/atomic"

	"github.com/weirflow/weir/pkg/wire"
)

// maxSteps bounds how many steps an explanation lists.
const maxSteps = 1000

// explanation says what was read and skipped, if the query asks for it.
func (r *run) explanation() *wire.Explain {
	if !r.query.Explain {
		return nil
	}
	e := &wire.Explain{Steps: []wire.ExplainStep{}}
	for _, step := range r.unsegmented {
		e.BytesRead += step.BytesRead
		if len(e.Steps) == maxSteps {
			e.Omitted++
			continue
		}
		e.Steps = append(e.Steps, step)
	}
	for _, p := range r.steps {
		e.BytesRead += uint64(p.read)
		if len(e.Steps) == maxSteps {
			e.Omitted++
			continue
		}
		e.Steps = append(e.Steps, wire.ExplainStep{
			Source: p.Name(), Method: p.method.String(), Reason: p.reason,
			Chunks: len(p.chunks), ChunksRead: len(p.done), Rows: p.rows, BytesRead: uint64(p.read),
		})
	}
	return e
}

// looked notes rows that were looked at one by one, of a log or of an interval that is being counted; nothing where there
// are none.
func (r *run) looked(source, reason string, blocks uint64, rows int64, bytes uint64) {
	if r.query.Explain && blocks > 0 {
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
