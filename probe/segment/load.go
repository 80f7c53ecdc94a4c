package segment

import (
	"fmt"

	"github.com/weirflow/weir/probe/column"
)

// Scratch is what Load works with. Nothing of a Tuples is in it, so that many of them can share one.
type Scratch struct {
	d        column.Decoder
	bytes    []byte           // of a chunk, as they are in the file
	reader   *Reader          // whose chunk that is
	chunk    int              // its number
	have     [groupCount]bool // the groups of it that were read
	b        []byte           // what is not yet decoded
	columns  [4][]uint64
	further  []uint64               // by tuple: rows after its first
	stored   [CounterCount][]uint64 // of the rows, without each tuple's last
	selected []uint32               // tuples whose rows are wanted, ascending; nil: all
	starts   []uint32               // of these: their first rows
	places   []uint32               // of the rows of these that are stored; nil: of all
	placesOf []uint32               // the memory of places
}

// loader is the memory of a Tuples.
type loader struct {
	*Scratch
	sum   [CounterCount][]uint64
	value [CounterCount][]uint64
	read  int64
}

// Share makes t work with a scratch space that others of the same goroutine use, too. Without it has its own.
func (t *Tuples) Share(s *Scratch) { t.loader.Scratch = s }

// BytesRead is the number of bytes that Load has read into t so far.
func (t *Tuples) BytesRead() int64 { return t.loader.read }

const (
	allCounters = 1<<CounterCount - 1
	ofTuples    = Sources | Destinations | Services | RowCounts
)

// sums and values are the counters that are wanted as bits.
func (w Columns) sums() uint16   { return uint16(w/Sum) & allCounters }
func (w Columns) values() uint16 { return uint16(w/Value) & allCounters }

// Load decodes the wanted columns of a chunk into into. It reads those groups of columns that are needed, tuples, sums,
// rows, unless the scratch space has them from the last time. An error is a *DamageError; then into holds nothing of use, and other chunks can still be loaded.
func (r *Reader) Load(chunk int, want Columns, into *Tuples) error {
	return r.LoadSelected(chunk, want, nil, into)
}

// LoadSelected is Load for those who look only at some tuples, in ascending order: of the others, services, rows, sums,
// stamps and counters by row may hold anything. nil stands for all. Few selected tuples need little of the columns decoded;
// where they have a row each, and most have, nothing of those of further rows.
func (r *Reader) LoadSelected(chunk int, want Columns, selected []uint32, into *Tuples) error {
	if into.loader.Scratch == nil {
		into.loader.Scratch = new(Scratch)
	}
	into.loader.selected = selected
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
	groups, err := r.readGroups(chunk, p, needed, &into.loader)
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

// readGroups reads the groups that are needed, neighbours at once, into their places within the chunk.
func (r *Reader) readGroups(chunk int, p *place, needed [groupCount]bool, l *loader) (groups [groupCount][]byte, err error) {
	total := 0
	for _, n := range p.size {
		total += int(n)
	}
	if int64(total) > r.find(sectionChunks).length {
		return groups, r.sectionError(sectionDirectory, fmt.Errorf("%w: chunk of %d bytes", ErrDamaged, total))
	}
	if l.reader != r || l.chunk != chunk {
		l.reader, l.chunk, l.have = r, chunk, [groupCount]bool{}
		l.bytes = grow(l.bytes, total)
	}
	first := r.find(sectionChunks).offset + p.offset
	for g, at := 0, 0; g < groupCount; {
		from := at
		end := g
		for ; end < groupCount && needed[end] && !l.have[end]; end++ {
			n := int(p.size[end])
			groups[end] = l.bytes[at : at+n : at+n]
			at += n
		}
		if end == g {
			n := int(p.size[g])
			groups[g] = l.bytes[at : at+n : at+n]
			at += n
			g++
			continue
		}
		if err := r.readAt(l.bytes[from:at], first+int64(from)); err != nil {
			return groups, err
		}
		l.read += int64(at - from)
		for ; g < end; g++ {
			l.have[g] = true
		}
	}
	return groups, nil
}

// reset empties t for a chunk.
func (t *Tuples) reset(c *Chunk) {
	t.Count, t.Rows = c.Tuples, c.Rows
	t.Source, t.Destination, t.Service, t.RowCount, t.Stamp = t.Source[:0], t.Destination[:0], t.Service[:0], t.RowCount[:0], t.Stamp[:0]
	t.FirstRow = t.FirstRow[:0]
	t.Sum, t.Value = [CounterCount][]uint64{}, [CounterCount][]uint64{}
	t.loader.further = t.loader.further[:0]
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
	return l.columnAt(dst, count, context, nil)
}

// columnAt is column for those who look only at some places, which ascend; nil stands for all.
func (l *loader) columnAt(dst []uint64, count int, context []uint64, places []uint32) ([]uint64, error) {
	dst = grow(dst, count)
	for at := 0; at < count; {
		chunk, n, err := l.next(count - at)
		if err != nil {
			return dst, err
		}
		if n < count {
			places = nil // they are not those of a part
		}
		var given []uint64
		if context != nil {
			given = context[at : at+n]
		}
		if _, err = l.d.DecodeSome(dst[at:at+n:at+n], chunk, given, places); err != nil {
			return dst, err
		}
		at += n
	}
	return dst, nil
}

// grow returns a slice of length n, in the same memory if that is large enough. Its elements are not cleared.
func grow[T any](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	return make([]T, n)
}
