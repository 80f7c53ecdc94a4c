package godb

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/weirflow/weir/pkg/flow"
)

const (
	// MaxRows is the greatest number of rows that a block may have.
	MaxRows = 1 << 24
	// maxExpansion is how many times a block's stored length its decoded length may be, beyond freeExpansion bytes.
	// Flows are not that alike; a block that claims so is no block, and would cost memory.
	maxExpansion  = 256
	freeExpansion = 4 << 20
)

// blockReader reads one block after the other, into the same memory.
type blockReader struct {
	decompressor
	stored  []byte
	columns [columnCount][]byte
	sure    [columnCount]int // bytes of each column that will be there as long as the block is

	v4, v6   int // rows of the block
	k4, k6   int // of these, the rows that all columns hold: the first ones of each family
	counters [columnCount - firstCounter]counters
	salvaged bool
}

// columnError is what is wrong with a column's block.
type columnError struct {
	column int
	err    error
}

func (e *columnError) Error() string { return e.err.Error() }

func (e *columnError) Unwrap() error { return e.err }

// rowsOf is the number of rows of a block, checked against all that the metadata says about it.
func rowsOf(b *blockMeta) (v4, v6 int, err error) {
	n, stored, total := b.columns[colProtocol].raw, int64(0), int64(0)
	if n > MaxRows || b.v4 > n {
		return 0, 0, fmt.Errorf("%d rows, %d of them IPv4", n, b.v4)
	}
	v4, v6 = int(b.v4), int(n-b.v4)
	for c := range b.columns {
		s := &b.columns[c]
		stored, total = stored+int64(s.stored), total+int64(s.raw)
		if !plausible(c, int64(s.raw), int64(v4), int64(v6)) {
			return 0, 0, fmt.Errorf("%d bytes of %s for %d IPv4 and %d IPv6 rows", s.raw, columnNames[c], v4, v6)
		}
	}
	if total > freeExpansion+maxExpansion*stored {
		return 0, 0, fmt.Errorf("%d bytes stored, but %d decoded", stored, total)
	}
	return v4, v6, nil
}

// plausible says that a column of so many rows can have that many bytes.
func plausible(column int, raw, v4, v6 int64) bool {
	n := v4 + v6
	switch column {
	case colSource, colDestination:
		return raw == 4*v4+16*v6
	case colProtocol:
		return raw == n
	case colPort:
		return raw == 2*n
	}
	if n == 0 {
		return raw <= 1
	}
	return raw > n && (raw-1)%n == 0 && (raw-1)/n <= maxWidth
}

// read reads block i of a day. The error is a *columnError where it is about one of the columns.
func (r *blockReader) read(d *openDay, i int) (err error) {
	b := &d.meta.blocks[i]
	if r.v4, r.v6, err = rowsOf(b); err != nil {
		return err
	}
	r.k4, r.k6, r.salvaged = r.v4, r.v6, false
	if r.v4+r.v6 == 0 {
		for c := range r.columns {
			r.columns[c] = r.columns[c][:0]
		}
		return nil
	}
	for c := range columnCount { // all of them first: what they hold bounds the memory
		if err := d.holds(c, &b.columns[c]); err != nil {
			return &columnError{column: c, err: err}
		}
	}
	for c := range columnCount {
		if err := r.readColumn(d, c, &b.columns[c]); err != nil {
			return &columnError{column: c, err: err}
		}
	}
	return nil
}

// holds says why the file of a column does not hold a block.
func (d *openDay) holds(c int, s *span) error {
	end := s.offset + int64(s.stored)
	switch {
	case errors.Is(d.fault[c], fs.ErrNotExist):
		return errors.New("the file is missing")
	case d.files[c] == nil:
		return errors.New(cause(d.fault[c]))
	case end > d.sizes[c]:
		return fmt.Errorf("the file ends at %d, before the block does at %d", d.sizes[c], end)
	}
	return nil
}

