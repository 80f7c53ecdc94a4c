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
func (p *part) find(a *filter.Addresses) (spans []span, err error) {
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
	if len(a.V4) < manyRanges {
		for _, r := range a.V4 {
			from, until, err := p.IPv4Range(r.First, r.Last)
			if err != nil {
				return nil, err
			}
			add(from, until)
		}
	} else if err := p.walk4(a.V4, add); err != nil {
		return nil, err
	}
	if len(a.V6) < manyRanges {
		for _, r := range a.V6 {
			from, until, err := p.IPv6Range(r.First, r.Last)
			if err != nil {
				return nil, err
			}
			add(from, until)
		}
	} else if err := p.walk6(a.V6, add); err != nil {
		return nil, err
	}
	if len(a.Lists) == 0 {
		return spans, nil
	}
	return p.findLists(a.Lists, spans)
}

func (p *part) walk4(ranges []filter.Range4, add func(from, until uint32)) error {
	values, err := p.IPv4Values(nil, 0, p.ipv4)
	if err != nil {
		return err
	}
	code := 0
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

func (p *part) walk6(ranges []filter.Range6, add func(from, until uint32)) error {
	values, err := p.IPv6Values(nil, p.ipv4, p.codes)
	if err != nil {
		return err
	}
	code := 0
	for _, r := range ranges {
		code += gallop(len(values)-code, func(i int) bool { return values[code+i].Compare(r.First) >= 0 })
		until := code
		for until < len(values) && values[until].Compare(r.Last) <= 0 {
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
	v4, err := p.IPv4Values(nil, 0, p.ipv4)
	if err != nil {
		return nil, err
	}
	for i, v := range v4 {
		in(uint32(i), address4(v), flow.IPv4)
	}
	v6, err := p.IPv6Values(nil, p.ipv4, p.codes)
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

// maxPostings bounds the codes whose chunks are looked up one by one.
const maxPostings = 256

// postings finds the chunks that hold the destinations of a test, where the segment knows them.
func (p *part) postings(t *test) error {
	n := 0
	for _, s := range t.spans {
		n += int(s.until - s.from)
	}
	if n > maxPostings {
		return nil
	}
	chunks := make([]uint64, len(p.chunks)/64+1)
	for _, s := range t.spans {
		for code := s.from; code < s.until; code++ {
			list, known, err := p.DestinationChunks(code)
			if err != nil || !known {
				return err
			}
			for _, c := range list {
				if int(c) < len(p.chunks) {
					chunks[c/64] |= 1 << (c % 64)
				}
			}
		}
	}
	t.chunks = chunks
	return nil
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
