package godb

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The columns of a day, in the order of the metadata.
const (
	colSource = iota
	colDestination
	colProtocol
	colPort
	colBytesReceived
	colBytesSent
	colPacketsReceived
	colPacketsSent
	columnCount
)

const firstCounter = colBytesReceived

var columnNames = [columnCount]string{"sip", "dip", "proto", "dport", "bytes_rcvd", "bytes_sent", "pkts_rcvd", "pkts_sent"}

const (
	metaName    = ".blockmeta"
	metaVersion = 1

	metaHeaderSize   = 72
	metaColumnHeader = 8
	metaColumnBlock  = 9
	metaBlockTimes   = 16
	metaMinSize      = metaHeaderSize + columnCount*metaColumnHeader + 8
	metaBlockSize    = columnCount*metaColumnBlock + metaBlockTimes
	// maxMetaSize is that of 190,000 blocks: more than a day has seconds.
	maxMetaSize = 16 << 20
)

// meta is the metadata of a day.
type meta struct {
	totals Totals
	blocks []blockMeta
	ends   [columnCount]int64 // recorded lengths of the column files
}

// blockMeta is what the metadata says of a block.
type blockMeta struct {
	end     int64 // time stamp: the end of the interval, Unix seconds
	v4, v6  uint32
	dropped uint32
	columns [columnCount]span
}

// span is the place of a column's block in its file.
type span struct {
	offset  int64
	stored  uint32
	raw     uint32 // decoded length
	encoder byte
}

// Reasons why the metadata of a day is of no use.
var (
	errMetaEmpty = errors.New("the file is empty: the last write never reached the disk")
	errMetaShort = errors.New("the file is cut off")
)

// parseHeader reads number of blocks and totals from the first bytes of the metadata, size being that of the file.
func parseHeader(b []byte, size int64) (blocks uint64, t Totals, err error) {
	be := binary.BigEndian
	switch {
	case size == 0:
		return 0, t, errMetaEmpty
	case size < metaMinSize || len(b) < metaHeaderSize:
		return 0, t, fmt.Errorf("%w: %d bytes, at least %d are due", errMetaShort, size, metaMinSize)
	case size > maxMetaSize:
		return 0, t, fmt.Errorf("%d bytes: more than a day can have", size)
	case be.Uint64(b) != metaVersion:
		return 0, t, fmt.Errorf("version %d: only %d is known", be.Uint64(b), metaVersion)
	}
	blocks = be.Uint64(b[8:])
	if most := uint64(size-metaMinSize) / metaBlockSize; blocks > most {
		return 0, t, fmt.Errorf("%w: %d blocks, but room for %d", errMetaShort, blocks, most)
	}
	for i, field := range t.fields() {
		*field = be.Uint64(b[16+8*i:])
	}
	return blocks, t, nil
}

// parseMeta reads the metadata of a day. Bytes behind it are left alone.
func parseMeta(b []byte) (m meta, err error) {
	count, totals, err := parseHeader(b, int64(len(b)))
	if err != nil {
		return m, err
	}
	m.totals = totals
	if count == 0 {
		return m, nil // its writer leaves the rest uninitialised
	}
	be := binary.BigEndian
	m.blocks = make([]blockMeta, count)
	b = b[metaHeaderSize:]
	for c := range columnCount {
		m.ends[c] = int64(min(be.Uint64(b), 1<<62))
		b = b[metaColumnHeader:]
		offset := int64(0)
		for i := range m.blocks {
			s := span{offset: offset, stored: be.Uint32(b), raw: be.Uint32(b[4:]), encoder: b[8]}
			m.blocks[i].columns[c] = s
			offset += int64(s.stored)
			b = b[metaColumnBlock:]
		}
	}
	end := int64(be.Uint64(b))
	b = b[8:]
	for i := range m.blocks {
		block := &m.blocks[i]
		block.v4, block.v6, block.dropped = be.Uint32(b), be.Uint32(b[4:]), be.Uint32(b[8:])
		if i > 0 { // a clock that was set back shows as a difference that wrapped around
			end += int64(int32(be.Uint32(b[12:])))
		}
		block.end = end
		b = b[metaBlockTimes:]
	}
	return m, nil
}
