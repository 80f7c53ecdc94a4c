package column

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/klauspost/compress/huff0"
)

// class is what a symbol stands for: a value, or the smallest value of a class and the bits it leaves open.
type class struct {
	base uint64
	mask uint64 // of the open bits
	open uint64 // how many bits are open
}

// noClass is the number of open bits of a symbol that is not in the table: more than any chunk has.
const noClass = 1 << 32

// unclass decodes a body of the codec Classes into dst.
func (d *Decoder) unclass(dst []uint64, body []byte) error {
	rest, widest, err := d.readClasses(body)
	if err != nil {
		return err
	}
	size, n := binary.Uvarint(rest)
	if n <= 0 || size > uint64(len(rest)-n) {
		return fmt.Errorf("%w: length of symbols", ErrDamaged)
	}
	coded, open := rest[n:n+int(size)], rest[n+int(size):]
	d.symbols = grow(d.symbols, len(dst))
	if err := d.readSymbols(d.symbols, coded); err != nil {
		return err
	}
	if !d.join(dst, open, widest) {
		return fmt.Errorf("%w: open bits of classes", ErrDamaged)
	}
	return nil
}

// readClasses fills the table of symbols and returns what follows it, and the greatest number of open bits.
func (d *Decoder) readClasses(b []byte) (rest []byte, widest uint64, err error) {
	bad := func(what string) ([]byte, uint64, error) { return nil, 0, fmt.Errorf("%w: %s", ErrDamaged, what) }
	if len(b) < 2 {
		return bad("set of classes")
	}
	first, span := int(b[0]), int(b[1])
	set := (span + 7) / 8
	if first+span > classCount || len(b) < 2+set+1 {
		return bad("set of classes")
	}
	table := &d.table
	symbols := 0
	for i, b8 := range b[2 : 2+set] {
		for ; b8 != 0; b8 &= b8 - 1 {
			at := first + 8*i + bits.TrailingZeros8(b8)
			if at >= first+span {
				return bad("set of classes")
			}
			base, open := classBase(uint(at))
			table[symbols] = class{base: base, mask: 1<<open - 1, open: uint64(open)}
			widest = uint64(open)
			symbols++
		}
	}
	b = b[2+set:]
	frequent := int(b[0])
	if frequent > maxFrequent {
		return bad("number of frequent values")
	}
	b = b[1:]
	value := uint64(0)
	for range frequent {
		difference, n := binary.Uvarint(b)
		if n <= 0 {
			return bad("frequent values")
		}
		b = b[n:]
		value += difference
		table[symbols] = class{base: value}
		symbols++
	}
	for i := symbols; i < len(table); i++ {
		table[i].open = noClass
	}
	return b, widest, nil
}

// readSymbols fills symbols from their coded form.
func (d *Decoder) readSymbols(symbols, coded []byte) error {
	switch len(coded) {
	case 0:
		clear(symbols)
		return nil
	case len(symbols):
		copy(symbols, coded)
		return nil
	}
	var err error
	if d.huffman == nil {
		d.huffman = &huff0.Scratch{}
	}
	d.huffman, coded, err = huff0.ReadTable(coded, d.huffman)
	if err != nil {
		return fmt.Errorf("%w: Huffman table: %w", ErrDamaged, err)
	}
	out := symbols[:0:len(symbols)]
	if len(symbols) < manySymbols {
		out, err = d.huffman.Decoder().Decompress1X(out, coded)
	} else {
		out, err = d.huffman.Decoder().Decompress4X(out, coded)
	}
	if err != nil {
		return fmt.Errorf("%w: symbols: %w", ErrDamaged, err)
	}
	if len(out) != len(symbols) {
		return fmt.Errorf("%w: %d symbols for %d values", ErrDamaged, len(out), len(symbols))
	}
	return nil
}

// batch is the number of values whose open bits, up to 62 each, fit a window.
const batch = 4096

// join puts symbols and open bits together. It reports false if there are not exactly as many bits as they take.
func (d *Decoder) join(dst []uint64, open []byte, widest uint64) bool {
	bits := d.padded(open, windowSlack)
	symbols, at := d.symbols[:len(dst)], uint64(0)
	for len(dst) > 0 {
		if at > 8*uint64(len(open)) {
			return false
		}
		n := min(batch, len(dst))
		w := (*[windowSlack]byte)(bits[at>>3:])
		if widest > 56 {
			at = joinWide(dst[:n], symbols[:n], &d.table, w, at&7) + at&^7
		} else {
			at = join(dst[:n], symbols[:n], &d.table, w, at&7) + at&^7
		}
		dst, symbols = dst[n:], symbols[n:]
	}
	return (at+7)/8 == uint64(len(open))
}

// join decodes up to batch values from bit number at of the window, and returns the number of the bit after them.
func join(dst []uint64, symbols []byte, table *[256]class, w *[windowSlack]byte, at uint64) uint64 {
	symbols = symbols[:len(dst)]
	for i, s := range symbols {
		c := &table[s]
		p := at >> 3 & (streamWindow - 1)
		dst[i] = c.base + binary.LittleEndian.Uint64(w[p:p+8])>>(at&7)&c.mask
		at += c.open
	}
	return at
}

// joinWide is join for classes that leave more than 56 bits open.
func joinWide(dst []uint64, symbols []byte, table *[256]class, w *[windowSlack]byte, at uint64) uint64 {
	symbols = symbols[:len(dst)]
	for i, s := range symbols {
		c := &table[s]
		p := at >> 3 & (streamWindow - 1)
		dst[i] = c.base + fetch(w[p:p+9], uint(at))&c.mask
		at += c.open
	}
	return at
}
