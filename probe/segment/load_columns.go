package segment

import (
	"fmt"

	"github.com/weirflow/weir/probe/column"
)

// loadTuples decodes the group of tuples: the inverse of chunkBuffer.encodeTuples.
func (t *Tuples) loadTuples(c *Chunk, _ *place, want Columns, services uint32) error {
	l := &t.loader
	info, err := column.Inspect(l.b)
	if err != nil {
		return err
	}
	if info.Count > c.Tuples {
		return fmt.Errorf("%w: %d sources of %d tuples", ErrDamaged, info.Count, c.Tuples)
	}
	runs := info.Count
	if want&(Sources|Destinations) != 0 {
		if err := t.loadSources(c, runs, want&Sources != 0); err != nil {
			return fmt.Errorf("sources: %w", err)
		}
	} else if err := l.skipAll(runs, runs); err != nil {
		return fmt.Errorf("sources: %w", err)
	}
	if want&Destinations != 0 {
		if err := t.loadDestinations(c, runs); err != nil {
			return fmt.Errorf("destinations: %w", err)
		}
	} else if err := l.skipAll(runs, c.Tuples-runs); err != nil {
		return fmt.Errorf("destinations: %w", err)
	}
	if want&Services != 0 {
		if err := t.loadServices(c, services); err != nil {
			return fmt.Errorf("services: %w", err)
		}
	} else if err := l.skip(c.Tuples); err != nil {
		return fmt.Errorf("services: %w", err)
	}
	if want&(RowCounts|StampIndices) != 0 || want.values()&c.HasCounter != 0 {
		err = t.loadRowCounts(c, want&RowCounts != 0)
	} else {
		err = l.skip(c.Tuples)
	}
	if err != nil {
		return fmt.Errorf("row counts: %w", err)
	}
	return nil
}

func (l *loader) skipAll(counts ...int) error {
	for _, n := range counts {
		if err := l.skip(n); err != nil {
			return err
		}
	}
	return nil
}

// loadSources decodes runs of sources; their lengths stay in columns[1].
func (t *Tuples) loadSources(c *Chunk, runs int, expand bool) (err error) {
	l := &t.loader
	if l.columns[0], err = l.column(l.columns[0], runs, nil); err != nil {
		return err
	}
	if l.columns[1], err = l.column(l.columns[1], runs, nil); err != nil {
		return err
	}
	if expand {
		t.Source = grow(t.Source, c.Tuples)
	}
	source, at := uint64(c.FirstSource), 0
	for i, step := range l.columns[0] {
		length := l.columns[1][i]
		if step > uint64(c.LastSource)-source || length >= uint64(c.Tuples-at) || (i == 0) != (step == 0) {
			return fmt.Errorf("%w: run %d", ErrDamaged, i)
		}
		source += step
		end := at + int(length) + 1
		if expand {
			run := t.Source[at:end]
			for j := range run {
				run[j] = uint32(source)
			}
		}
		at = end
	}
	if at != c.Tuples || source != uint64(c.LastSource) {
		return fmt.Errorf("%w: runs of %d tuples up to %d", ErrDamaged, at, source)
	}
	return nil
}

func (t *Tuples) loadDestinations(c *Chunk, runs int) (err error) {
	l := &t.loader
	if l.columns[2], err = l.column(l.columns[2], runs, nil); err != nil {
		return err
	}
	if l.columns[3], err = l.column(l.columns[3], c.Tuples-runs, nil); err != nil {
		return err
	}
	t.Destination = grow(t.Destination, c.Tuples)
	steps, out := l.columns[3], t.Destination
	span := uint64(c.MostDestination - c.LeastDestination)
	for i, first := range l.columns[2] {
		if first > span {
			return fmt.Errorf("%w: run %d", ErrDamaged, i)
		}
		out[0] = c.LeastDestination + uint32(first)
		n := int(l.columns[1][i])
		code := first
		for j, step := range steps[:n] {
			if step > span-code {
				return fmt.Errorf("%w: run %d", ErrDamaged, i)
			}
			code += step
			out[j+1] = c.LeastDestination + uint32(code)
		}
		steps, out = steps[n:], out[n+1:]
	}
	return nil
}

func (t *Tuples) loadServices(c *Chunk, services uint32) (err error) {
	l := &t.loader
	if l.columns[0], err = l.columnAt(l.columns[0], c.Tuples, nil, l.selected); err != nil {
		return err
	}
	t.Service = grow(t.Service, c.Tuples)
	most := uint64(0)
	for _, i := range l.selected {
		v := l.columns[0][i]
		most = max(most, v)
		t.Service[i] = uint32(v)
	}
	if l.selected == nil {
		for i, v := range l.columns[0] {
			most = max(most, v)
			t.Service[i] = uint32(v)
		}
	}
	if most >= uint64(services) {
		return fmt.Errorf("%w: service %d of %d", ErrDamaged, most, services)
	}
	return nil
}

