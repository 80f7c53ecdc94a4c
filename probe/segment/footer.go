package segment

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// sectionID names a part of the file. The numbers are stored.
type sectionID uint16

const (
	sectionIPv4          sectionID = 1  // pages of IPv4 addresses
	sectionIPv6          sectionID = 2  // pages of IPv6 addresses
	sectionChunks        sectionID = 3  // chunks of rows
	sectionPostings      sectionID = 4  // pages of chunks by destination; may be absent, with its index
	sectionRollups       sectionID = 5  // counters of a service by stamp
	sectionServices      sectionID = 6  // services by rank
	sectionServiceSums   sectionID = 7  // and their sums
	sectionBlocks        sectionID = 8  // log blocks
	sectionStamps        sectionID = 9  // ends of intervals
	sectionStampSums     sectionID = 10 // and their sums
	sectionDirectory     sectionID = 11 // where the chunks are and what they hold
	sectionRollupIndex   sectionID = 12
	sectionPostingsIndex sectionID = 13
	sectionIPv4Index     sectionID = 14
	sectionIPv6Index     sectionID = 15
	sectionSourceSums    sectionID = 16 // pages of sums by source and quarter of the day; may be absent, with its index
	sectionSourceIndex   sectionID = 17
	sectionPageSums      sectionID = 18 // checksums of rollups and of pages of sums by source; may be absent
	lastSection                    = sectionPageSums
)

var sectionNames = [...]string{sectionIPv4: "IPv4 addresses", sectionIPv6: "IPv6 addresses", sectionChunks: "chunks",
	sectionPostings: "postings", sectionRollups: "rollups", sectionServices: "services",
	sectionServiceSums: "sums by service", sectionBlocks: "blocks", sectionStamps: "stamps",
	sectionStampSums: "sums by stamp", sectionDirectory: "directory", sectionRollupIndex: "index of rollups",
	sectionPostingsIndex: "index of postings", sectionIPv4Index: "index of IPv4 addresses",
	sectionIPv6Index: "index of IPv6 addresses", sectionSourceSums: "sums by source",
	sectionSourceIndex: "index of sums by source", sectionPageSums: "checksums of sums"}

func (id sectionID) String() string {
	if id == 0 || int(id) >= len(sectionNames) {
		return fmt.Sprintf("section %d", uint16(id))
	}
	return sectionNames[id]
}

// optional says that there are segments without the section.
func (id sectionID) optional() bool {
	switch id {
	case sectionPostings, sectionPostingsIndex, sectionSourceSums, sectionSourceIndex, sectionPageSums:
		return true
	}
	return false
}

// section is an entry of the footer's table.
type section struct {
	id     sectionID
	crc    uint32
	offset int64
	length int64
}

// footer is what a reader knows of a segment when it has opened it.
type footer struct {
	meta                             Meta
	rows, tuples                     int64
	ipv4, ipv6                       uint32
	services, stamps, blocks, chunks uint32
	firstStamp, lastStamp            int64
	hasCounter                       uint16
	totals                           [CounterCount]uint64
	foldedRows, foldedStamps         int64
	folded                           [CounterCount]uint64
	sections                         []section
}

func (f *footer) append(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint16(b, uint16(len(f.meta.Interface)))
	b = append(b, f.meta.Interface...)
	for _, v := range []int64{f.meta.Day, f.meta.First, f.meta.Last, f.rows, f.tuples, f.firstStamp, f.lastStamp,
		f.foldedRows, f.foldedStamps} {
		b = le.AppendUint64(b, uint64(v))
	}
	for _, v := range []uint32{f.ipv4, f.ipv6, f.services, f.stamps, f.blocks, f.chunks} {
		b = le.AppendUint32(b, v)
	}
	b = le.AppendUint16(b, f.hasCounter)
	for i := range CounterCount {
		b = le.AppendUint64(b, f.totals[i])
	}
	for i := range CounterCount {
		b = le.AppendUint64(b, f.folded[i])
	}
	b = le.AppendUint16(b, uint16(len(f.sections)))
	for _, s := range f.sections {
		b = le.AppendUint16(b, uint16(s.id))
		b = le.AppendUint16(b, 0)
		b = le.AppendUint32(b, s.crc)
		b = le.AppendUint64(b, uint64(s.offset))
		b = le.AppendUint64(b, uint64(s.length))
	}
	return b
}

