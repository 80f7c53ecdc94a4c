package arrowstream

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Column is a column of a batch. Its methods take rows of the batch only; which of them fits the column, its Kind says.
type Column struct {
	Kind       Kind
	valid      []byte // a bit for each row; nil: all have a value
	offsets    []byte // of a Text, checked
	values     []byte // of fixed width, long enough for all rows; of a Text its bytes
	dictionary []string
}

// Valid says whether the row has a value.
func (c *Column) Valid(row int) bool { return c.valid == nil || c.valid[row/8]>>(row%8)&1 != 0 }

// Text is the value of a Text; it is valid as long as the column.
func (c *Column) Text(row int) []byte {
	return c.values[binary.LittleEndian.Uint32(c.offsets[4*row:]):binary.LittleEndian.Uint32(c.offsets[4*row+4:])]
}

// Shared is the value of a TextByDictionary, which may be kept; false where the dictionary has no such entry.
func (c *Column) Shared(row int) (string, bool) {
	i := binary.LittleEndian.Uint32(c.values[4*row:])
	if uint64(i) >= uint64(len(c.dictionary)) {
		return "", false
	}
	return c.dictionary[i], true
}

// Uint is the value of an unsigned integer.
func (c *Column) Uint(row int) uint64 {
	switch c.Kind {
	case Uint8:
		return uint64(c.values[row])
	case Uint16:
		return uint64(binary.LittleEndian.Uint16(c.values[2*row:]))
	}
	return binary.LittleEndian.Uint64(c.values[8*row:])
}

// Micros is the value of a time stamp.
func (c *Column) Micros(row int) int64 { return int64(binary.LittleEndian.Uint64(c.values[8*row:])) }

// batch is a record batch, read from its start.
type batch struct {
	f      *flat
	header table
	body   []byte
	rows   int

	nodes, buffers int // places in the metadata
	left, leftOver int // how many of each there are
}

func (b *batch) open() error {
	b.rows = int(b.f.longOf(b.header, 0))
	b.nodes, b.left = b.f.vector(b.header, 1, 16)
	b.buffers, b.leftOver = b.f.vector(b.header, 2, 16)
	switch {
	case b.f.fault:
		return errBroken
	case b.f.table(b.header, 3) != 0:
		return errors.New("the stream is compressed within")
	case b.rows < 0 || b.rows > len(b.body): // every column takes a byte a row at least
		return fmt.Errorf("a batch claims %d rows in %d bytes", b.rows, len(b.body))
	}
	return nil
}

// node begins a column: the number of values that are missing.
func (b *batch) node() (nulls int64, err error) {
	if b.left == 0 {
		return 0, errBroken
	}
	rows, nulls := b.f.int64(b.nodes), b.f.int64(b.nodes+8)
	b.nodes, b.left = b.nodes+16, b.left-1
	if rows != int64(b.rows) {
		return 0, fmt.Errorf("a column has %d of %d rows", rows, b.rows)
	}
	return nulls, nil
}

// buffer is the next part of the body, of so many bytes at least.
func (b *batch) buffer(least int) ([]byte, error) {
	if b.leftOver == 0 {
		return nil, errBroken
	}
	start, n := b.f.int64(b.buffers), b.f.int64(b.buffers+8)
	b.buffers, b.leftOver = b.buffers+16, b.leftOver-1
	size := int64(len(b.body))
	if start < 0 || n < int64(least) || start > size || n > size-start {
		return nil, fmt.Errorf("a buffer of %d bytes at %d, where %d are needed of %d", n, start, least, size)
	}
	return b.body[start : start+n], nil
}

var widths = map[Kind]int{TextByDictionary: 4, Uint8: 1, Uint16: 2, Uint64: 8, Microseconds: 8}

// column reads the parts of a column. It may be taken of a batch that has been checked.
func (b *batch) column(kind Kind) (c Column, err error) {
	c.Kind = kind
	nulls, err := b.node()
	if err != nil {
		return c, err
	}
	least := 0
	if nulls != 0 {
		least = (b.rows + 7) / 8
	}
	if c.valid, err = b.buffer(least); err != nil {
		return c, err
	}
	if nulls == 0 {
		c.valid = nil
	}
	if kind != Text {
		c.values, err = b.buffer(widths[kind] * b.rows)
		return c, err
	}
	if c.offsets, err = b.buffer(4 * (b.rows + 1)); err != nil {
		return c, err
	}
	if c.values, err = b.buffer(0); err != nil {
		return c, err
	}
	before := uint32(0)
	for i := range b.rows + 1 {
		offset := binary.LittleEndian.Uint32(c.offsets[4*i:])
		if offset < before || uint64(offset) > uint64(len(c.values)) {
			return c, fmt.Errorf("row %d: its text ends at %d of %d bytes", i, offset, len(c.values))
		}
		before = offset
	}
	return c, nil
}

// batch reads the columns of a batch.
func (r *Reader) batch(b *batch) error {
	if err := b.open(); err != nil {
		return err
	}
	if len(r.fields) == 0 && b.rows > 0 {
		return errors.New("rows without columns")
	}
	r.columns = r.columns[:0]
	for _, field := range r.fields {
		c, err := b.column(field.Kind)
		if err == nil && b.f.fault {
			err = errBroken
		}
		if err != nil {
			return fmt.Errorf("column %q: %w", field.Name, err)
		}
		c.dictionary = r.dictionaries[field.dictionary]
		r.columns = append(r.columns, c)
	}
	return nil
}

// dictionary reads the texts of a dictionary.
func (r *Reader) dictionary(f *flat, header table) error {
	id := f.longOf(header, 0)
	b := batch{f: f, header: f.table(header, 1), body: r.body.Bytes()}
	if f.byteOf(header, 2) != 0 {
		return errors.New("a dictionary that grows is not known here")
	}
	if _, known := r.dictionaries[id]; !known && len(r.dictionaries) == maxFields {
		return fmt.Errorf("more than %d dictionaries", maxFields)
	}
	if b.header == 0 {
		return errBroken
	}
	if err := b.open(); err != nil {
		return fmt.Errorf("dictionary %d: %w", id, err)
	}
	if b.rows > maxEntries {
		return fmt.Errorf("dictionary %d: %d entries, more than the limit of %d", id, b.rows, maxEntries)
	}
	c, err := b.column(Text)
	if err == nil && f.fault {
		err = errBroken
	}
	if err != nil {
		return fmt.Errorf("dictionary %d: %w", id, err)
	}
	list := make([]string, b.rows)
	for i := range list {
		text := c.Text(i)
		if len(text) > maxTextMember {
			return fmt.Errorf("dictionary %d: an entry has %d bytes, more than the limit of %d", id, len(text), maxTextMember)
		}
		list[i] = string(text)
	}
	r.dictionaries[id] = list
	return nil
}
