package query

import (
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/segment"
)

// folded says that the segment has folded rows: those of a flow table that was full, without addresses. They stand
// first among their family, so that one chunk of each is looked at, and only where its bounds admit it.
func (p *part) folded() bool {
	p.foldedOnce.Do(func() {
		p.foldedCodes = p.zeroCodes()
		p.foldedHas = p.foldedCodes != [2]uint32{noCode, noCode}
	})
	return p.foldedHas
}

// zeroCodes are the codes of 0.0.0.0 and ::, where some chunk may have them on both sides.
func (p *part) zeroCodes() (codes [2]uint32) {
	codes = [2]uint32{noCode, noCode}
	for i := range p.chunks {
		c := &p.chunks[i]
		if p.ipv4 > 0 && c.FirstSource == 0 && c.LeastDestination == 0 && codes[0] == noCode {
			if v, err := p.IPv4Values(nil, 0, 1); err == nil && v[0] == 0 {
				codes[0] = 0
			}
		}
		if p.codes > p.ipv4 && c.FirstSource <= p.ipv4 && c.LastSource >= p.ipv4 &&
			c.LeastDestination <= p.ipv4 && c.MostDestination >= p.ipv4 && codes[1] == noCode {
			if v, err := p.IPv6Values(nil, p.ipv4, p.ipv4+1); err == nil && v[0] == (Number6{}) {
				codes[1] = p.ipv4
			}
		}
	}
	return codes
}

// unfold clears the mask for folded rows.
func (p *part) unfold(c *segment.Tuples, mask []uint8) {
	for i := range mask {
		if p.isFolded(c, i) {
			mask[i] = 0
		}
	}
}

func (p *part) isFolded(c *segment.Tuples, i int) bool {
	source := c.Source[i]
	return (source == p.foldedCodes[0] || source == p.foldedCodes[1]) && c.Destination[i] == source &&
		p.services[c.Service[i]].Port == 0
}

// foldedSum adds up what intervals hold without addresses.
type foldedSum struct {
	sum       flow.Counters
	intervals map[foldedInterval]struct{}
}

type foldedInterval struct {
	iface uint16
	stamp int64
}

func (f *foldedSum) add(iface uint16, stamp int64, c flow.Counters) {
	if f.intervals == nil {
		f.intervals = map[foldedInterval]struct{}{}
	}
	f.intervals[foldedInterval{iface, stamp}] = struct{}{}
	f.sum.Add(c)
}

// summary is nil where there is nothing folded.
func (f *foldedSum) summary() *wire.Folded {
	if len(f.intervals) == 0 {
		return nil
	}
	return &wire.Folded{Packets: f.sum.Packets(), Bytes: f.sum.Bytes(), Intervals: uint64(len(f.intervals))}
}

// foldSegment adds the folded rows of a segment within the query's span.
func (r *run) foldSegment(o *opened, first, last int64) error {
	p := &part{Segment: o.Segment}
	ipv4, ipv6 := p.AddressCounts()
	p.ipv4, p.codes = ipv4, ipv4+ipv6
	var err error
	if p.chunks, err = p.Chunks(); err != nil {
		return err
	}
	if !p.folded() {
		return nil
	}
	if p.services, err = p.Services(); err != nil {
		return err
	}
	stamps, err := p.Stamps()
	if err != nil {
		return err
	}
	for i := range p.chunks {
		if err := r.foldChunk(p, o.iface, i, stamps, first, last); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) foldChunk(p *part, iface uint16, chunk int, stamps []int64, first, last int64) error {
	c := &p.chunks[chunk]
	possible := false
	for _, code := range p.foldedCodes {
		possible = possible || code != noCode && c.FirstSource <= code && c.LastSource >= code && c.LeastDestination <= code
	}
	if !possible {
		return nil
	}
	want := segment.Sources | segment.Destinations | segment.Services | segment.RowCounts | segment.StampIndices
	for i := range segment.CounterCount {
		want |= segment.Value << i
	}
	var t segment.Tuples
	if _, err := p.Load(chunk, want, &t); err != nil {
		return nil //nolint:nilerr // the plan meets the same damage and names it
	}
	row := 0
	for i := range t.Source {
		for range t.RowCount[i] {
			if stamp := stamps[t.Stamp[row]]; p.isFolded(&t, i) && stamp >= first && stamp <= last {
				r.foldedSum.add(iface, stamp, valuesAt(&t.Value, row))
			}
			row++
		}
	}
	return nil
}

// valuesAt are the counters of a row.
func valuesAt(columns *[segment.CounterCount][]uint64, row int) (c flow.Counters) {
	for i, column := range columns {
		if column != nil {
			*counterAt(&c, i) = column[row]
		}
	}
	return c
}
