package column

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// groupSize is the number of values of a packed group; the last one of a column may be shorter.
const groupSize = 128

// packing is how a group is packed: values that need more than width bits are exceptions, whose upper bits follow
// with a width of their own.
type packing struct {
	width, upper byte
	exceptions   int
	size         int // bytes of the group
}

// planGroup finds the smallest packing of up to groupSize values less base.
func planGroup(values []uint64, base uint64) packing {
	var count [65]int
	widest := 0
	for _, v := range values {
		n := bits.Len64(v - base)
		count[n]++
		widest = max(widest, n)
	}
	best := packing{width: byte(widest), size: 2 + packedLen(len(values), uint(widest))}
	exceptions := 0
	for width := widest - 1; width >= 0; width-- {
		exceptions += count[width+1]
		upper := uint(widest - width)
		size := 3 + packedLen(len(values), uint(width)) + exceptions + packedLen(exceptions, upper)
		if size < best.size {
			best = packing{width: byte(width), upper: byte(upper), exceptions: exceptions, size: size}
		}
	}
	return best
}

// appendGroup appends a group as planned.
func appendGroup(dst []byte, values []uint64, base uint64, p packing) []byte {
	dst = append(dst, p.width, byte(p.exceptions))
	if p.exceptions > 0 {
		dst = append(dst, p.upper)
	}
	w := bitWriter{out: dst}
	mask := uint64(1)<<p.width - 1
	for _, v := range values {
		w.write((v-base)&mask, uint(p.width))
	}
	w.flush()
	if p.exceptions == 0 {
		return w.out
	}
	for i, v := range values {
		if v-base > mask {
			w.out = append(w.out, byte(i))
		}
	}
	for _, v := range values {
		if v-base > mask {
			w.write((v-base)>>p.width, uint(p.upper))
		}
	}
	w.flush()
	return w.out
}

// groupLen checks the header of the group of n values at the start of b and returns the group's length. b must hold
// groupSlack bytes after the group.
func groupLen(b []byte, n int) (int, bool) {
	if len(b) < 3 || b[0] > 64 || int(b[1]) > n {
		return 0, false
	}
	size := 2 + packedLen(n, uint(b[0]))
	if exceptions := int(b[1]); exceptions > 0 {
		if b[2] == 0 || b[0]+b[2] > 64 {
			return 0, false
		}
		size += 1 + exceptions + packedLen(exceptions, uint(b[2]))
	}
	return size, size+groupSlack <= len(b)
}

// readGroup fills dst, of up to groupSize values, from the group at the start of b and returns the group's length.
// It reports false for a group that does not fit its bytes.
func readGroup(dst []uint64, b []byte) (int, bool) {
	size, ok := groupLen(b, len(dst))
	if !ok {
		return 0, false
	}
	width, exceptions := uint(b[0]), int(b[1])
	if exceptions == 0 {
		unpack(dst, b[2:], width)
		return size, true
	}
	unpack(dst, b[3:], width)
	return size, patch(dst, b[3+packedLen(len(dst), width):], exceptions, width, uint(b[2]))
}

// patch puts the upper bits of exceptions in their places. It reports false if a place is not in the group.
func patch(dst []uint64, b []byte, exceptions int, width, upper uint) bool {
	var bits [groupSize]uint64
	unpack(bits[:exceptions], b[exceptions:], upper)
	for i, place := range b[:exceptions] {
		if int(place) >= len(dst) {
			return false
		}
		dst[place] |= bits[i] << width
	}
	return true
}

// planPacked plans all groups of a column above their smallest value and returns the length of its body.
func (e *Encoder) planPacked(values []uint64, base uint64) int {
	e.plan = e.plan[:0]
	size := len(binary.AppendUvarint(e.small[:0], base))
	for len(values) > 0 {
		n := min(groupSize, len(values))
		p := planGroup(values[:n], base)
		e.plan = append(e.plan, p)
		size += p.size
		values = values[n:]
	}
	return size
}

// appendPacked appends the body that planPacked has planned.
func (e *Encoder) appendPacked(dst []byte, values []uint64, base uint64) []byte {
	dst = binary.AppendUvarint(dst, base)
	for _, p := range e.plan {
		n := min(groupSize, len(values))
		dst = appendGroup(dst, values[:n], base, p)
		values = values[n:]
	}
	return dst
}

// packed decodes a body of the codec Packed into dst.
func (d *Decoder) packed(dst []uint64, body []byte) error {
	base, n := binary.Uvarint(body)
	if n <= 0 {
		return fmt.Errorf("%w: base of packed values", ErrDamaged)
	}
	b := d.padded(body[n:], groupSlack)
	for start := 0; start < len(dst); start += groupSize {
		group := dst[start:min(start+groupSize, len(dst))]
		size, ok := readGroup(group, b)
		if !ok {
			return fmt.Errorf("%w: packed group at value %d", ErrDamaged, start)
		}
		b = b[size:]
		if base != 0 {
			for i := range group {
				group[i] += base
			}
		}
	}
	if len(b) != groupSlack {
		return fmt.Errorf("%w: %d bytes after the packed groups", ErrDamaged, len(b)-groupSlack)
	}
	return nil
}
