package segment

import (
	"encoding/binary"
	"fmt"

	"github.com/weirflow/weir/probe/column"
)

// Chunks is the directory: what each chunk holds, in the order of tuples. The slice must not be changed.
func (r *Reader) Chunks() ([]Chunk, error) {
	d, err := r.readDirectory()
	if err != nil {
		return nil, err
	}
	return d.chunks, nil
}

// directory is the decoded directory.
type directory struct {
	chunks  []Chunk
	entries []place
}

// place is where a chunk is.
type place struct {
	offset int64 // in the section of chunks
	size   [groupCount]uint32
	crc    uint32
	flags  uint16
}

func (p *place) length() int64 {
	return int64(p.size[groupTuples]) + int64(p.size[groupSums]) + int64(p.size[groupRows])
}

func (r *Reader) readDirectory() (*directory, error) {
	return r.directory.get(func() (*directory, error) {
		b, err := r.section(sectionDirectory)
		if err != nil {
			return nil, err
		}
		d, err := parseDirectory(b, &r.footer, r.find(sectionChunks).length)
		if err != nil {
			return nil, r.sectionError(sectionDirectory, err)
		}
		return d, nil
	})
}

// parseDirectory reads the directory and checks that it fits the footer, and that its chunks fill their section.
func parseDirectory(b []byte, f *footer, length int64) (*directory, error) {
	n := len(b) / entrySize
	if len(b)%entrySize != 0 || uint64(n) != uint64(f.chunks) {
		return nil, fmt.Errorf("%w: %d bytes for %d chunks", ErrDamaged, len(b), f.chunks)
	}
	d := &directory{chunks: make([]Chunk, n), entries: make([]place, n)}
	var end, rows, tuples int64
	source := uint32(0)
	for i := range n {
		c, p := &d.chunks[i], &d.entries[i]
		parseEntry(b[entrySize*i:][:entrySize], c, p)
		c.MixedFamily = c.FirstSource < f.ipv4 && c.LastSource >= f.ipv4
		if !c.valid(f) || p.offset != end || p.flags > flagExplicit || c.FirstSource < source {
			return nil, fmt.Errorf("%w: entry of chunk %d", ErrDamaged, i)
		}
		end += p.length()
		rows, tuples, source = rows+int64(c.Rows), tuples+int64(c.Tuples), c.LastSource
	}
	if end != length || rows != f.rows || tuples != f.tuples {
		return nil, fmt.Errorf("%w: chunks of %d bytes, %d rows, %d tuples; there are %d, %d, %d", ErrDamaged, end, rows, tuples,
			length, f.rows, f.tuples)
	}
	return d, nil
}

func parseEntry(b []byte, c *Chunk, p *place) {
	le := binary.LittleEndian
	p.offset = int64(le.Uint64(b))
	for i := range p.size {
		p.size[i] = le.Uint32(b[8+4*i:])
	}
	c.BytesOfTuples, c.BytesOfSums, c.BytesOfRows = int64(p.size[groupTuples]), int64(p.size[groupSums]), int64(p.size[groupRows])
	p.crc = le.Uint32(b[20:])
	c.Tuples, c.Rows = int(le.Uint32(b[24:])), int(le.Uint32(b[28:]))
	c.FirstSource, c.LastSource = le.Uint32(b[32:]), le.Uint32(b[36:])
	c.LeastDestination, c.MostDestination = le.Uint32(b[40:]), le.Uint32(b[44:])
	c.FirstStamp, c.LastStamp = le.Uint32(b[48:]), le.Uint32(b[52:])
	c.HasCounter, p.flags = le.Uint16(b[56:]), le.Uint16(b[58:])
}

// valid checks a chunk against the bounds that Load relies on.
func (c *Chunk) valid(f *footer) bool {
	codes := uint64(f.ipv4) + uint64(f.ipv6)
	return c.Tuples >= 1 && c.Tuples <= MaxChunkTuples && c.Rows >= c.Tuples && c.Rows <= maxChunkRows &&
		c.FirstSource <= c.LastSource && uint64(c.LastSource) < codes &&
		c.LeastDestination <= c.MostDestination && uint64(c.MostDestination) < codes &&
		c.FirstStamp <= c.LastStamp && c.LastStamp < f.stamps && c.HasCounter>>CounterCount == 0
}

// loader is the scratch space of a Tuples.
type loader struct {
	d         column.Decoder
	bytes     []byte
	b         []byte // what is not yet decoded
	columns   [4][]uint64
	rowCounts []uint64
	sum       [CounterCount][]uint64
	stored    [CounterCount][]uint64 // of the rows, without each tuple's last
	value     [CounterCount][]uint64
	read      int64
}