// readColumn reads and decodes a column, and takes note of how many rows it holds.
func (r *blockReader) readColumn(d *openDay, c int, s *span) error {
	read := func(b []byte, at int64) error {
		if n, err := d.files[c].ReadAt(b, s.offset+at); n < len(b) {
			return errors.Join(io.ErrUnexpectedEOF, err)
		}
		return nil
	}
	r.stored = grow(r.stored, int(s.stored))
	err := read(r.stored, 0)
	if err != nil {
		return errors.New(cause(err))
	}
	raw := int(s.raw)
	r.columns[c] = grow(r.columns[c], raw+maxWidth)
	column, sure, again := []byte(nil), raw, false
	if s.encoder == encoderRaw {
		behind := rest{taken: d.taken(c) - s.offset, size: d.sizes[c] - s.offset, read: read}
		column, sure, again = salvage(r.columns[c], r.stored, behind)
	}
	if again {
		r.salvaged = true
	} else if column, err = r.decode(r.columns[c], r.stored, s.encoder, raw); err != nil {
		return err
	}
	r.columns[c], r.sure[c] = r.columns[c][:len(column)], sure
	return r.keep(c, raw)
}

// keep takes note of a decoded column of raw bytes, whose end may be missing.
func (r *blockReader) keep(c, raw int) error {
	column := r.columns[c]
	count := r.v4 + r.v6
	switch c {
	case colSource, colDestination:
		r.k4 = min(r.k4, len(column)/4)
		r.k6 = min(r.k6, max(len(column)-4*r.v4, 0)/16)
	case colProtocol:
		count = len(column)
	case colPort:
		count = len(column) / 2
	default:
		numbers, held, err := parseCounters(column)
		if err == nil && 1+numbers.width*count != raw {
			err = fmt.Errorf("%d numbers of %d bytes are not %d bytes", count, numbers.width, raw)
		}
		if err != nil {
			return err
		}
		r.counters[c-firstCounter], count = numbers, held
	}
	r.k4, r.k6 = min(r.k4, count), min(r.k6, max(count-r.v4, 0))
	return nil
}

// rows is the number of rows that can be read; they are numbered from 0, IPv4 first.
func (r *blockReader) rows() int { return r.k4 + r.k6 }

// fill decodes the rows from start on into records.
func (r *blockReader) fill(records []flow.Record, start int) {
	for i := range records {
		row := start + i
		record := &records[i]
		*record = flow.Record{}
		if row < r.k4 {
			record.Key.Family = flow.IPv4
			copy(record.Key.Source[:4], r.columns[colSource][4*row:])
			copy(record.Key.Destination[:4], r.columns[colDestination][4*row:])
		} else {
			at := 4*r.v4 + 16*(row-r.k4)
			record.Key.Family = flow.IPv6
			copy(record.Key.Source[:], r.columns[colSource][at:])
			copy(record.Key.Destination[:], r.columns[colDestination][at:])
			row += r.v4 - r.k4 // IPv4 rows that are lost
		}
		record.Key.DestinationPort = binary.BigEndian.Uint16(r.columns[colPort][2*row:])
		record.Key.Protocol = flow.Protocol(r.columns[colProtocol][row])
		record.Counters.BytesReceived = r.counters[colBytesReceived-firstCounter].at(row)
		record.Counters.BytesSent = r.counters[colBytesSent-firstCounter].at(row)
		record.Counters.PacketsReceived = r.counters[colPacketsReceived-firstCounter].at(row)
		record.Counters.PacketsSent = r.counters[colPacketsSent-firstCounter].at(row)
	}
}

// packets is the sum of the packets of the rows that can be read.
func (r *blockReader) packets() (sum uint64) {
	for _, c := range r.counters[colPacketsReceived-firstCounter:] {
		for row := range r.k4 {
			sum += c.at(row)
		}
		for row := range r.k6 {
			sum += c.at(r.v4 + row)
		}
	}
	return sum
}

// identity is made of what the block says: interface, time and rows. Where the database stands, and how the block is
// encoded, do not matter.
func (r *blockReader) identity(iface string, b *blockMeta) (id [16]byte) {
	h := sha256.New()
	var head []byte
	head = binary.BigEndian.AppendUint64(append(head, iface...), uint64(b.end))
	head = binary.BigEndian.AppendUint32(head, b.dropped)
	head = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(head, uint64(r.v4)), uint64(r.v6))
	h.Write(head)
	for c, column := range r.columns {
		h.Write(column[:min(len(column), r.sure[c])])
	}
	copy(id[:], h.Sum(nil))
	return id
}

// grow returns a slice of length n, in the same memory if that is large enough. Its elements are not cleared.
func grow[T any](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	return make([]T, n)
}
