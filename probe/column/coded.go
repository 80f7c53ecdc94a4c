package column

import (
	"encoding/binary"
)

// manyValues is the least number of values that are cut into four streams, which decode side by side.
const manyValues = 256

// markEvery is the number of values of a stream between two marks, which say where the next ones begin.
const markEvery = 128

// marksOf is the number of marks of count values.
func marksOf(count int) int {
	quarter := streamLength(count)
	return 3*((quarter-1)/markEvery) + (count-3*quarter-1)/markEvery
}

// appendCoded appends what the codecs Classes and Given have in common: for each part a table of symbols, then the
// values in their order. values stand part by part; partOf says where each of them goes, nil if there is one part.
func (e *Encoder) appendCoded(dst []byte, values, ordered []uint64, partOf []byte, ends []int) []byte {
	e.codes = grow(e.codes, len(ends)<<8)
	e.symbols = grow(e.symbols, len(values))
	start := 0
	for part, end := range ends {
		dst = e.appendTable(dst, values[start:end], e.symbols[start:end], (*[256]code)(e.codes[part<<8:]))
		start = end
	}
	e.next = append(append(e.next[:0], 0), ends[:len(ends)-1]...)
	w := bitWriter{out: e.raw[:0]}
	e.marks = e.marks[:0]
	quarter, part, mark := streamLength(len(ordered)), byte(0), 0
	for i, v := range ordered {
		switch in := i % quarter; {
		case i == 0:
		case in == 0:
			w.flush()
			e.streams[i/quarter-1] = len(w.out)
			mark = w.bits()
		case in%markEvery == 0:
			e.marks = binary.LittleEndian.AppendUint16(e.marks, uint16(w.bits()-mark)) // at most 73 bits a value
			mark = w.bits()
		}
		if partOf != nil {
			part = partOf[i]
		}
		c := &e.codes[int(part)<<8|int(e.symbols[e.next[part]])]
		e.next[part]++
		w.write(uint64(c.bits), uint(c.length))
		w.write(v&(1<<c.open-1), uint(c.open))
	}
	w.flush()
	e.raw = w.out
	if len(ordered) >= manyValues {
		before := 0
		for _, end := range e.streams {
			dst = binary.AppendUvarint(dst, uint64(end-before))
			before = end
		}
		dst = append(dst, e.marks...)
	}
	return append(dst, e.raw...)
}

// streamLength is the number of values of a stream, of the last what is left.
func streamLength(values int) int {
	if values < manyValues {
		return max(values, 1)
	}
	return (values + 3) / 4
}

// code is how a symbol is written: a Huffman code, then so many open bits.
type code struct {
	bits         uint16
	length, open uint8
}

// appendTable finds symbols for values, appends their table, and fills symbols and codes.
func (e *Encoder) appendTable(dst []byte, values []uint64, symbols []byte, codes *[256]code) []byte {
	f := &e.frequent
	f.count(values)
	f.choose()
	var symbolOf [classCount]byte
	dst, classes := appendClassSet(dst, &f.class, &symbolOf)
	dst = append(dst, byte(len(f.chosen)))
	previous := uint64(0)
	for _, c := range f.chosen {
		dst = binary.AppendUvarint(dst, c.value-previous)
		previous = c.value
	}
	var counts [256]uint32
	for class, n := range f.class {
		if n > 0 {
			_, open := classBase(uint(class))
			codes[symbolOf[class]].open = uint8(open)
			counts[symbolOf[class]] = uint32(n)
		}
	}
	all := classes + len(f.chosen)
	for i, c := range f.chosen {
		codes[classes+i].open = 0
		counts[classes+i] = c.count
	}
	for i, v := range values {
		if at := f.slotOf[i]; at != noSlot {
			if n := f.slots[at].symbol; n != noSymbol {
				symbols[i] = byte(classes + int(n))
				continue
			}
		}
		class, _ := classOf(v)
		symbols[i] = symbolOf[class]
	}
	return e.appendLengths(dst, counts[:all], lengthLimit(len(values)), codes)
}

// appendLengths finds codes for symbols that stand so often, and appends their lengths, four bits each.
func (e *Encoder) appendLengths(dst []byte, counts []uint32, limit int, codes *[256]code) []byte {
	var lengths [256]uint8
	var numbers [256]uint16
	e.coder.lengths(counts, limit, lengths[:len(counts)])
	assign(lengths[:len(counts)], numbers[:len(counts)])
	for s := range counts {
		codes[s].bits, codes[s].length = numbers[s], lengths[s]
	}
	if len(counts) < 2 {
		return dst
	}
	for s := 0; s < len(counts); s += 2 {
		dst = append(dst, lengths[s]|lengths[s+1]<<4)
	}
	return dst
}

// appendClasses appends a body of the codec Classes.
func (e *Encoder) appendClasses(dst []byte, values []uint64) []byte {
	return e.appendCoded(dst, values, values, nil, []int{len(values)})
}