// BytesRead is the number of bytes that Load has read into t so far.
func (t *Tuples) BytesRead() int64 { return t.loader.read }

const (
	allCounters = 1<<CounterCount - 1
	ofTuples    = Sources | Destinations | Services | RowCounts
)

// sums and values are the counters that are wanted as bits.
func (w Columns) sums() uint16   { return uint16(w/Sum) & allCounters }
func (w Columns) values() uint16 { return uint16(w/Value) & allCounters }

// Load decodes the wanted columns of a chunk into into. It reads those groups of columns that are needed: tuples,
// sums, rows. An error is a *DamageError; then into holds nothing of use, and other chunks can still be loaded.
func (r *Reader) Load(chunk int, want Columns, into *Tuples) error {
	d, err := r.readDirectory()
	if err != nil {
		return err
	}
	if chunk < 0 || chunk >= len(d.chunks) {
		return fmt.Errorf("segment %s: chunk %d of %d", r.name, chunk, len(d.chunks))
	}
	c, p := &d.chunks[chunk], &d.entries[chunk]
	into.reset(c)
	rows := want&StampIndices != 0 || want.values()&c.HasCounter != 0
	needed := [groupCount]bool{
		groupTuples: want&ofTuples != 0 || rows,
		groupSums:   (want.sums()|want.values())&c.HasCounter != 0,
		groupRows:   rows,
	}
	groups, err := r.readGroups(p, needed, &into.loader)
	if err != nil {
		return err
	}
	start := p.offset + r.find(sectionChunks).offset
	for g, load := range [groupCount]func(*Chunk, *place, Columns, uint32) error{into.loadTuples, into.loadSums, into.loadRows} {
		if needed[g] {
			into.loader.b = groups[g]
			err := load(c, p, want, r.footer.services)
			if err == nil && len(into.loader.b) != 0 {
				err = fmt.Errorf("%w: %d bytes after the columns", ErrDamaged, len(into.loader.b))
			}
			if err != nil {
				return r.damage(start, int64(p.size[g]), fmt.Errorf("chunk %d: %w", chunk, columnError(err)))
			}
		}
		start += int64(p.size[g])
	}
	return nil
}

// readGroups reads the groups that are needed, neighbours at once.
func (r *Reader) readGroups(p *place, needed [groupCount]bool, l *loader) (groups [groupCount][]byte, err error) {
	total := 0
	for g, yes := range needed {
		if yes {
			total += int(p.size[g])
		}
	}
	if int64(total) > r.find(sectionChunks).length {
		return groups, r.sectionError(sectionDirectory, fmt.Errorf("%w: chunk of %d bytes", ErrDamaged, total))
	}
	l.bytes = grow(l.bytes, total)
	offset, rest := r.find(sectionChunks).offset+p.offset, l.bytes
	for g := 0; g < groupCount; {
		size, end := 0, g
		for ; end < groupCount && needed[end]; end++ {
			n := int(p.size[end])
			groups[end] = rest[size : size+n : size+n]
			size += n
		}
		if end == g {
			offset += int64(p.size[g])
			g++
			continue
		}
		if err := r.readAt(rest[:size], offset); err != nil {
			return groups, err
		}
		l.read += int64(size)
		offset, rest, g = offset+int64(size), rest[size:], end
	}
	return groups, nil
}

// reset empties t for a chunk.
func (t *Tuples) reset(c *Chunk) {
	t.Count, t.Rows = c.Tuples, c.Rows
	t.Source, t.Destination, t.Service, t.RowCount, t.Stamp = t.Source[:0], t.Destination[:0], t.Service[:0], t.RowCount[:0], t.Stamp[:0]
	t.Sum, t.Value = [CounterCount][]uint64{}, [CounterCount][]uint64{}
	t.loader.rowCounts = t.loader.rowCounts[:0]
}

// next returns the bytes of the chunk of package column that comes next, and how many values it has, at most most.
func (l *loader) next(most int) ([]byte, int, error) {
	info, err := column.Inspect(l.b)
	if err != nil {
		return nil, 0, err
	}
	if info.Count == 0 || info.Count > most {
		return nil, 0, fmt.Errorf("%w: column of %d values, at most %d", ErrDamaged, info.Count, most)
	}
	chunk := l.b[:info.Size]
	l.b = l.b[info.Size:]
	return chunk, info.Count, nil
}

// skip passes over a column of count values.
func (l *loader) skip(count int) error {
	for count > 0 {
		_, n, err := l.next(count)
		if err != nil {
			return err
		}
		count -= n
	}
	return nil
}

