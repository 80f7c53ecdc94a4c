package arrowstream

import "encoding/binary"

// flat reads a flatbuffer (the format of Arrow's metadata). Nothing of it is trusted: what lies outside of the bytes is
// zero, and noted as a fault.
type flat struct {
	b     []byte
	fault bool
	taken int // bytes of texts that were copied: references may lead to the same bytes again and again
}

// take is n bytes at a place; zeros where there are none.
func (f *flat) take(at, n int) []byte {
	if at < 0 || at > len(f.b)-n {
		f.fault = true
		return make([]byte, n) // of a number
	}
	return f.b[at : at+n]
}

func (f *flat) uint16(at int) int { return int(binary.LittleEndian.Uint16(f.take(at, 2))) }
func (f *flat) uint32(at int) int { return int(binary.LittleEndian.Uint32(f.take(at, 4))) }
func (f *flat) int64(at int) int64 {
	return int64(binary.LittleEndian.Uint64(f.take(at, 8)))
}

// table is the place of a table; 0 is none.
type table int

// root is the table that the buffer is about.
func (f *flat) root() table { return table(f.uint32(0)) }

// field is the place of a member's value; 0 where the member is left out.
func (f *flat) field(t table, number int) int {
	if t == 0 {
		return 0
	}
	description := int(t) - int(int32(f.uint32(int(t))))
	at := 4 + 2*number
	if at+2 > f.uint16(description) {
		return 0
	}
	if offset := f.uint16(description + at); offset != 0 {
		return int(t) + offset
	}
	return 0
}

// follow is where the reference that is a member's value leads to; 0 where the member is left out.
func (f *flat) follow(t table, number int) int {
	at := f.field(t, number)
	if at == 0 {
		return 0
	}
	return at + f.uint32(at)
}

func (f *flat) table(t table, number int) table { return table(f.follow(t, number)) }

func (f *flat) text(t table, number int) string {
	start, n := f.vector(t, number, 1)
	if f.taken += n; f.taken > len(f.b) {
		f.fault = true
		return ""
	}
	return string(f.b[start : start+n])
}

// vector is the place and the number of the elements of a list, all of which lie within the buffer.
func (f *flat) vector(t table, number, size int) (start, n int) {
	at := f.follow(t, number)
	if at == 0 {
		return 0, 0
	}
	n = f.uint32(at)
	if start = at + 4; start < 0 || n < 0 || start > len(f.b) || n > (len(f.b)-start)/size {
		f.fault = true
		return 0, 0
	}
	return start, n
}

func (f *flat) byteOf(t table, number int) byte {
	if at := f.field(t, number); at != 0 {
		return f.take(at, 1)[0]
	}
	return 0
}

func (f *flat) shortOf(t table, number int) int {
	if at := f.field(t, number); at != 0 {
		return f.uint16(at)
	}
	return 0
}

func (f *flat) intOf(t table, number int) int {
	if at := f.field(t, number); at != 0 {
		return f.uint32(at)
	}
	return 0
}

func (f *flat) longOf(t table, number int) int64 {
	if at := f.field(t, number); at != 0 {
		return f.int64(at)
	}
	return 0
}
