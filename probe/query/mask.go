package query

import (
	"cmp"
	"slices"
	"sort"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
)

// outcome is what a test says about a whole chunk.
type outcome uint8

const (
	none outcome = iota // no tuple matches
	some                // to be seen
	all                 // all match
)

// chunk evaluates a test on what the directory says.
func (t *test) chunk(i int, c *segment.Chunk) outcome {
	switch t.operation {
	case never:
		return none
	case always:
		return all
	case allOf, anyOf:
		neutral, final := all, none
		if t.operation == anyOf {
			neutral, final = none, all
		}
		result := neutral
		for _, o := range t.operands {
			switch o.chunk(i, c) {
			case final:
				return final
			case some:
				result = some
			}
		}
		return result
	case onSource:
		return t.careful(overlap(t.spans, c.FirstSource, c.LastSource))
	case onDestination:
		if t.perChunk != nil && t.perChunk[i] == 0 {
			return none
		}
		return t.careful(overlap(t.spans, c.LeastDestination, c.MostDestination))
	}
	return some
}

// narrow leaves out what the directory decides for a chunk, so that fewer columns are decoded and looked at.
func (t *test) narrow(i int, c *segment.Chunk) *test {
	if t.operation != allOf && t.operation != anyOf {
		return t
	}
	neutral := all
	if t.operation == anyOf {
		neutral = none
	}
	var first *test
	n := 0
	for _, o := range t.operands {
		if o.chunk(i, c) != neutral {
			first = cmp.Or(first, o)
			n++
		}
	}
	switch n {
	case 0, len(t.operands):
		return t
	case 1:
		return first.narrow(i, c)
	}
	kept := make([]*test, 0, n)
	for _, o := range t.operands {
		if o.chunk(i, c) != neutral {
			kept = append(kept, o)
		}
	}
	return &test{operation: t.operation, operands: kept}
}

// perDestination is how many tuples of a chunk are taken to go to one destination.
const perDestination = 16

// guess is about how many tuples of a chunk match, for the choice of a plan: exact it need not be.
func (t *test) guess(i int, c *segment.Chunk) int {
	n := c.Tuples
	switch t.operation {
	case never:
		return 0
	case allOf:
		for _, o := range t.operands {
			n = min(n, o.guess(i, c))
		}
	case anyOf:
		sum := 0
		for _, o := range t.operands {
			sum += o.guess(i, c)
		}
		n = min(n, sum)
	case onSource:
		codes := int(c.LastSource-c.FirstSource) + 1
		n = n * t.codesWithin(c.FirstSource, c.LastSource, codes) / codes
	case onDestination:
		if t.perChunk != nil {
			return min(n, perDestination*int(t.perChunk[i]))
		}
		n = min(n, perDestination*t.codesWithin(c.LeastDestination, c.MostDestination, n/perDestination+1))
	}
	return n
}

// codesWithin is how many codes of the spans are from first to last, both included; it stops to count at most.
func (t *test) codesWithin(first, last uint32, most int) (n int) {
	i, _ := slices.BinarySearchFunc(t.spans, first, func(s span, code uint32) int {
		if s.until <= code {
			return -1
		}
		return 1
	})
	for _, s := range t.spans[i:] {
		if s.from > last || n >= most {
			break
		}
		n += int(min(s.until-1, last)-max(s.from, first)) + 1
	}
	return min(n, most)
}

// careful is for tests that do not hold for folded rows.
func (t *test) careful(o outcome) outcome {
	if o == all && t.named {
		return some
	}
	return o
}

// columns are those that the test looks at.
func (t *test) columns() (want segment.Columns) {
	switch t.operation {
	case onSource:
		want = segment.Sources
	case onDestination:
		want = segment.Destinations
	case onService:
		want = segment.Services
	}
	if t.named {
		want |= segment.Sources | segment.Destinations | segment.Services
	}
	for _, o := range t.operands {
		want |= o.columns()
	}
	return want
}

