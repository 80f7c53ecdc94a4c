package column

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// entry of a table says what begins with some bits: how many of them are the code (byte 1), how many are the code and
// what is open (byte 0), and the number of the smallest value in Decoder.bases (upper half).
type entry uint32

func (c entry) total() uint64 { return uint64(c & 0xff) }
func (c entry) code() uint64  { return uint64(c >> 8 & 0xff) }
func (c entry) open() uint64  { return uint64(c&0xff) - uint64(c>>8&0xff) }

// partCode is where the table of a part is.
type partCode struct {
	offset uint32
	mask   uint32
}

// readTables reads the tables of parts and returns what follows them.
func (d *Decoder) readTables(b []byte, parts int) (rest []byte, err error) {
	d.entries, d.bases, d.widest = d.entries[:0], d.bases[:0], 0
	for part := range parts {
		if b, err = d.readTable(b, &d.partCodes[part]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (d *Decoder) readTable(b []byte, p *partCode) (rest []byte, err error) {
	var open, lengths [256]uint8
	first := len(d.bases)
	if b, err = d.readSymbols(b, &open); err != nil {
		return nil, err
	}
	n := len(d.bases) - first
	longest := uint8(0)
	if n > 1 {
		if len(b) < (n+1)/2 {
			return nil, fmt.Errorf("%w: lengths of codes", ErrDamaged)
		}
		for s := range n {
			lengths[s] = b[s/2] >> (4 * (s & 1)) & 15
			longest = max(longest, lengths[s])
		}
		b = b[(n+1)/2:]
	}
	if longest > maxLength || n == 0 {
		return nil, fmt.Errorf("%w: code of %d bits, %d symbols", ErrDamaged, longest, n)
	}
	p.offset, p.mask = uint32(len(d.entries)), 1<<longest-1
	d.entries = append(d.entries, zeroEntries[:1<<longest]...)
	return b, fillTable(d.entries[p.offset:], lengths[:n], open[:n], uint32(first))
}

var zeroEntries [1 << maxLength]entry

// fillTable makes the entries of all codes. It is an error if they are not complete.
func fillTable(table []entry, lengths, open []uint8, first uint32) error {
	var codes [256]uint16
	if len(lengths) > 1 {
		sum := 0
		for _, l := range lengths {
			if l > 0 {
				sum += len(table) >> l
			}
		}
		if sum != len(table) {
			return fmt.Errorf("%w: codes are not complete", ErrDamaged)
		}
		assign(lengths, codes[:len(lengths)])
	}
	for s, l := range lengths {
		if l == 0 && len(lengths) > 1 {
			continue
		}
		x := entry(uint32(l+open[s]) | uint32(l)<<8 | (first+uint32(s))<<16)
		for at := int(codes[s]); at < len(table); at += 1 << l {
			table[at] = x
		}
	}
	return nil
}

// readSymbols appends the smallest values of symbols to bases, sets how many bits each leaves open, and returns what
// follows.
func (d *Decoder) readSymbols(b []byte, open *[256]uint8) (rest []byte, err error) {
	bad := func(what string) ([]byte, error) { return nil, fmt.Errorf("%w: %s", ErrDamaged, what) }
	if len(b) < 2 {
		return bad("set of classes")
	}
	first, span := int(b[0]), int(b[1])
	set := (span + 7) / 8
	if first+span > classCount || len(b) < 2+set+1 {
		return bad("set of classes")
	}
	symbols := 0
	for i, b8 := range b[2 : 2+set] {
		for ; b8 != 0; b8 &= b8 - 1 {
			at := first + 8*i + bits.TrailingZeros8(b8)
			if at >= first+span {
				return bad("set of classes")
			}
			base, n := classBase(uint(at))
			d.bases = append(d.bases, base)
			open[symbols] = uint8(n)
			d.widest = max(d.widest, n+maxLength)
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
		d.bases = append(d.bases, value)
	}
	return b, nil
}

// coded decodes what appendCoded has appended. partOf is nil if there is one part, blocks if all values are wanted.
func (d *Decoder) coded(dst []uint64, body []byte, parts int, partOf []byte, blocks []block) error {
	b, err := d.readTables(body, parts)
	if err != nil {
		return err
	}
	var ends [4]uint64 // of the streams, in bits
	var marks []byte
	streams := 1
	if len(dst) >= manyValues {
		streams = 4
		at := uint64(0)
		for s := range 3 {
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(body)) {
				return fmt.Errorf("%w: length of a stream", ErrDamaged)
			}
			b, at = b[n:], at+size
			ends[s] = 8 * at
		}
		size := 2 * marksOf(len(dst))
		if size > len(b) {
			return fmt.Errorf("%w: marks", ErrDamaged)
		}
		marks, b = b[:size], b[size:]
	}
	ends[streams-1] = 8 * uint64(len(b))
	for s := range streams - 1 {
		if ends[s] > ends[streams-1] {
			return fmt.Errorf("%w: length of a stream", ErrDamaged)
		}
	}
	at := [4]uint64{0, ends[0], ends[1], ends[2]}
	b = d.padded(b, windowSlack)
	if blocks != nil && !d.some(dst, b, partOf, blocks, marks, &at, &ends) || blocks == nil && !d.streams(dst, b, partOf, streams, &at, &ends) {
		return fmt.Errorf("%w: streams", ErrDamaged)
	}
	return nil
}

// batch is the number of values of a stream whose codes and open bits, up to 73 for each, fit a window.
const batch = 1024

// streams decodes the values. It reports false where a stream does not end where it should.
func (d *Decoder) streams(dst []uint64, b, partOf []byte, streams int, at, ends *[4]uint64) bool {
	quarter := streamLength(len(dst))
	least := len(dst) - (streams-1)*quarter // values of the last stream
	if d.widest <= 56 && streams == 4 {
		if d.lows[1] == 0 {
			for n := range 64 {
				d.lows[n] = 1<<n - 1
			}
		}
		for from := 0; from < least; from += batch {
			if !inside(at, ends) {
				return false
			}
			to := min(from+batch, least)
			if partOf == nil {
				d.four(dst, b, from, to, quarter, at)
			} else {
				d.fourGiven(dst, b, partOf, from, to, quarter, at)
			}
		}
	} else {
		least = 0
	}
	for s := range streams {
		first, last := s*quarter+least, min((s+1)*quarter, len(dst))
		for ; first < last; first += batch {
			if at[s] > ends[s] {
				return false
			}
			end := min(first+batch, last)
			var parts []byte
			if partOf != nil {
				parts = partOf[first:end]
			}
			at[s] = d.one(dst[first:end], b, parts, at[s])
		}
	}
	for s := range streams {
		if (at[s]+7)&^7 != ends[s] {
			return false
		}
	}
	return true
}

func inside(at, ends *[4]uint64) bool {
	for s := range at {
		if at[s] > ends[s] {
			return false
		}
	}
	return true
}

// one decodes up to batch values of a stream from a bit on and returns the bit after them.
func (d *Decoder) one(dst []uint64, b, partOf []byte, at uint64) uint64 {
	w := (*[windowSlack]byte)(b[at>>3:])
	start := at &^ 7
	at &= 7
	p := d.partCodes[0]
	for i := range dst {
		if partOf != nil {
			p = d.partCodes[partOf[i]%classCount]
		}
		k := at >> 3 & (streamWindow - 1)
		c := d.entries[p.offset+uint32(binary.LittleEndian.Uint64(w[k:k+8])>>(at&7))&p.mask]
		at += c.code()
		k = at >> 3 & (streamWindow - 1)
		dst[i] = d.bases[c>>16] + fetch(w[k:k+9], uint(at))&(1<<(c.open()&63)-1)
		at += c.open()
	}
	return start + at
}

// four decodes values from to to of all four streams, side by side: each has to wait for its last value, but not for
// those of the others.
func (d *Decoder) four(dst []uint64, b []byte, from, to, quarter int, at *[4]uint64) {
	w0, w1 := (*[windowSlack]byte)(b[at[0]>>3:]), (*[windowSlack]byte)(b[at[1]>>3:])
	w2, w3 := (*[windowSlack]byte)(b[at[2]>>3:]), (*[windowSlack]byte)(b[at[3]>>3:])
	a0, a1, a2, a3 := at[0]&7, at[1]&7, at[2]&7, at[3]&7
	d0 := dst[from:to]
	d1, d2, d3 := dst[quarter+from:][:len(d0)], dst[2*quarter+from:][:len(d0)], dst[3*quarter+from:][:len(d0)]
	var table [1 << maxLength]entry
	copy(table[:], d.entries)
	var bases [256]uint64
	copy(bases[:], d.bases)
	mask, lows := uint64(d.partCodes[0].mask), &d.lows
	for i := range d0 {
		k0, k1, k2, k3 := a0>>3&(streamWindow-1), a1>>3&(streamWindow-1), a2>>3&(streamWindow-1), a3>>3&(streamWindow-1)
		x0, x1 := binary.LittleEndian.Uint64(w0[k0:k0+8])>>(a0&7), binary.LittleEndian.Uint64(w1[k1:k1+8])>>(a1&7)
		x2, x3 := binary.LittleEndian.Uint64(w2[k2:k2+8])>>(a2&7), binary.LittleEndian.Uint64(w3[k3:k3+8])>>(a3&7)
		c0, c1 := table[x0&mask&(1<<maxLength-1)], table[x1&mask&(1<<maxLength-1)]
		c2, c3 := table[x2&mask&(1<<maxLength-1)], table[x3&mask&(1<<maxLength-1)]
		a0, a1, a2, a3 = a0+c0.total(), a1+c1.total(), a2+c2.total(), a3+c3.total()
		d0[i] = bases[uint8(c0>>16)] + x0&lows[uint8(c0)]>>(c0>>8&63)
		d1[i] = bases[uint8(c1>>16)] + x1&lows[uint8(c1)]>>(c1>>8&63)
		d2[i] = bases[uint8(c2>>16)] + x2&lows[uint8(c2)]>>(c2>>8&63)
		d3[i] = bases[uint8(c3>>16)] + x3&lows[uint8(c3)]>>(c3>>8&63)
	}
	*at = [4]uint64{at[0]&^7 + a0, at[1]&^7 + a1, at[2]&^7 + a2, at[3]&^7 + a3}
}

// fourGiven is four where the table differs from value to value.
func (d *Decoder) fourGiven(dst []uint64, b, partOf []byte, from, to, quarter int, at *[4]uint64) {
	w0, w1 := (*[windowSlack]byte)(b[at[0]>>3:]), (*[windowSlack]byte)(b[at[1]>>3:])
	w2, w3 := (*[windowSlack]byte)(b[at[2]>>3:]), (*[windowSlack]byte)(b[at[3]>>3:])
	a0, a1, a2, a3 := at[0]&7, at[1]&7, at[2]&7, at[3]&7
	d0 := dst[from:to]
	d1, d2, d3 := dst[quarter+from:][:len(d0)], dst[2*quarter+from:][:len(d0)], dst[3*quarter+from:][:len(d0)]
	g0, g1 := partOf[from:][:len(d0)], partOf[quarter+from:][:len(d0)]
	g2, g3 := partOf[2*quarter+from:][:len(d0)], partOf[3*quarter+from:][:len(d0)]
	entries, bases, codes, lows := d.entries, d.bases, &d.partCodes, &d.lows
	for i := range d0 {
		k0, k1, k2, k3 := a0>>3&(streamWindow-1), a1>>3&(streamWindow-1), a2>>3&(streamWindow-1), a3>>3&(streamWindow-1)
		p0, p1, p2, p3 := &codes[g0[i]%classCount], &codes[g1[i]%classCount], &codes[g2[i]%classCount], &codes[g3[i]%classCount]
		x0, x1 := binary.LittleEndian.Uint64(w0[k0:k0+8])>>(a0&7), binary.LittleEndian.Uint64(w1[k1:k1+8])>>(a1&7)
		x2, x3 := binary.LittleEndian.Uint64(w2[k2:k2+8])>>(a2&7), binary.LittleEndian.Uint64(w3[k3:k3+8])>>(a3&7)
		c0, c1 := entries[p0.offset+uint32(x0)&p0.mask], entries[p1.offset+uint32(x1)&p1.mask]
		c2, c3 := entries[p2.offset+uint32(x2)&p2.mask], entries[p3.offset+uint32(x3)&p3.mask]
		a0, a1, a2, a3 = a0+c0.total(), a1+c1.total(), a2+c2.total(), a3+c3.total()
		d0[i] = bases[c0>>16] + x0&lows[uint8(c0)]>>(c0>>8&63)
		d1[i] = bases[c1>>16] + x1&lows[uint8(c1)]>>(c1>>8&63)
		d2[i] = bases[c2>>16] + x2&lows[uint8(c2)]>>(c2>>8&63)
		d3[i] = bases[c3>>16] + x3&lows[uint8(c3)]>>(c3>>8&63)
	}
	*at = [4]uint64{at[0]&^7 + a0, at[1]&^7 + a1, at[2]&^7 + a2, at[3]&^7 + a3}
}
