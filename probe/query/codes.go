package query

import (
	"slices"
	"sort"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
)

// manyRanges is the number of address ranges from which on the whole dictionary is walked along them.
const manyRanges = 64

// find returns the codes of a set of addresses in the segment's dictionaries.
func (p *part) find(c *condition) (spans []span, err error) {
	add := func(from, until uint32) {
		if from >= until {
			return
		}
		if n := len(spans); n > 0 && spans[n-1].until == from {
			spans[n-1].until = until
			return
		}
		spans = append(spans, span{from, until})
	}
	if len(c.four) < manyRanges {
		four, err := p.IPv4()
		if err != nil {
			return nil, err
		}
		for _, r := range c.four {
			from, until, err := four.Range(r.First, r.Last)
			if err != nil {
				return nil, err
			}
			add(from, until)
		}
	} else if err := p.walk4(c.four, add); err != nil {
		return nil, err
	}
	if len(c.six) < manyRanges {
		six, err := p.IPv6()
		if err != nil {
			return nil, err
		}
		for _, r := range c.six {
			from, until, err := six.Range(r.first, r.last)
			if err != nil {
				return nil, err
			}
			add(from, until)
		}
	} else if err := p.walk6(c.six, add); err != nil {
		return nil, err
	}
	if len(c.lists) == 0 {
		return spans, nil
	}
	return p.findLists(c.lists, spans)
}

func (p *part) walk4(ranges []filter.Range4, add func(from, until uint32)) error {
	if p.four == nil { // source and destination of one term ask for the same
		var err error
		if p.four, err = p.values4(make([]uint32, 0, p.ipv4)); err != nil {
			return err
		}
	}
	values, code := p.four, 0
	for _, r := range ranges {
		code += gallop(len(values)-code, func(i int) bool { return values[code+i] >= r.First })
		until := code
		for until < len(values) && values[until] <= r.Last {
			until++
		}
		add(uint32(code), uint32(until))
		code = until
	}
	return nil
}

func (p *part) walk6(ranges []range6, add func(from, until uint32)) error {
	values, err := p.values6()
	if err != nil {
		return err
	}
	code := 0
	for _, r := range ranges {
		code += gallop(len(values)-code, func(i int) bool { return values[code+i].Compare(r.first) >= 0 })
		until := code
		for until < len(values) && values[until].Compare(r.last) <= 0 {
			until++
		}
		add(p.ipv4+uint32(code), p.ipv4+uint32(until))
		code = until
	}
	return nil
}

// gallop is sort.Search for a place that is near the beginning.
func gallop(n int, holds func(i int) bool) int {
	low, step := 0, 1
	for low+step < n && !holds(low+step) {
		low += step
		step *= 2
	}
	end := min(low+step+1, n)
	return low + sort.Search(end-low, func(i int) bool { return holds(low + i) })
}

// findLists adds the codes of the addresses in named lists, which are asked one by one.
func (p *part) findLists(lists []filter.Set, spans []span) ([]span, error) {
	known := make([]uint64, p.codes/64+1)
	fill(known, spans)
	in := func(code uint32, a flow.Address, family flow.Family) {
		for _, list := range lists {
			if list.Contains(a.Netip(family)) {
				known[code/64] |= 1 << (code % 64)
				return
			}
		}
	}
	v4, err := p.values4(nil)
	if err != nil {
		return nil, err
	}
	for i, v := range v4 {
		in(uint32(i), address4(v), flow.IPv4)
	}
	v6, err := p.values6()
	if err != nil {
		return nil, err
	}
	for i, v := range v6 {
		in(p.ipv4+uint32(i), address6(v), flow.IPv6)
	}
	spans = spans[:0:0]
	for code := range p.codes {
		if known[code/64]>>(code%64)&1 == 0 {
			continue
		}
		if n := len(spans); n > 0 && spans[n-1].until == code {
			spans[n-1].until++
		} else {
			spans = append(spans, span{code, code + 1})
		}
	}
	return spans, nil
}

// codeTest makes a test on source or destination codes.
func (p *part) codeTest(o operation, spans []span) *test {
	switch {
	case len(spans) == 0:
		return neverTest
	case len(spans) == 1 && spans[0] == span{0, p.codes}:
		return alwaysTest
	}
	t := &test{operation: o, spans: spans}
	if len(spans) > fewSpans {
		t.set = make([]uint64, p.codes/64+1)
		fill(t.set, spans)
	}
	return t
}

func fill(set []uint64, spans []span) {
	for _, s := range spans {
		for code := s.from; code < s.until; code++ {
			if code%64 == 0 && s.until-code >= 64 {
				set[code/64] = ^uint64(0)
				code += 63
				continue
			}
			set[code/64] |= 1 << (code % 64)
		}
	}
}

// maxPostings bounds the destinations whose chunks are looked up.
const maxPostings = 1024

// postings finds how many of some destinations each chunk holds, nil where the segment does not know or they are many.
func (p *part) postings(spans []span) []uint16 {
	if !p.HasPostings() || p.plan.run.doubts.has(p.Reader) {
		return nil
	}
	var codes []uint32
	for _, s := range spans {
		if len(codes)+int(s.until-s.from) > maxPostings {
			return nil
		}
		for code := s.from; code < s.until; code++ {
			codes = append(codes, code)
		}
	}
	perChunk := make([]uint16, len(p.chunks))
	if err := p.MatchDestinations(codes, func(_ int, chunk uint32) { perChunk[chunk]++ }); err != nil {
		p.plan.run.doubts.add(p.Reader, err)
		return nil
	}
	return perChunk
}

// overlap says how codes from first to last, both included, meet sorted spans.
func overlap(spans []span, first, last uint32) outcome {
	i, _ := slices.BinarySearchFunc(spans, first, func(s span, code uint32) int {
		if s.until <= code {
			return -1
		}
		return 1
	})
	switch {
	case i == len(spans) || spans[i].from > last:
		return none
	case spans[i].from <= first && spans[i].until > last:
		return all
	}
	return some
}

// values4 appends all IPv4 addresses of the segment.
func (p *part) values4(to []uint32) ([]uint32, error) {
	d, err := p.IPv4()
	if err != nil || p.ipv4 == 0 {
		return to, err
	}
	return d.Values(to, 0, p.ipv4)
}

// values6 are all IPv6 addresses of the segment.
func (p *part) values6() ([]number6, error) {
	d, err := p.IPv6()
	if err != nil || p.ipv4 == p.codes {
		return nil, err
	}
	return d.Values(make([]number6, 0, p.codes-p.ipv4), p.ipv4, p.codes)
}
