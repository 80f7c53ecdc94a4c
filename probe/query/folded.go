package query

import (
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/segment"
)

// folded says that the segment has folded rows: those of a flow table that was full, without addresses.
func (p *part) folded() bool { return p.Folded().Rows > 0 }

// findZeros finds the codes that folded rows have on both sides.
func (p *part) findZeros() error {
	p.zeros = [2]uint32{noCode, noCode}
	if !p.folded() {
		return nil
	}
	for i, family := range []flow.Family{flow.IPv4, flow.IPv6} {
		code, found, err := p.Lookup(flow.Address{}, family)
		if err != nil {
			return err
		}
		if found {
			p.zeros[i] = code
		}
	}
	return nil
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
	return (source == p.zeros[0] || source == p.zeros[1]) && c.Destination[i] == source &&
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

// foldSegment adds the folded rows of a segment within the span.
func (r *run) foldSegment(o *opened) error {
	p := &part{Reader: o.Reader, ipv4: o.IPv4Count(), codes: o.AddressCount()}
	if !p.folded() {
		return nil
	}
	err := p.findZeros()
	if err == nil {
		p.chunks, err = p.Chunks()
	}
	if err == nil {
		p.services, err = p.Services()
	}
	if err != nil {
		return err
	}
	stamps, err := p.Stamps()
	if err != nil {
		return err
	}
	for i := range p.chunks {
		r.foldChunk(p, o.iface, i, stamps)
	}
	return nil
}

func (r *run) foldChunk(p *part, iface uint16, chunk int, stamps []int64) {
	c := &p.chunks[chunk]
	possible := false
	for _, code := range p.zeros {
		possible = possible || code != noCode && c.FirstSource <= code && c.LastSource >= code && c.LeastDestination <= code
	}
	if !possible {
		return
	}
	want := segment.Sources | segment.Destinations | segment.Services | segment.RowCounts | segment.StampIndices
	for i := range segment.CounterCount {
		want |= segment.Value << i
	}
	var t segment.Tuples
	if err := p.Load(chunk, want, &t); err != nil {
		return // whoever needs the chunk names the damage
	}
	row := 0
	for i := range t.Source {
		for range t.RowCount[i] {
			if stamp := stamps[t.Stamp[row]]; p.isFolded(&t, i) && stamp >= r.first && stamp <= r.last {
				r.foldedSum.add(iface, stamp, valuesAt(&t.Value, row))
			}
			row++
		}
	}
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