// column decodes a column of count values into dst, against context if that is not nil.
func (l *loader) column(dst []uint64, count int, context []uint64) ([]uint64, error) {
	dst = grow(dst, count)
	for at := 0; at < count; {
		chunk, n, err := l.next(count - at)
		if err != nil {
			return dst, err
		}
		part := dst[at : at+n : at+n]
		if context != nil {
			_, err = l.d.DecodeGiven(part, chunk, context[at:at+n])
		} else {
			_, err = l.d.Decode(part, chunk)
		}
		if err != nil {
			return dst, err
		}
		at += n
	}
	return dst, nil
}

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
	if l.columns[0], err = l.column(l.columns[0], c.Tuples, nil); err != nil {
		return err
	}
	t.Service = grow(t.Service, c.Tuples)
	most := uint64(0)
	for i, v := range l.columns[0] {
		most = max(most, v)
		t.Service[i] = uint32(v)
	}
	if most >= uint64(services) {
		return fmt.Errorf("%w: service %d of %d", ErrDamaged, most, services)
	}
	return nil
}

func (t *Tuples) loadRowCounts(c *Chunk, public bool) (err error) {
	l := &t.loader
	if l.rowCounts, err = l.column(l.rowCounts, c.Tuples, nil); err != nil {
		return err
	}
	rows := uint64(0)
	for i, more := range l.rowCounts {
		if more >= maxChunkRows {
			return fmt.Errorf("%w: %d rows", ErrDamaged, more)
		}
		l.rowCounts[i] = more + 1
		rows += more + 1
	}
	if rows != uint64(c.Rows) {
		return fmt.Errorf("%w: %d rows, there are %d", ErrDamaged, rows, c.Rows)
	}
	if public {
		t.RowCount = grow(t.RowCount, c.Tuples)
		for i, n := range l.rowCounts {
			t.RowCount[i] = uint32(n)
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

// counters decodes columns of counters of count values each: those of mask, out of those of has.
func (l *loader) counters(into *[CounterCount][]uint64, count int, mask, has uint16) error {
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
		if into[counter], err = l.column(into[counter], count, against); err != nil {
			return fmt.Errorf("counter %d: %w", counter, err)
		}
	}
	return nil
}

// loadSums decodes the group of sums.
func (t *Tuples) loadSums(c *Chunk, _ *place, want Columns, _ uint32) error {
	l := &t.loader
	mask := withContexts(want.sums()|want.values(), c.HasCounter)
	if err := l.counters(&l.sum, c.Tuples, mask, c.HasCounter); err != nil {
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
	var err error
	if want&StampIndices != 0 {
		err = t.loadStamps(c)
	} else {
		err = l.skipAll(c.Tuples, c.Rows-c.Tuples)
	}
	if err != nil {
		return fmt.Errorf("stamps: %w", err)
	}
	explicit := p.flags&flagExplicit != 0
	stored := c.Rows - c.Tuples
	if explicit {
		stored = c.Rows
	}
	values := want.values() & c.HasCounter
	if stored > 0 {
		if err := l.counters(&l.stored, stored, withContexts(values, c.HasCounter), c.HasCounter); err != nil {
			return fmt.Errorf("rows: %w", err)
		}
	}
	for i := range t.Value {
		if values>>i&1 == 0 {
			continue
		}
		switch {
		case explicit:
			t.Value[i] = l.stored[i]
		case stored == 0:
			t.Value[i] = l.sum[i]
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
	for i, n := range l.rowCounts {
		last := l.sum[counter][i]
		for range n - 1 {
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

func (t *Tuples) loadStamps(c *Chunk) (err error) {
	l := &t.loader
	if l.columns[0], err = l.column(l.columns[0], c.Tuples, nil); err != nil {
		return err
	}
	if l.columns[1], err = l.column(l.columns[1], c.Rows-c.Tuples, nil); err != nil {
		return err
	}
	t.Stamp = grow(t.Stamp, c.Rows)
	steps, out := l.columns[1], t.Stamp
	span := uint64(c.LastStamp - c.FirstStamp)
	for i, first := range l.columns[0] {
		if first > span {
			return fmt.Errorf("%w: first of tuple %d", ErrDamaged, i)
		}
		out[0] = c.FirstStamp + uint32(first)
		n, at := int(l.rowCounts[i]-1), first
		for j, step := range steps[:n] {
			if step >= span-at {
				return fmt.Errorf("%w: row of tuple %d", ErrDamaged, i)
			}
			at += step + 1
			out[j+1] = c.FirstStamp + uint32(at)
		}
		steps, out = steps[n:], out[n+1:]
	}
	return nil
}

// grow returns a slice of length n, in the same memory if that is large enough. Its elements are not cleared.
func grow[T any](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	return make([]T, n)
}
