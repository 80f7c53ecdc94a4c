package query

import (
	"github.com/weirflow/weir/probe/segment"
)

// Segments have sums of each source by quarter of the day. They answer what is grouped by source alone, where quarters
// belong to the answer as a whole or not at all.

// chooseSources takes the sums by source, if they answer exactly. from and until are the stamps within the plan.
func (p *part) chooseSources(stamps []int64, from, until int) bool {
	s := &p.plan.shape
	if !s.source || s.destination || s.port || s.protocol || p.verdicts || !p.HasSourceSums() {
		return false
	}
	if p.test.operation != always && (p.test.operation != onSource || p.test.named || p.fewSources()) {
		return false
	}
	const open = -1
	last, meta := open, p.Meta()
	var inside bool
	var bin int64
	for i, stamp := range stamps {
		in, end := i >= from && i < until, int64(0)
		if in && s.time {
			end = p.plan.run.binEnd(stamp)
		}
		q := meta.QuarterOf(stamp)
		if q == last && (in != inside || end != bin) {
			return false
		}
		last, inside, bin = q, in, end
		if in {
			p.quarters |= 1 << q
		}
	}
	p.method, p.reason = methodSources, "sums by source answer exactly"
	return true
}

// fewSources says that so few sources can match that their tuples are looked for.
func (p *part) fewSources() bool {
	most := int(p.codes)/8 + 1
	return p.test.codesWithin(0, p.codes, most) < most
}

// prepareSources finds the bins of quarters.
func (p *part) prepareSources(stamps []int64) {
	meta := p.Meta()
	for i, stamp := range stamps {
		if p.bins[i] != outside {
			p.quarterBins[meta.QuarterOf(stamp)] = p.bins[i]
		}
	}
}

// bySource says that sums by source are a part of the answer.
func (pl *plan) bySource() bool {
	for _, p := range pl.parts {
		if p.method == methodSources {
			return true
		}
	}
	return false
}

// sources adds the sums by source.
func (w *worker) sources(p *part) error {
	wanted := uint16(0)
	for _, c := range w.plan.counters {
		wanted |= 1 << c
	}
	for page := range p.SourcePages() {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		var failed error
		err := p.SourceSums(page, p.quarters, wanted, func(quarter int, codes []uint32, sums *[segment.CounterCount][]uint64) error {
			failed = w.addSources(p, p.base|p.quarterBins[quarter], codes, sums)
			return failed
		})
		if failed != nil {
			return failed
		}
		if err != nil {
			w.plan.run.doubts.add(p.Reader, err)
			return nil
		}
	}
	return nil
}

// addSources adds the sums of sources, which ascend.
func (w *worker) addSources(p *part, rest uint64, codes []uint32, sums *[segment.CounterCount][]uint64) error {
	var mask []uint8
	if p.test.operation == onSource {
		mask = w.masks.level(0, len(codes))
		p.test.sources(codes, mask)
	}
	n := 0
	for i, code := range codes {
		if mask != nil && mask[i] == 0 {
			continue
		}
		number, err := p.sourceNumber(code)
		if err != nil {
			w.plan.run.lose(p.Reader, -1, err)
			return nil
		}
		k := packed{addresses: uint64(number) << 32, rest: rest}
		if code >= p.ipv4 {
			k.rest |= 1 << packedSix
		}
		w.keys[n], w.rows[n] = k, uint32(i)
		if n++; n == batchSize {
			if err := w.addBatch(w.keys[:n], w.rows[:n], sums); err != nil {
				return err
			}
			n = 0
		}
	}
	return w.addBatch(w.keys[:n], w.rows[:n], sums)
}

// sourceNumber is the number of a source's network in the plan's space.
func (p *part) sourceNumber(code uint32) (uint32, error) {
	if !p.plan.sparse {
		return p.sources[code], nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sparseNumber(code, p.plan.shape.sourceBits)
}