func (t *Tuples) loadRowCounts(c *Chunk, public bool) (err error) {
	l := &t.loader
	if l.further, err = l.column(l.further, c.Tuples, nil); err != nil {
		return err
	}
	rows := uint64(c.Tuples)
	for _, more := range l.further {
		if more >= maxChunkRows {
			return fmt.Errorf("%w: %d rows", ErrDamaged, more)
		}
		rows += more
	}
	if rows != uint64(c.Rows) {
		return fmt.Errorf("%w: %d rows, there are %d", ErrDamaged, rows, c.Rows)
	}
	if l.selected != nil {
		l.findStarts()
	}
	if !public {
		return nil
	}
	t.RowCount, t.FirstRow = grow(t.RowCount, c.Tuples), grow(t.FirstRow, c.Tuples)
	for i, tuple := range l.selected {
		t.FirstRow[tuple], t.RowCount[tuple] = l.starts[i], uint32(l.further[tuple])+1
	}
	if l.selected == nil {
		row := uint32(0)
		for i, more := range l.further {
			t.FirstRow[i], t.RowCount[i] = row, uint32(more)+1
			row += uint32(more) + 1
		}
	}
	return nil
}

// withContexts adds the counters that those of mask are encoded against, in a chunk that has those of has.
func withContexts(mask, has uint16) uint16 {
	mask &= has
	for i := len(counterOrder) - 1; i >= 0; i-- {
		if counter := counterOrder[i]; mask>>counter&1 != 0 {
			if given := companion(counter, has); given != noContext {
				mask |= 1 << given
			}
		}
	}
	return mask
}

// counters decodes columns of counters of count values each: those of mask, out of those of has; at some places, nil
// stands for all.
func (l *loader) counters(into *[CounterCount][]uint64, count int, mask, has uint16, places []uint32) error {
	for _, counter := range counterOrder {
		if has>>counter&1 == 0 {
			continue
		}
		if mask>>counter&1 == 0 {
			if err := l.skip(count); err != nil {
				return fmt.Errorf("counter %d: %w", counter, err)
			}
			continue
		}
		var against []uint64
		if given := companion(counter, has); given != noContext {
			against = into[given]
		}
		var err error
		if into[counter], err = l.columnAt(into[counter], count, against, places); err != nil {
			return fmt.Errorf("counter %d: %w", counter, err)
		}
	}
	return nil
}

// loadSums decodes the group of sums.
func (t *Tuples) loadSums(c *Chunk, _ *place, want Columns, _ uint32) error {
	l := &t.loader
	mask := withContexts(want.sums()|want.values(), c.HasCounter)
	if err := l.counters(&l.sum, c.Tuples, mask, c.HasCounter, l.selected); err != nil {
		return fmt.Errorf("sums: %w", err)
	}
	for i := range t.Sum {
		if want.sums()&c.HasCounter>>i&1 != 0 {
			t.Sum[i] = l.sum[i]
		}
	}
	return nil
}

// loadRows decodes the group of rows: the inverse of chunkBuffer.encodeRows.
func (t *Tuples) loadRows(c *Chunk, p *place, want Columns, _ uint32) error {
	l := &t.loader
	explicit := p.flags&flagExplicit != 0
	single := !explicit && l.selectsSingles()
	l.places = nil
	if l.selected != nil {
		l.findPlaces()
	}
	var err error
	if want&StampIndices != 0 {
		err = t.loadStamps(c, single)
	} else {
		err = l.skipAll(c.Tuples, c.Rows-c.Tuples)
	}
	if err != nil {
		return fmt.Errorf("stamps: %w", err)
	}
	stored := c.Rows - c.Tuples
	places := l.places
	if explicit {
		stored, places = c.Rows, nil
	}
	values := want.values() & c.HasCounter
	if stored > 0 {
		decode := withContexts(values, c.HasCounter)
		if single {
			decode = 0
		}
		if err := l.counters(&l.stored, stored, decode, c.HasCounter, places); err != nil {
			return fmt.Errorf("rows: %w", err)
		}
	}
	for i := range t.Value {
		if values>>i&1 == 0 {
			continue
		}
		switch {
		case explicit:
			l.value[i] = append(l.value[i][:0], l.stored[i]...)
			t.Value[i] = l.value[i]
		case stored == 0:
			t.Value[i] = l.sum[i]
		case l.selected != nil:
			l.value[i] = grow(l.value[i], c.Rows)
			if !l.fillSelected(i) {
				return fmt.Errorf("%w: rows: counter %d: sum is less than its parts", ErrDamaged, i)
			}
			t.Value[i] = l.value[i]
		default:
			l.value[i] = grow(l.value[i], c.Rows)
			if !l.fillValues(i) {
				return fmt.Errorf("%w: rows: counter %d: sum is less than its parts", ErrDamaged, i)
			}
			t.Value[i] = l.value[i]
		}
	}
	return nil
}

