package segment

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/column"
)

// pieceValues is the greatest number of values of a table's column under one codec and checksum.
const pieceValues = 1 << 14

// leadValues is the length of the first piece of the columns of services: most questions are about frequent ones.
const leadValues = 512

// appendLead is appendColumn with a short first piece.
func appendLead(e *column.Encoder, dst []byte, values []uint64) []byte {
	n := min(leadValues, len(values))
	return appendColumn(e, appendColumn(e, dst, values[:n], leadValues), values[n:], pieceValues)
}

// appendColumn appends the values as chunks of package column, pieces long each; none for no values.
func appendColumn(e *column.Encoder, dst []byte, values []uint64, piece int) []byte {
	for len(values) > 0 {
		n := min(piece, len(values))
		dst = e.Append(dst, values[:n])
		values = values[n:]
	}
	return dst
}

// tableScratch is what decoding tables takes: a decoder, some ten kilobytes, the columns of a table, and its bytes.
type tableScratch struct {
	column.Decoder
	columns [24][]uint64 // as many as any table has
	bytes   []byte
	codes   []uint32 // or numbers of chunks
}

// tableScratches keeps it from table to table and reader to reader: the segments that a query opens, by the hundred, need a
// few small tables each, and new memory costs more than to decode into it. It holds no state.
var tableScratches = sync.Pool{New: func() any { return new(tableScratch) }}

// maxKeptBytes is how large the bytes of a table may be that are kept for the next one. Columns are kept up to a piece.
const maxKeptBytes = 1 << 20

// tableReader reads the columns of a section one after the other. It must be released, and so are then the columns.
type tableReader struct {
	s    *tableScratch
	b    []byte
	used int // of the scratch space's columns
}

func newTableReader(b []byte) tableReader {
	return tableReader{s: tableScratches.Get().(*tableScratch), b: b}
}

// sectionTable is newTableReader for a section that nobody keeps.
func (r *Reader) sectionTable(id sectionID) (tableReader, error) {
	t := newTableReader(nil)
	b, err := r.sectionInto(&t.s.bytes, id)
	return t.of(b, err)
}

// pageTable is newTableReader for a part of a section that nobody keeps.
func (r *Reader) pageTable(id sectionID, start, end int64) (tableReader, error) {
	t := newTableReader(nil)
	b, err := r.pagesInto(&t.s.bytes, id, start, end)
	return t.of(b, err)
}

// of takes what was read, or releases the reader where that failed.
func (t tableReader) of(b []byte, err error) (tableReader, error) {
	if err != nil {
		t.release()
		return tableReader{}, err
	}
	t.b = b
	return t, nil
}

func (t *tableReader) release() {
	for i, c := range t.s.columns {
		if cap(c) > pieceValues {
			t.s.columns[i] = nil
		}
	}
	if cap(t.s.bytes) > maxKeptBytes {
		t.s.bytes = nil
	}
	if 4*cap(t.s.codes) > maxKeptBytes {
		t.s.codes = nil
	}
	tableScratches.Put(t.s)
}

// next returns where a column of the scratch space is that is not in use.
func (t *tableReader) next() *[]uint64 {
	t.used++
	return &t.s.columns[t.used-1]
}

// column returns the next count values.
func (t *tableReader) column(count int) ([]uint64, error) { return t.given(count, nil) }

// given returns the next count values, which were encoded against context, if that is not nil. What it allocates grows
// with what it has decoded.
func (t *tableReader) given(count int, context []uint64) ([]uint64, error) {
	var values []uint64
	part := t.next()
	for len(values) < count {
		info, err := column.Inspect(t.b)
		if err != nil {
			return nil, err
		}
		if info.Count == 0 || info.Count > count-len(values) {
			return nil, fmt.Errorf("%w: column of %d values, %d missing", ErrDamaged, info.Count, count-len(values))
		}
		if context == nil {
			*part, err = t.s.Decode(*part, t.b[:info.Size])
		} else {
			*part, err = t.s.DecodeGiven(*part, t.b[:info.Size], context[len(values):][:info.Count])
		}
		if err != nil {
			return nil, err
		}
		t.b = t.b[info.Size:]
		if len(values) == 0 && info.Count == count {
			return *part, nil
		}
		values = append(values, *part...)
	}
	return values, nil
}

// u16 reads a number between columns.
func (t *tableReader) u16() (uint16, error) {
	if len(t.b) < 2 {
		return 0, fmt.Errorf("%w: table ends early", ErrDamaged)
	}
	v := binary.LittleEndian.Uint16(t.b)
	t.b = t.b[2:]
	return v, nil
}

// end checks that nothing follows.
func (t *tableReader) end() error {
	if len(t.b) != 0 {
		return fmt.Errorf("%w: %d bytes after the table", ErrDamaged, len(t.b))
	}
	return nil
}

// appendCounters appends which counters are not zero everywhere, and a column for each that is not, in the order and
// with the companions they have in chunks. The first piece of a column has lead values.
func appendCounters(e *column.Encoder, dst []byte, n, lead int, at func(i int) *[CounterCount]uint64) []byte {
	var columns [CounterCount][]uint64
	mask := uint16(0)
	for i := range n {
		for c, v := range at(i) {
			if v != 0 {
				mask |= 1 << c
			}
		}
	}
	dst = binary.LittleEndian.AppendUint16(dst, mask)
	for _, c := range counterOrder {
		if mask>>c&1 == 0 {
			continue
		}
		values := make([]uint64, n)
		for i := range n {
			values[i] = at(i)[c]
		}
		columns[c] = values
		given := companion(c, mask)
		for from, to := 0, min(lead, n); from < n; from, to = to, min(to+pieceValues, n) {
			if given == noContext {
				dst = e.Append(dst, values[from:to])
			} else {
				dst = e.AppendGiven(dst, values[from:to], columns[given][from:to])
			}
		}
	}
	return dst
}

// counters is the inverse of appendCounters.
func (t *tableReader) counters(n int, set func(i int) *flow.Counters) error {
	mask, err := t.u16()
	if err != nil {
		return err
	}
	if mask>>CounterCount != 0 {
		return fmt.Errorf("%w: unknown counters %#x", ErrDamaged, mask)
	}
	var columns [CounterCount][]uint64
	for _, c := range counterOrder {
		if mask>>c&1 == 0 {
			continue
		}
		var context []uint64
		if given := companion(c, mask); given != noContext {
			context = columns[given]
		}
		if columns[c], err = t.given(n, context); err != nil {
			return err
		}
		for i, v := range columns[c] {
			setCounter(set(i), c, v)
		}
	}
	return nil
}
