package column

import "encoding/binary"

// slack is the number of readable bytes that must follow a bit stream: bits are fetched eight bytes at a time, and a
// value of more than 56 bits may reach into a ninth.
const slack = 9

// bitWriter appends bit fields to a byte slice, the first in the lowest bits.
type bitWriter struct {
	out     []byte
	pending uint64 // the lowest filled bits are yet to be written
	filled  uint   // below 64
}

// write appends the lowest width bits of v, up to 64. The bits above them must be zero.
func (w *bitWriter) write(v uint64, width uint) {
	w.pending |= v << w.filled
	if w.filled+width < 64 {
		w.filled += width
		return
	}
	w.out = binary.LittleEndian.AppendUint64(w.out, w.pending)
	w.pending = v >> (64 - w.filled)
	w.filled += width - 64
}

// flush fills the last byte with zeros.
func (w *bitWriter) flush() {
	for ; w.filled > 0; w.filled -= min(8, w.filled) {
		w.out = append(w.out, byte(w.pending))
		w.pending >>= 8
	}
	w.pending = 0
}

// packedLen is the number of bytes of n values of width bits.
func packedLen(n int, width uint) int { return (n*int(width) + 7) / 8 }

// unpack fills dst with values of width bits, up to 64, from the start of src, which must hold slack bytes after
// them: the callers have checked it.
func unpack(dst []uint64, src []byte, width uint) {
	src = src[:packedLen(len(dst), width)+slack]
	mask := uint64(1)<<width - 1
	at := uint(0)
	switch {
	case width == 0:
		clear(dst)
	case width <= 56:
		for i := range dst {
			dst[i] = binary.LittleEndian.Uint64(src[at>>3:]) >> (at & 7) & mask
			at += width
		}
	default:
		for i := range dst {
			dst[i] = fetch(src, at) & mask
			at += width
		}
	}
}

// fetch returns the 64 bits from bit number at on.
func fetch(src []byte, at uint) uint64 {
	b := src[at>>3:]
	return binary.LittleEndian.Uint64(b)>>(at&7) | uint64(b[8])<<(64-at&7)
}