// fillValues puts the stored values of a counter in their places, and each tuple's last row, which is what its sum
// leaves.
func (l *loader) fillValues(counter int) bool {
	stored, out := l.stored[counter], l.value[counter]
	at, next := 0, 0
	for i, more := range l.further {
		last := l.sum[counter][i]
		for range more {
			v := stored[next]
			if v > last {
				return false
			}
			last -= v
			out[at] = v
			next++
			at++
		}
		out[at] = last
		at++
	}
	return true
}

// selectsSingles says that all selected tuples have one row.
func (l *loader) selectsSingles() bool {
	if l.selected == nil {
		return false
	}
	for _, i := range l.selected {
		if l.further[i] != 0 {
			return false
		}
	}
	return true
}

// findStarts finds where the rows of the selected tuples begin.
func (l *loader) findStarts() {
	l.starts = grow(l.starts, len(l.selected))
	before, next := uint64(0), 0
	for i, tuple := range l.selected {
		for _, more := range l.further[next:tuple] {
			before += more
		}
		l.starts[i], next = uint32(before)+tuple, int(tuple)
	}
}

// findPlaces finds which of the stored rows are those of the selected tuples. Of each tuple before, one is not stored.
func (l *loader) findPlaces() {
	l.placesOf = l.placesOf[:0]
	for i, tuple := range l.selected {
		for j := range uint32(l.further[tuple]) {
			if len(l.placesOf) == fewPlaces {
				return
			}
			l.placesOf = append(l.placesOf, l.starts[i]-tuple+j)
		}
	}
	l.places = l.placesOf
}

// fewPlaces is the number of rows from which on columns are decoded as a whole.
const fewPlaces = 1024

// fillSelected is fillValues for the selected tuples. Of each tuple before one, one row is not stored.
func (l *loader) fillSelected(counter int) bool {
	stored, out, sums := l.stored[counter], l.value[counter], l.sum[counter]
	for i, tuple := range l.selected {
		start, last := l.starts[i], sums[tuple]
		more := uint32(l.further[tuple])
		for j := range more {
			v := stored[start-tuple+j]
			if v > last {
				return false
			}
			last -= v
			out[start+j] = v
		}
		out[start+more] = last
	}
	return true
}

// loadStamps decodes the stamps of rows; with single, of the first row of each tuple.
func (t *Tuples) loadStamps(c *Chunk, single bool) (err error) {
	l := &t.loader
	if l.columns[0], err = l.columnAt(l.columns[0], c.Tuples, nil, l.selected); err != nil {
		return err
	}
	if single {
		return t.loadFirstStamps(c)
	}
	if l.columns[1], err = l.columnAt(l.columns[1], c.Rows-c.Tuples, nil, l.places); err != nil {
		return err
	}
	t.Stamp = grow(t.Stamp, c.Rows)
	if l.selected != nil {
		return t.fillStamps(c, l.columns[1])
	}
	steps, out := l.columns[1], t.Stamp
	for i, first := range l.columns[0] {
		n := int(l.further[i])
		if err := stampsOf(c, i, first, steps[:n], out[:n+1]); err != nil {
			return err
		}
		steps, out = steps[n:], out[n+1:]
	}
	return nil
}

// stampsOf fills the stamps of a tuple.
func stampsOf(c *Chunk, tuple int, first uint64, steps []uint64, out []uint32) error {
	span, at := uint64(c.LastStamp-c.FirstStamp), first
	if first > span {
		return fmt.Errorf("%w: first of tuple %d", ErrDamaged, tuple)
	}
	out[0] = c.FirstStamp + uint32(first)
	for j, step := range steps {
		if step >= span-at {
			return fmt.Errorf("%w: row of tuple %d", ErrDamaged, tuple)
		}
		at += step + 1
		out[j+1] = c.FirstStamp + uint32(at)
	}
	return nil
}

// fillStamps fills the stamps of the selected tuples; without steps they have a row each.
func (t *Tuples) fillStamps(c *Chunk, steps []uint64) error {
	l := &t.loader
	for i, tuple := range l.selected {
		start, more := l.starts[i], uint32(l.further[tuple])
		var own []uint64
		if more > 0 {
			own = steps[start-tuple:][:more]
		}
		if err := stampsOf(c, int(tuple), l.columns[0][tuple], own, t.Stamp[start:start+more+1]); err != nil {
			return err
		}
	}
	return nil
}

// loadFirstStamps is for selected tuples of a row each.
func (t *Tuples) loadFirstStamps(c *Chunk) error {
	t.Stamp = grow(t.Stamp, c.Rows)
	if err := t.fillStamps(c, nil); err != nil {
		return err
	}
	return t.loader.skip(c.Rows - c.Tuples)
}
