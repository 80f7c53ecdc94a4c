package query

import (
	"fmt"
	"sync"

	"github.com/weirflow/weir/probe/segment"
)

// doubts are the segments whose sums or postings are damaged. Their tuples and rows answer
// in place of these, so that nothing is missing.
type doubts struct {
	mu    sync.Mutex // guards what follows
	seen  map[*segment.Reader]bool
	first error // what was met first
}

// add notes a segment.
func (d *doubts) add(s *segment.Reader, cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil {
		d.seen, d.first = map[*segment.Reader]bool{}, cause
	}
	d.seen[s] = true
}

func (d *doubts) has(s *segment.Reader) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen[s]
}

// notes says what is damaged, nothing where nothing is.
func (d *doubts) notes() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.seen) == 0 {
		return nil
	}
	which := "a segment"
	if n := len(d.seen); n > 1 {
		which = fmt.Sprintf("%d segments, first", n)
	}
	return []string{fmt.Sprintf("sums or postings are damaged in %s: %v; rows were read in their place, nothing is missing", which, d.first)}
}

// doubtful are the parts whose sums turned out to be damaged while they were read.
func (pl *plan) doubtful() (list []*part) {
	for _, p := range pl.parts {
		if p.method.ofSums() && pl.run.doubts.has(p.Reader) {
			list = append(list, p)
		}
	}
	return list
}

// leaveSums makes a part read its tuples or rows, after its sums were found to be damaged.
func (p *part) leaveSums() error {
	p.method, p.test, p.rollups, p.candidates = methodSkipped, p.matches, nil, nil
	stamps, err := p.Stamps()
	if err != nil {
		return err
	}
	p.chooseTuples(within(stamps, p.plan.first, p.plan.last))
	for _, c := range p.candidates {
		p.plan.run.progress.expect(int64(p.chunks[c.chunk].Rows))
	}
	if err := p.prepare(); err != nil {
		p.method, p.candidates = methodSkipped, nil
		return err
	}
	return nil
}
