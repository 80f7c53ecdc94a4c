package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/s2"

	"github.com/weirflow/weir/pkg/flow"
)

// ChunkRows is the greatest number of rows in a chunk: what a reader holds in memory at a time.
const ChunkRows = 1 << 14

// Codecs of a chunk. Their numbers are stored.
const (
	codecRaw = 0
	codecS2  = 1 // Snappy-compatible block format of github.com/klauspost/compress/s2
)

const (
	chunkHeaderSize = 16
	counterColumns  = 9
	// maxRatio bounds decompression. What compresses better is stored raw.
	maxRatio = 256
	// minRow and maxRow bound the decoded bytes of a row: IPv6 that shares both addresses with the row before and
	// counts nothing; IPv6 that shares nothing, with all counters at full length.
	minRow = 1 + 1 + 2 + 1
	maxRow = 1 + 16 + 1 + 16 + 2 + 1 + counterColumns*binary.MaxVarintLen64
	// chunkFixed is the longest part of a decoded chunk that is not rows.
	chunkFixed = binary.MaxVarintLen32 + 2
)

var errChunk = errors.New("damaged chunk")

// appendPayload appends the chunks of the records, which are sorted by key. raw is scratch space; both slices are
// returned as they grew.
func appendPayload(dst, raw []byte, records []flow.Record) (payload, scratch []byte) {
	for len(records) > 0 {
		n := min(len(records), ChunkRows)
		raw = appendColumns(raw[:0], records[:n])
		dst = appendChunk(dst, raw, n)
		records = records[n:]
	}
	return dst, raw
}

// appendChunk appends a chunk header and the columns, compressed if that is worth it.
func appendChunk(dst, raw []byte, rows int) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, chunkHeaderSize+s2.MaxEncodedLen(len(raw)))...)
	body := dst[start+chunkHeaderSize:]
	codec, stored := codecS2, s2.EncodeBetter(body, raw)
	if len(stored) >= len(raw) || len(raw) > maxRatio*len(stored) {
		codec, stored = codecRaw, body[:copy(body, raw)]
	}
	header := dst[start:]
	header[0] = byte(codec)
	binary.LittleEndian.PutUint32(header[4:], uint32(rows))
	binary.LittleEndian.PutUint32(header[8:], uint32(len(raw)))
	binary.LittleEndian.PutUint32(header[12:], uint32(len(stored)))
	return dst[:start+chunkHeaderSize+len(stored)]
}

// appendColumns appends the rows of one chunk, column by column.
func appendColumns(b []byte, records []flow.Record) []byte {
	n4 := 0
	for n4 < len(records) && records[n4].Key.Family == flow.IPv4 {
		n4++
	}
	var columns [counterColumns]bool
	present := uint16(0)
	for i := range records {
		for c, v := range counterValues(&records[i].Counters) {
			columns[c] = columns[c] || v != 0
		}
	}
	for c, used := range columns {
		if used {
			present |= 1 << c
		}
	}
	b = binary.AppendUvarint(b, uint64(n4))
	b = binary.LittleEndian.AppendUint16(b, present)
	b = appendAddresses4(b, records[:n4])
	b = appendAddresses6(b, records[n4:], func(r *flow.Record) *flow.Address { return &r.Key.Source })
	b = appendAddresses6(b, records[n4:], func(r *flow.Record) *flow.Address { return &r.Key.Destination })
	for i := range records {
		b = binary.LittleEndian.AppendUint16(b, records[i].Key.DestinationPort)
	}
	for i := range records {
		b = append(b, byte(records[i].Key.Protocol))
	}
	for c, used := range columns {
		for i := 0; used && i < len(records); i++ {
			b = binary.AppendUvarint(b, counterValues(&records[i].Counters)[c])
		}
	}
	return b
}

// counterValues are the counters in the order of their columns. The order is stored.
func counterValues(c *flow.Counters) [counterColumns]uint64 {
	return [counterColumns]uint64{c.BytesReceived, c.BytesSent, c.PacketsReceived, c.PacketsSent,
		c.Attempts, c.Accepts, c.Rejects, c.RoundTripNanoseconds, c.RoundTrips}
}

