package segment

import (
	"encoding/binary"
	"fmt"
)

// Chunks is the directory: what each chunk holds, in the order of tuples. The slice must not be changed.
func (r *Reader) Chunks() ([]Chunk, error) {
	d, err := r.readDirectory()
	if err != nil {
		return nil, err
	}
	return d.chunks, nil
}

// directory is the decoded directory.
type directory struct {
	chunks  []Chunk
	entries []place
}

// place is where a chunk is.
type place struct {
	offset int64 // in the section of chunks
	size   [groupCount]uint32
	crc    uint32
	flags  uint16
}

func (p *place) length() int64 {
	return int64(p.size[groupTuples]) + int64(p.size[groupSums]) + int64(p.size[groupRows])
}

func (r *Reader) readDirectory() (*directory, error) {
	return r.directory.get(func() (*directory, error) {
		b, err := r.section(sectionDirectory)
		if err != nil {
			return nil, err
		}
		d, err := parseDirectory(b, &r.footer, r.find(sectionChunks).length)
		if err != nil {
			return nil, r.sectionError(sectionDirectory, err)
		}
		return d, nil
	})
}

// parseDirectory reads the directory and checks that it fits the footer, and that its chunks fill their section.
func parseDirectory(b []byte, f *footer, length int64) (*directory, error) {
	n := len(b) / entrySize
	if len(b)%entrySize != 0 || uint64(n) != uint64(f.chunks) {
		return nil, fmt.Errorf("%w: %d bytes for %d chunks", ErrDamaged, len(b), f.chunks)
	}
	d := &directory{chunks: make([]Chunk, n), entries: make([]place, n)}
	var end, rows, tuples int64
	source := uint32(0)
	for i := range n {
		c, p := &d.chunks[i], &d.entries[i]
		parseEntry(b[entrySize*i:][:entrySize], c, p)
		c.MixedFamily = c.FirstSource < f.ipv4 && c.LastSource >= f.ipv4
		if !c.valid(f) || p.offset != end || p.flags > flagExplicit || c.FirstSource < source {
			return nil, fmt.Errorf("%w: entry of chunk %d", ErrDamaged, i)
		}
		end += p.length()
		rows, tuples, source = rows+int64(c.Rows), tuples+int64(c.Tuples), c.LastSource
	}
	if end != length || rows != f.rows || tuples != f.tuples {
		return nil, fmt.Errorf("%w: chunks of %d bytes, %d rows, %d tuples; there are %d, %d, %d", ErrDamaged, end, rows, tuples,
			length, f.rows, f.tuples)
	}
	return d, nil
}

func parseEntry(b []byte, c *Chunk, p *place) {
	le := binary.LittleEndian
	p.offset = int64(le.Uint64(b))
	for i := range p.size {
		p.size[i] = le.Uint32(b[8+4*i:])
	}
	c.BytesOfTuples, c.BytesOfSums, c.BytesOfRows = int64(p.size[groupTuples]), int64(p.size[groupSums]), int64(p.size[groupRows])
	p.crc = le.Uint32(b[20:])
	c.Tuples, c.Rows = int(le.Uint32(b[24:])), int(le.Uint32(b[28:]))
	c.FirstSource, c.LastSource = le.Uint32(b[32:]), le.Uint32(b[36:])
	c.LeastDestination, c.MostDestination = le.Uint32(b[40:]), le.Uint32(b[44:])
	c.FirstStamp, c.LastStamp = le.Uint32(b[48:]), le.Uint32(b[52:])
	c.HasCounter, p.flags = le.Uint16(b[56:]), le.Uint16(b[58:])
}

// valid checks a chunk against the bounds that Load relies on.
func (c *Chunk) valid(f *footer) bool {
	codes := uint64(f.ipv4) + uint64(f.ipv6)
	return c.Tuples >= 1 && c.Tuples <= MaxChunkTuples && c.Rows >= c.Tuples && c.Rows <= maxChunkRows &&
		c.FirstSource <= c.LastSource && uint64(c.LastSource) < codes &&
		c.LeastDestination <= c.MostDestination && uint64(c.MostDestination) < codes &&
		c.FirstStamp <= c.LastStamp && c.LastStamp < f.stamps && c.HasCounter>>CounterCount == 0
}

// appendDirectory appends an entry of entrySize bytes for each chunk.
func appendDirectory(dst []byte, entries []entry) []byte {
	le := binary.LittleEndian
	for i := range entries {
		x := &entries[i]
		dst = le.AppendUint64(dst, uint64(x.offset))
		for _, v := range x.size {
			dst = le.AppendUint32(dst, v)
		}
		c := &x.chunk
		for _, v := range []uint32{x.crc, uint32(c.Tuples), uint32(c.Rows), c.FirstSource, c.LastSource, c.LeastDestination,
			c.MostDestination, c.FirstStamp, c.LastStamp} {
			dst = le.AppendUint32(dst, v)
		}
		dst = le.AppendUint16(dst, c.HasCounter)
		dst = le.AppendUint16(dst, x.flags)
		dst = le.AppendUint32(dst, 0)
	}
	return dst
}

// entrySize is the number of bytes of a chunk in the directory.
const entrySize = 64

// flagExplicit in the directory: the last row of a tuple is stored like the others, as sums did not fit.
const flagExplicit = 1

// entry is a chunk in the directory.
type entry struct {
	chunk  Chunk
	offset int64 // in the section of chunks
	size   [groupCount]uint32
	crc    uint32 // of all bytes of the chunk
	flags  uint16
}

func (x *entry) fill() {
	x.chunk.BytesOfTuples, x.chunk.BytesOfSums, x.chunk.BytesOfRows = int64(x.size[groupTuples]), int64(x.size[groupSums]), int64(x.size[groupRows])
}