// names says that the test has to tell folded rows from others.
func (t *test) names() bool {
	return t.named || slices.ContainsFunc(t.operands, (*test).names)
}

// onVerdicts says that the test looks at verdicts.
func (t *test) onVerdicts() bool {
	if t.operation == onVerdict {
		return true
	}
	for _, o := range t.operands {
		if o.onVerdicts() {
			return true
		}
	}
	return false
}

// masks are the buffers in which tests are evaluated, one for each level of the tree.
type masks [][]uint8

func (m *masks) level(i, n int) []uint8 {
	for len(*m) <= i {
		*m = append(*m, nil)
	}
	if cap((*m)[i]) < n {
		(*m)[i] = make([]uint8, n)
	}
	return (*m)[i][:n]
}

// evaluate sets mask to 1 for the tuples that match as far as their rows have the verdict, else to 0.
func (t *test) evaluate(p *part, c *segment.Tuples, verdict flow.Verdict, mask []uint8, m *masks, level int) {
	switch t.operation {
	case never, always:
		fillMask(mask, t.operation == always)
	case onVerdict:
		fillMask(mask, t.verdicts>>verdict&1 != 0)
	case onSource:
		t.sources(c.Source, mask)
	case onDestination:
		t.destinations(c.Destination, mask)
	case onService:
		t.services(c.Service, mask)
	case allOf, anyOf:
		t.combine(p, c, verdict, mask, m, level)
	}
	if t.named {
		p.unfold(c, mask)
	}
}

func fillMask(mask []uint8, holds bool) {
	clear(mask)
	if holds {
		for i := range mask {
			mask[i] = 1
		}
	}
}

func (t *test) combine(p *part, c *segment.Tuples, verdict flow.Verdict, mask []uint8, m *masks, level int) {
	t.operands[0].evaluate(p, c, verdict, mask, m, level+1)
	for _, o := range t.operands[1:] {
		other := m.level(level, len(mask))
		if t.operation == allOf {
			if !anySet(mask) {
				return
			}
			o.evaluate(p, c, verdict, other, m, level+1)
			for i := range mask {
				mask[i] &= other[i]
			}
			continue
		}
		o.evaluate(p, c, verdict, other, m, level+1)
		for i := range mask {
			mask[i] |= other[i]
		}
	}
}

func anySet(mask []uint8) bool {
	for _, m := range mask {
		if m != 0 {
			return true
		}
	}
	return false
}

// sources are sorted: a span of codes is a span of tuples.
func (t *test) sources(codes []uint32, mask []uint8) {
	mask = mask[:len(codes)]
	if t.set != nil {
		for i, code := range codes {
			mask[i] = uint8(t.set[code/64] >> (code % 64) & 1)
		}
		return
	}
	clear(mask)
	for _, s := range t.spans {
		from := sort.Search(len(codes), func(i int) bool { return codes[i] >= s.from })
		for i := from; i < len(codes) && codes[i] < s.until; i++ {
			mask[i] = 1
		}
	}
}

func (t *test) destinations(codes []uint32, mask []uint8) {
	mask = mask[:len(codes)]
	if t.set != nil {
		for i, code := range codes {
			mask[i] = uint8(t.set[code/64] >> (code % 64) & 1)
		}
		return
	}
	clear(mask)
	for _, s := range t.spans {
		from, length := s.from, s.until-s.from
		for i, code := range codes {
			var in uint8
			if code-from < length {
				in = 1
			}
			mask[i] |= in
		}
	}
}

func (t *test) services(ranks []uint32, mask []uint8) {
	mask = mask[:len(ranks)]
	if t.single >= 0 {
		single := uint32(t.single)
		for i, rank := range ranks {
			var in uint8
			if rank == single {
				in = 1
			}
			mask[i] = in
		}
		return
	}
	for i, rank := range ranks {
		mask[i] = uint8(t.set[rank/64] >> (rank % 64) & 1)
	}
}