// appendAddresses4 appends the differences between neighbouring sources, then the destinations.
func appendAddresses4(b []byte, records []flow.Record) []byte {
	previous := uint32(0)
	for i := range records {
		source := binary.BigEndian.Uint32(records[i].Key.Source[:4])
		b = binary.AppendUvarint(b, uint64(source-previous))
		previous = source
	}
	for i := range records {
		b = append(b, records[i].Key.Destination[:4]...)
	}
	return b
}

// appendAddresses6 appends how many bytes each address shares with the one before, then the bytes it does not.
func appendAddresses6(b []byte, records []flow.Record, of func(*flow.Record) *flow.Address) []byte {
	var previous flow.Address
	start := len(b)
	b = append(b, make([]byte, len(records))...)
	for i := range records {
		address := of(&records[i])
		shared := 0
		for shared < len(address) && address[shared] == previous[shared] {
			shared++
		}
		b[start+i] = byte(shared)
		b = append(b, address[shared:]...)
		previous = *address
	}
	return b
}

// chunkHeader is the fixed part of a chunk.
type chunkHeader struct {
	codec             byte
	rows, raw, stored int
}

// parseChunkHeader reads the header at the start of b and checks it against the bounds and against what is left.
func parseChunkHeader(b []byte) (h chunkHeader, err error) {
	if len(b) < chunkHeaderSize {
		return h, fmt.Errorf("%w: %d bytes left for its header", errChunk, len(b))
	}
	le := binary.LittleEndian
	rows, raw, stored := le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:])
	switch {
	case b[0] > codecS2 || b[1] != 0 || b[2] != 0 || b[3] != 0:
		return h, fmt.Errorf("%w: unknown codec % x", errChunk, b[:4])
	case rows == 0 || rows > ChunkRows:
		return h, fmt.Errorf("%w: %d rows", errChunk, rows)
	case raw < rows*minRow || raw > rows*maxRow+chunkFixed:
		return h, fmt.Errorf("%w: %d bytes for %d rows", errChunk, raw, rows)
	case uint64(stored) > uint64(len(b)-chunkHeaderSize):
		return h, fmt.Errorf("%w: %d bytes stored, %d left", errChunk, stored, len(b)-chunkHeaderSize)
	case b[0] == codecRaw && stored != raw, b[0] == codecS2 && (stored >= raw || uint64(raw) > maxRatio*uint64(stored)):
		return h, fmt.Errorf("%w: %d bytes stored for %d", errChunk, stored, raw)
	}
	return chunkHeader{codec: b[0], rows: int(rows), raw: int(raw), stored: int(stored)}, nil
}

// checkChunks checks the headers of all chunks of a payload against the number of rows of its block.
func checkChunks(payload []byte, rows uint32) error {
	sum := 0
	for len(payload) > 0 {
		h, err := parseChunkHeader(payload)
		if err != nil {
			return err
		}
		sum += h.rows
		payload = payload[chunkHeaderSize+h.stored:]
	}
	if sum != int(rows) {
		return fmt.Errorf("%w: %d rows in the chunks, %d in the block's header", errChunk, sum, rows)
	}
	return nil
}

// decodeChunk decodes the chunk at the start of b into the reader's buffers and returns its rows, valid until
// the next call, and the rest of b.
func (r *reader) decodeChunk(b []byte) (records []flow.Record, rest []byte, err error) {
	h, err := parseChunkHeader(b)
	if err != nil {
		return nil, nil, err
	}
	stored, rest := b[chunkHeaderSize:chunkHeaderSize+h.stored], b[chunkHeaderSize+h.stored:]
	raw := stored
	if h.codec == codecS2 {
		if n, err := s2.DecodedLen(stored); err != nil || n != h.raw {
			return nil, nil, fmt.Errorf("%w: compressed length %d, header says %d", errChunk, n, h.raw)
		}
		if r.raw, err = s2.Decode(grow(r.raw, h.raw), stored); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", errChunk, err)
		}
		raw = r.raw
	}
	r.records = grow(r.records, h.rows)
	if err := decodeColumns(raw, r.records); err != nil {
		return nil, nil, err
	}
	r.stats.BytesDecoded += uint64(h.raw)
	return r.records, rest, nil
}

// grow returns a slice of length n, in the same memory if that is large enough. Its elements are not cleared.
func grow[T any](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	return make([]T, n)
}
