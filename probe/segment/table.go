package segment

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/weirflow/weir/probe/column"
)

// pieceValues is the greatest number of values of a table's column under one codec and checksum.
const pieceValues = 1 << 14

// appendColumn appends the values as chunks of package column, pieces long each; none for no values.
func appendColumn(e *column.Encoder, dst []byte, values []uint64, piece int) []byte {
	for len(values) > 0 {
		n := min(piece, len(values))
		dst = e.Append(dst, values[:n])
		values = values[n:]
	}
	return dst
}

// decoders keeps the scratch space of decoders, some ten kilobytes each, from table to table and reader to reader: of
// the hundreds of segments that a query opens, most need one small table. It holds no state.
var decoders = sync.Pool{New: func() any { return new(column.Decoder) }}

// tableReader reads the columns of a section one after the other. It must be released.
type tableReader struct {
	d *column.Decoder
	b []byte
}

func newTableReader(b []byte) tableReader { return tableReader{decoders.Get().(*column.Decoder), b} }

func (t *tableReader) release() { decoders.Put(t.d) }

// column returns the next count values.
func (t *tableReader) column(count int) ([]uint64, error) {
	var values, part []uint64
	for len(values) < count {
		info, err := column.Inspect(t.b)
		if err != nil {
			return nil, err
		}
		if info.Count == 0 || info.Count > count-len(values) {
			return nil, fmt.Errorf("%w: column of %d values, %d missing", ErrDamaged, info.Count, count-len(values))
		}
		if part, err = t.d.Decode(part, t.b[:info.Size]); err != nil {
			return nil, err
		}
		t.b = t.b[info.Size:]
		if len(values) == 0 && info.Count == count {
			return part, nil
		}
		values = append(values, part...)
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

// appendCounters appends which counters are not zero everywhere, and a column for each that is not.
func appendCounters(e *column.Encoder, dst []byte, n int, at func(i int) *[CounterCount]uint64, scratch []uint64) ([]byte, []uint64) {
	mask := uint16(0)
	for i := range n {
		for c, v := range at(i) {
			if v != 0 {
				mask |= 1 << c
			}
		}
	}
	dst = binary.LittleEndian.AppendUint16(dst, mask)
	for c := range CounterCount {
		if mask>>c&1 == 0 {
			continue
		}
		scratch = scratch[:0]
		for i := range n {
			scratch = append(scratch, at(i)[c])
		}
		dst = appendColumn(e, dst, scratch, pieceValues)
	}
	return dst, scratch
}

// counters is the inverse of appendCounters.
func (t *tableReader) counters(n int, set func(i, counter int, v uint64)) error {
	mask, err := t.u16()
	if err != nil {
		return err
	}
	if mask>>CounterCount != 0 {
		return fmt.Errorf("%w: unknown counters %#x", ErrDamaged, mask)
	}
	for c := range CounterCount {
		if mask>>c&1 == 0 {
			continue
		}
		values, err := t.column(n)
		if err != nil {
			return err
		}
		for i, v := range values {
			set(i, c, v)
		}
	}
	return nil
}
