package segment

import (
	"encoding/binary"

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

// appendServices appends the services by rank: port × 256 + protocol, as zigzag-coded differences. Services with as
// many rows stand in order, so those are small where most services are.
func appendServices(e *column.Encoder, dst []byte, services []uint32) []byte {
	steps := make([]uint64, len(services))
	previous := uint32(0)
	for i, s := range services {
		step := int64(s) - int64(previous)
		steps[i] = uint64(step<<1 ^ step>>63)
		previous = s
	}
	return appendLead(e, dst, steps)
}

// appendServiceSums appends the sums of all services, by rank: tuples, rows less tuples, counters.
func (t *totals) appendServiceSums(e *column.Encoder, dst []byte) []byte {
	tuples, rows := make([]uint64, len(t.services)), make([]uint64, len(t.services))
	for i := range t.services {
		tuples[i], rows[i] = t.services[i].tuples, t.services[i].rows-t.services[i].tuples
	}
	dst = appendLead(e, appendLead(e, dst, tuples), rows)
	return appendCounters(e, dst, len(t.services), leadValues, func(i int) *[CounterCount]uint64 { return &t.services[i].counters })
}

// appendStamps appends the ends of the intervals, less the first of the segment's bounds.
func (t *totals) appendStamps(e *column.Encoder, dst []byte, stamps []int64) []byte {
	ends := make([]uint64, len(stamps))
	for i, s := range stamps {
		ends[i] = uint64(s - t.footer.meta.First)
	}
	return appendColumn(e, dst, ends, pieceValues)
}

// appendStampSums appends the sums of all stamps: for each family rows and counters.
func (t *totals) appendStampSums(e *column.Encoder, dst []byte) []byte {
	for _, family := range t.stamps {
		rows := make([]uint64, len(family))
		for i := range family {
			rows[i] = family[i].rows
		}
		dst = appendColumn(e, dst, rows, pieceValues)
		dst = appendCounters(e, dst, len(family), pieceValues, func(i int) *[CounterCount]uint64 { return &family[i].counters })
	}
	return dst
}

// writeRollups writes the rollups of the first ranks, as many as were collected, and returns the index.
func (t *totals) writeRollups(e *column.Encoder, out *output) (x index) {
	out.begin(sectionRollups)
	var b []byte
	for rank := range t.rolled {
		start := out.sections[len(out.sections)-1].length
		cells := t.cells[int(rank)*int(t.footer.stamps):][:t.footer.stamps]
		b = appendRollup(e, b[:0], cells)
		x.addPage(start, b)
		out.write(b)
	}
	return x
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
	dst = appendColumn(e, dst, steps, pieceValues)
	return appendCounters(e, dst, len(places), pieceValues, func(i int) *[CounterCount]uint64 { return &cells[places[i]] })
}
