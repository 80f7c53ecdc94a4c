package segment

import (
	"encoding/binary"
	"math"

	"github.com/weirflow/weir/probe/column"
)

// maxRollupCells bounds the memory for rollups while a segment is written: services times stamps, 72 bytes each.
const maxRollupCells = 1 << 19

// Family indices of sums by stamp.
const (
	family4 = iota
	family6
	familyCount
)

// stampSums are the sums of a stamp.
type stampSums struct {
	rows     uint64
	counters [CounterCount]uint64
}

// totals collects what a segment knows beside its rows.
type totals struct {
	footer   *footer
	stamps   [familyCount][]stampSums
	services []serviceSums
	cells    [][CounterCount]uint64 // of the first rolled services, by service, then stamp
	rolled   uint32
	folded   []bool // by stamp
}

// serviceSums are the sums of a service.
type serviceSums struct {
	tuples, rows uint64
	counters     [CounterCount]uint64
}

func newTotals(f *footer, frequent int) *totals {
	t := &totals{footer: f, services: make([]serviceSums, f.services)}
	for i := range t.stamps {
		t.stamps[i] = make([]stampSums, f.stamps)
	}
	if f.stamps > 0 {
		t.rolled = uint32(min(frequent, maxRollupCells/int(f.stamps)))
		t.cells = make([][CounterCount]uint64, int(t.rolled)*int(f.stamps))
	}
	t.folded = make([]bool, f.stamps)
	return t
}

// tuple adds a tuple with its rows. Folded tuples are those without addresses.
func (t *totals) tuple(family int, service uint32, folded bool, sum *[CounterCount]uint64, stamps []uint32, rows [][CounterCount]uint64) {
	f := t.footer
	f.tuples++
	f.rows += int64(len(rows))
	add(&f.totals, sum)
	s := &t.services[service]
	s.tuples++
	s.rows += uint64(len(rows))
	add(&s.counters, sum)
	for i, stamp := range stamps {
		by := &t.stamps[family][stamp]
		by.rows++
		add(&by.counters, &rows[i])
	}
	if service < t.rolled {
		cells := t.cells[int(service)*int(f.stamps):]
		for i, stamp := range stamps {
			add(&cells[stamp], &rows[i])
		}
	}
	if folded {
		f.foldedRows += int64(len(rows))
		add(&f.folded, sum)
		for _, stamp := range stamps {
			t.folded[stamp] = true
		}
	}
}

// finish completes the footer's sums.
func (t *totals) finish() {
	f := t.footer
	for i, v := range f.totals {
		if v != 0 {
			f.hasCounter |= 1 << i
		}
	}
	for _, yes := range t.folded {
		if yes {
			f.foldedStamps++
		}
	}
}

// appendServices appends the table of services: protocols, ports, tuples, rows less tuples, counters; by rank.
func (t *totals) appendServices(e *column.Encoder, dst []byte, services []uint32) []byte {
	var protocols, ports, tuples, rows []uint64
	for i, s := range services {
		protocols, ports = append(protocols, uint64(s&0xff)), append(ports, uint64(s>>8))
		tuples, rows = append(tuples, t.services[i].tuples), append(rows, t.services[i].rows-t.services[i].tuples)
	}
	for _, column := range [][]uint64{protocols, ports, tuples, rows} {
		dst = appendColumn(e, dst, column, pieceValues)
	}
	dst, _ = appendCounters(e, dst, len(services), func(i int) *[CounterCount]uint64 { return &t.services[i].counters }, protocols)
	return dst
}

// appendStamps appends the table of stamps: ends, less the first of the segment's bounds, then for each family rows
// and counters.
func (t *totals) appendStamps(e *column.Encoder, dst []byte, stamps []int64) []byte {
	scratch := make([]uint64, 0, len(stamps))
	for _, s := range stamps {
		scratch = append(scratch, uint64(s-t.footer.meta.First))
	}
	dst = appendColumn(e, dst, scratch, pieceValues)
	for _, family := range t.stamps {
		scratch = scratch[:0]
		for i := range family {
			scratch = append(scratch, family[i].rows)
		}
		dst = appendColumn(e, dst, scratch, pieceValues)
		dst, scratch = appendCounters(e, dst, len(family), func(i int) *[CounterCount]uint64 { return &family[i].counters }, scratch)
	}
	return dst
}

// writeRollups writes a rollup for every service with at least least rows, as far as they were collected, and returns
// the index: rank and place of each.
func (t *totals) writeRollups(e *column.Encoder, out *output, least uint64) (index []byte) {
	out.begin(sectionRollups)
	n := 0
	index = binary.LittleEndian.AppendUint32(index, 0)
	var b []byte
	for rank := range t.rolled {
		if t.services[rank].rows < least {
			continue
		}
		start := out.sections[len(out.sections)-1].length
		index = binary.LittleEndian.AppendUint32(index, rank)
		index = binary.LittleEndian.AppendUint64(index, uint64(start))
		n++
		cells := t.cells[int(rank)*int(t.footer.stamps):][:t.footer.stamps]
		b = appendRollup(e, b[:0], cells)
		out.write(b)
	}
	binary.LittleEndian.PutUint32(index, uint32(n))
	return index
}

// appendRollup appends the counters of a service: which stamps have any, as differences less 1, and those.
func appendRollup(e *column.Encoder, dst []byte, cells [][CounterCount]uint64) []byte {
	var steps []uint64
	var places []int
	for i := range cells {
		if cells[i] == [CounterCount]uint64{} {
			continue
		}
		if len(places) == 0 {
			steps = append(steps, uint64(i))
		} else {
			steps = append(steps, uint64(i-places[len(places)-1]-1))
		}
		places = append(places, i)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(places)))
	dst = appendColumn(e, dst, steps, math.MaxUint16)
	dst, _ = appendCounters(e, dst, len(places), func(i int) *[CounterCount]uint64 { return &cells[places[i]] }, steps)
	return dst
}
