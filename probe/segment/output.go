package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/weirflow/weir/probe/vfs"
)

// outputBuffer is how many bytes are written at a time.
const outputBuffer = 1 << 17

// output writes sections one after the other.
type output struct {
	f        vfs.File
	buffer   []byte
	offset   int64 // of the end, buffered bytes included
	sections []section
	err      error // the first one
}

// begin starts a section at the current end.
func (o *output) begin(id sectionID) {
	o.sections = append(o.sections, section{id: id, offset: o.offset})
}

// section is a section that was begun.
func (o *output) section(id sectionID) section {
	for _, s := range o.sections {
		if s.id == id {
			return s
		}
	}
	return section{}
}

// write appends to the section begun last.
func (o *output) write(b []byte) {
	s := &o.sections[len(o.sections)-1]
	s.crc = crc32.Update(s.crc, castagnoli(), b)
	s.length += int64(len(b))
	o.raw(b)
}

// raw appends bytes that belong to no section.
func (o *output) raw(b []byte) {
	o.buffer = append(o.buffer, b...)
	o.offset += int64(len(b))
	if len(o.buffer) >= outputBuffer {
		o.flush()
	}
}

func (o *output) flush() {
	if o.err == nil && len(o.buffer) > 0 {
		_, o.err = o.f.Write(o.buffer)
	}
	o.buffer = o.buffer[:0]
}

// whole writes a section at once.
func (o *output) whole(id sectionID, b []byte) {
	o.begin(id)
	o.write(b)
}

// index lists the pages of a paged section: the first key and the place of each. With the length of the section it
// says all that is needed to read a page.
type index struct {
	keys   []byte // keySize bytes each
	starts []byte // u64 each
	sums   []byte // u32 each, the checksum of the page; only of rollups and sums by source, which stand in a section of their own
}

// addPage adds a page without a key, with its checksum.
func (x *index) addPage(start int64, page []byte) {
	x.add(nil, start)
	x.sums = binary.LittleEndian.AppendUint32(x.sums, checksum(page))
}

func (x *index) add(key []byte, start int64) {
	x.keys = append(x.keys, key...)
	x.starts = binary.LittleEndian.AppendUint64(x.starts, uint64(start))
}

// bytes is the section of the index.
func (x *index) bytes() []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(x.starts)/8))
	return append(append(b, x.keys...), x.starts...)
}

// openIndex reads an index of the pages of a section of length bytes, and checks it. values is the number of values
// in all pages of pageSize values each.
func openIndex(b []byte, keySize int, values, pageSize, length int64) (x index, err error) {
	if len(b) < 4 {
		return x, fmt.Errorf("%w: index of %d bytes", ErrDamaged, len(b))
	}
	n := int64(binary.LittleEndian.Uint32(b))
	if n != (values+pageSize-1)/pageSize || int64(len(b)-4) != n*int64(keySize+8) {
		return x, fmt.Errorf("%w: index of %d pages for %d values", ErrDamaged, n, values)
	}
	x.keys, x.starts = b[4:4+n*int64(keySize)], b[4+n*int64(keySize):]
	before := int64(0)
	for i := range int(n) {
		start := int64(binary.LittleEndian.Uint64(x.starts[8*i:]))
		if start < before || start > length || (i == 0) != (start == 0) {
			return x, fmt.Errorf("%w: place of page %d", ErrDamaged, i)
		}
		before = start
	}
	return x, nil
}

func (x *index) pages() int { return len(x.starts) / 8 }

// place returns where pages from up to and without to are, in a section of length bytes.
func (x *index) place(from, to int, length int64) (start, end int64) {
	start, end = int64(binary.LittleEndian.Uint64(x.starts[8*from:])), length
	if to < x.pages() {
		end = int64(binary.LittleEndian.Uint64(x.starts[8*to:]))
	}
	return start, end
}