// appendTrailer appends what a segment ends with, after the footer.
func appendTrailer(b, footer []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(footer)))
	b = binary.LittleEndian.AppendUint32(b, checksum(footer))
	b = binary.LittleEndian.AppendUint16(b, FormatVersion)
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
	return append(b, tailMagic[:]...)
}

// parseTrailer returns length and checksum of the footer. b is the last trailerSize bytes.
func parseTrailer(b []byte) (size int64, crc uint32, err error) {
	le := binary.LittleEndian
	if !bytes.Equal(b[16:], tailMagic[:]) || le.Uint32(b[12:]) != checksum(b[:12]) {
		return 0, 0, fmt.Errorf("%w: no end of a segment, it was cut or never finished", ErrDamaged)
	}
	if err := checkVersion(le.Uint16(b[8:])); err != nil {
		return 0, 0, err
	}
	size = int64(le.Uint32(b))
	if size > maxFooter {
		return 0, 0, fmt.Errorf("%w: footer of %d bytes", ErrDamaged, size)
	}
	return size, le.Uint32(b[4:]), nil
}

// parse reads a footer whose checksum is right and which begins at offset end.
func (f *footer) parse(b []byte, end int64) error {
	r := fields{b: b}
	f.meta.Interface = string(r.bytes(int(r.u16())))
	for _, p := range []*int64{&f.meta.Day, &f.meta.First, &f.meta.Last, &f.rows, &f.tuples, &f.firstStamp, &f.lastStamp,
		&f.foldedRows, &f.foldedStamps} {
		*p = int64(r.u64())
	}
	for _, p := range []*uint32{&f.ipv4, &f.ipv6, &f.services, &f.stamps, &f.blocks, &f.chunks} {
		*p = r.u32()
	}
	f.hasCounter = r.u16()
	for i := range CounterCount {
		f.totals[i] = r.u64()
	}
	for i := range CounterCount {
		f.folded[i] = r.u64()
	}
	f.sections = make([]section, min(int(r.u16()), len(r.b)/sectionSize))
	at := int64(len(f.meta.header()))
	for i := range f.sections {
		s := &f.sections[i]
		s.id = sectionID(r.u16())
		r.u16()
		s.crc, s.offset, s.length = r.u32(), int64(r.u64()), int64(r.u64())
		if s.offset != at || s.length < 0 || s.length > end-at || (i > 0 && s.id <= 0) {
			return fmt.Errorf("%w: place of the %v", ErrDamaged, s.id)
		}
		at += s.length
	}
	switch {
	case r.bad || len(r.b) != 0 || at != end || f.meta.Validate() != nil:
		return fmt.Errorf("%w: footer", ErrDamaged)
	case f.rows < f.tuples || f.tuples < 0 || f.rows > math.MaxInt64/8 || uint64(f.ipv4)+uint64(f.ipv6) > math.MaxInt32 ||
		f.services > MaxServices || f.stamps > MaxStamps || f.blocks > MaxBlocks || f.hasCounter>>CounterCount != 0:
		return fmt.Errorf("%w: footer: %d rows, %d tuples, %d services, %d stamps, %d blocks", ErrDamaged, f.rows, f.tuples,
			f.services, f.stamps, f.blocks)
	}
	return nil
}

// fields reads little-endian integers; after the end of b it gives zeros and is bad.
type fields struct {
	b   []byte
	bad bool
}

func (r *fields) bytes(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, min(n, 8))
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *fields) u16() uint16 { return binary.LittleEndian.Uint16(r.bytes(2)) }
func (r *fields) u32() uint32 { return binary.LittleEndian.Uint32(r.bytes(4)) }
func (r *fields) u64() uint64 { return binary.LittleEndian.Uint64(r.bytes(8)) }
