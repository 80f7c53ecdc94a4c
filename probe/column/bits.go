package column

import "encoding/binary"

// Bit streams are read eight bytes at a time through an array that starts at the current place, so that an index into
// it needs a mask and no comparison. What is read past the end of a stream is of no use and found by its caller, but
// it must be there: groupSlack bytes after packed values, windowSlack after streams.
const (
	// Slack is how much capacity behind a dictionary saves copying a part of it.
	Slack = groupSlack

	groupWindow  = groupSize * 8
	groupSlack   = groupWindow + 16
	streamWindow = 1 << 14
	windowSlack  = streamWindow + 16
)

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

// bits is the number of bits that have been written.
func (w *bitWriter) bits() int { return 8*len(w.out) + int(w.filled) }

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

// unpack fills dst, of up to groupSize values, with values of width bits, up to 64. src must be groupSlack bytes long.
func unpack(dst []uint64, src []byte, width uint) {
	w := (*[groupSlack]byte)(src)
	mask := uint64(1)<<width - 1
	at := uint(0)
	if width > 56 { // may reach into a ninth byte
		for i := range dst {
			p := at >> 3 & (groupWindow - 1)
			dst[i] = fetch(w[p:p+9], at) & mask
			at += width
		}
		return
	}
	for i := range dst {
		p := at >> 3 & (groupWindow - 1)
		dst[i] = binary.LittleEndian.Uint64(w[p:p+8]) >> (at & 7) & mask
		at += width
	}
}

// fetch returns the 64 bits from bit at%8 of b on, which holds nine bytes.
func fetch(b []byte, at uint) uint64 {
	return binary.LittleEndian.Uint64(b)>>(at&7) | uint64(b[8])<<(64-at&7)
}
