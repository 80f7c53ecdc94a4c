package query

import (
	"math/bits"

	"github.com/weirflow/weir/probe/segment"
)

// method is how the rows of a part are summed.
type method uint8

const (
	methodSkipped method = iota
	methodRollup
	methodTotals
	methodSources
	methodSums
	methodRows
)

func (m method) String() string {
	return [...]string{"skipped", "rollup", "totals", "sources", "sums", "rows"}[m]
}

// ofSums says that a part is answered from sums of the segment, and not from its tuples alone.
func (m method) ofSums() bool { return m == methodRollup || m == methodTotals || m == methodSources }

// choose decides how the part is summed: from rollups, from the sums of tuples or from rows, in this order. The stamps from
// from up to and without until are within the plan.
func (p *part) choose(stamps []int64, from, until int) {
	s := &p.plan.shape
	oneBin := !s.time || p.plan.run.binEnd(stamps[from]) == p.plan.run.binEnd(stamps[until-1])
	const attempts = 1<<segment.Attempts | 1<<segment.Accepts | 1<<segment.Rejects
	verdicts := p.HasCounter()&attempts != 0 && (s.verdict || p.test.onVerdicts())
	p.byRow, p.verdicts = !p.whole || !oneBin || verdicts, verdicts
	p.matches = p.test
	if p.plan.run.doubts.has(p.Reader) {
		p.chooseTuples(from, until)
		return
	}
	if p.chooseSources(stamps, from, until) {
		return
	}
	grouped := s.source || s.destination || s.verdict && verdicts
	if !grouped && (p.test.operation == always || p.test.operation == onService) {
		if p.chooseRollup() {
			return
		}
	}
	if len(p.rollups) > 0 {
		p.method, p.reason = methodRollup, "sums by service answer exactly, rows for a few rare services"
		p.findCandidates(from, until)
		return
	}
	p.chooseTuples(from, until)
}

// chooseTuples takes the tuples, or their rows where the sums of tuples are not exact.
func (p *part) chooseTuples(from, until int) {
	p.method, p.reason = methodSums, "all its intervals belong to the answer as a whole"
	if p.byRow {
		p.method = methodRows
		switch {
		case p.verdicts:
			p.reason = "verdicts are those of rows"
		case !p.whole:
			p.reason = "the time span begins or ends inside"
		default:
			p.reason = "bins are shorter than the segment"
		}
	}
	if p.plan.run.doubts.has(p.Reader) {
		p.reason += "; sums or postings of the segment are damaged"
	}
	if p.findCandidates(from, until); len(p.candidates) == 0 {
		p.method, p.reason = methodSkipped, "no chunk can match"
	}
}

// findCandidates lists the chunks that may hold matches.
func (p *part) findCandidates(from, until int) {
	for i := range p.chunks {
		c := &p.chunks[i]
		if int(c.FirstStamp) >= until || int(c.LastStamp) < from {
			continue
		}
		if o := p.test.chunk(i, c); o != none {
			p.candidates = append(p.candidates, candidate{i, o == all})
		}
	}
}

// maxRare is how many services without a rollup are looked for in rows while others are answered from theirs.
const maxRare = 16

// chooseRollup takes sums by stamp or by service where they answer exactly. Where a few rare services have none, it
// is not done: those are left to a test of rows.
func (p *part) chooseRollup() (done bool) {
	s := &p.plan.shape
	if p.test.operation == always && !s.port && !s.protocol {
		p.method, p.reason = methodTotals, "sums by interval answer exactly"
		return true
	}
	if p.test.operation == always {
		p.rollups = p.plan.allRanks(p.ServiceCount())
	} else {
		p.rollups = p.test.ranks()
	}
	if p.byRow { // the least frequent services are those that may have no rollup
		rare, err := p.takeRare()
		if err != nil {
			p.rollups = nil
			p.plan.run.doubts.add(p.Reader, err)
			return false
		}
		if rare {
			return false
		}
	}
	p.method, p.reason = methodRollup, "sums by service answer exactly"
	return true
}

// allRanks lists the first n ranks. All segments share the list.
func (pl *plan) allRanks(n int) []uint32 {
	if n > len(pl.ranks) {
		pl.ranks = counting(nil, n+n/8) // the next segment may have a few more
	}
	return pl.ranks[:n:n]
}

// ranks lists the services that a test lets pass.
func (t *test) ranks() []uint32 {
	var list []uint32
	for i, word := range t.set {
		for ; word != 0; word &= word - 1 {
			list = append(list, uint32(64*i+bits.TrailingZeros64(word)))
		}
	}
	return list
}

// takeRare takes the services without a rollup, which are the least frequent, out of p.rollups and makes the test look
// for them only. Where they are many, nothing stays in p.rollups.
func (p *part) takeRare() (rare bool, err error) {
	known, err := p.RollupCount()
	if err != nil {
		return false, err
	}
	var ranks []uint32
	for len(p.rollups) > 0 {
		last := p.rollups[len(p.rollups)-1]
		if int(last) < known {
			break
		}
		if p.rollups = p.rollups[:len(p.rollups)-1]; len(ranks) == maxRare {
			p.rollups = nil
			return true, nil
		}
		ranks = append(ranks, last)
	}
	if len(ranks) == 0 || len(p.rollups) == 0 {
		return len(ranks) > 0, nil
	}
	t := &test{operation: onService, single: -1, set: make([]uint64, (p.ServiceCount()+63)/64)}
	for _, rank := range ranks {
		t.set[rank/64] |= 1 << (rank % 64)
	}
	p.test = t
	return true, nil
}
