package column

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Encoder makes chunks. Its zero value is ready; it keeps its scratch space, so one should be used for many chunks.
// It is for one goroutine at a time. The same values give the same bytes whatever it has encoded before.
type Encoder struct {
	plan     []packing
	wide     []uint64 // 32-bit values widened
	parts    []uint64 // differences, or values in the order of their parts
	body     []byte   // the body under construction
	small    [binary.MaxVarintLen64]byte
	raw      []byte // varints
	symbols  []byte
	frequent frequent
	coder    coder
	codes    []code // 256 for each part
	next     []int
	streams  [3]int // ends of the first streams
	marks    []byte
	zstd     *zstd.Encoder
	split    splitter
}

// Append appends a chunk of the values, at most MaxValues, in the smallest of the encodings, and returns the extended
// slice. It panics if there are more values: a caller cuts its columns into chunks.
func (e *Encoder) Append(dst []byte, values []uint64) []byte {
	checkCount(len(values))
	var codec Codec
	e.body, codec = e.appendBody(e.body[:0], values)
	return appendChunk(dst, codec, len(values), e.body)
}

// Append32 is Append for values of 32 bits; the chunk is the same.
func (e *Encoder) Append32(dst []byte, values []uint32) []byte {
	e.wide = grow(e.wide, len(values))
	for i, v := range values {
		e.wide[i] = uint64(v)
	}
	return e.Append(dst, e.wide)
}

func checkCount(n int) {
	if n > MaxValues {
		panic(fmt.Sprintf("column: %d values in a chunk, at most %d", n, MaxValues))
	}
}

// appendBody appends the smallest body of all codecs that need no other column.
func (e *Encoder) appendBody(dst []byte, values []uint64) ([]byte, Codec) {
	start := len(dst)
	facts := examine(values)
	dst, codec := e.appendPlain(dst, values, facts)
	if codec == Constant || !facts.sorted {
		return dst, codec
	}
	middle := len(dst)
	e.parts = grow(e.parts, len(values)-1)
	for i := range e.parts {
		e.parts[i] = values[i+1] - values[i]
	}
	dst = append(dst, 0)
	dst = binary.AppendUvarint(dst, values[0])
	dst, inner := e.appendPlain(dst, e.parts, examine(e.parts))
	dst[middle] = byte(inner)
	return keepSmaller(dst, start, middle, codec, Deltas)
}

// facts is what one look at a column tells about the encodings worth trying.
type facts struct {
	smallest, largest uint64
	sorted            bool // each value is at least the one before
}

func examine(values []uint64) facts {
	if len(values) == 0 {
		return facts{}
	}
	first := values[0]
	f := facts{smallest: first, largest: first, sorted: true}
	previous := first
	for _, v := range values[1:] {
		f.smallest, f.largest = min(f.smallest, v), max(f.largest, v)
		if v < previous {
			f.sorted = false
		}
		previous = v
	}
	return f
}

// appendPlain appends the smallest body of the codecs that hold no others.
func (e *Encoder) appendPlain(dst []byte, values []uint64, f facts) ([]byte, Codec) {
	if f.smallest == f.largest {
		return binary.AppendUvarint(dst, f.smallest), Constant
	}
	start, packed := len(dst), e.planPacked(values, f.smallest)
	dst, codec := e.appendClasses(dst, values), Classes
	// Packed values decode faster, so classes have to save something.
	if size := len(dst) - start; packed <= size+size/64 {
		dst, codec = e.appendPacked(dst[:start], values, f.smallest), Packed
	}
	if worthZstd(values) {
		middle := len(dst)
		dst, codec = keepSmaller(e.appendZstd(dst, values), start, middle, codec, Zstd)
	}
	if len(dst)-start > 8*len(values) {
		dst, codec = appendRaw(dst[:start], values), Raw
	}
	return dst, codec
}

// keepSmaller compares two encodings of the same values that stand behind each other in dst, and keeps the smaller.
func keepSmaller(dst []byte, start, middle int, first, second Codec) ([]byte, Codec) {
	if len(dst)-middle < middle-start {
		n := copy(dst[start:], dst[middle:])
		return dst[:start+n], second
	}
	return dst[:middle], first
}

func appendRaw(dst []byte, values []uint64) []byte {
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return dst
}

// grow returns a slice of length n, in the same memory if that is large enough. Its elements are not cleared.
func grow[T any](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	return make([]T, n)
}
