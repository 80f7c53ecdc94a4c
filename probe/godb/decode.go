package godb

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Encoders of a block. Their numbers are stored.
const (
	encoderLegacy = 0 // LZ4 with its checksum cut off
	encoderRaw    = 1
	encoderZstd   = 2
	encoderLZ4    = 3
)

var errTooShort = errors.New("decodes to less than is recorded")

// decompressor decodes blocks; it belongs to one goroutine. close frees what it holds.
type decompressor struct {
	zstd *zstd.Decoder // nil until needed
}

// decode decodes src into dst, whose capacity allows for the raw bytes that are due.
func (d *decompressor) decode(dst, src []byte, encoder byte, raw int) (out []byte, err error) {
	out = dst[:0:raw]
	switch encoder {
	case encoderRaw:
		if len(src) != raw {
			return nil, fmt.Errorf("%d bytes stored raw, but %d decoded", len(src), raw)
		}
		return append(out, src...), nil
	case encoderLZ4:
		var progress lz4Progress
		out, progress, err = decodeLZ4(out, src, raw)
		if err == nil && progress.used != len(src) {
			err = errTooLong
		}
	case encoderZstd:
		out, err = d.decodeZstd(out, src)
	case encoderLegacy:
		out, err = decodeLegacy(out, src, raw)
	default:
		return nil, fmt.Errorf("unknown encoder %d", encoder)
	}
	if err == nil && len(out) != raw {
		err = fmt.Errorf("%w: %d bytes of %d", errTooShort, len(out), raw)
	}
	return out, err
}

// decodeZstd writes no more than the capacity of dst.
func (d *decompressor) decodeZstd(dst, src []byte) ([]byte, error) {
	if d.zstd == nil {
		var err error
		d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true),
			zstd.WithDecoderMaxMemory(1<<32), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
	}
	return d.zstd.DecodeAll(src, dst)
}

func (d *decompressor) close() {
	if d.zstd != nil {
		d.zstd.Close()
		d.zstd = nil
	}
}

const maxWidth = 8

// counters are a decoded column of numbers: width bytes each, little-endian.
type counters struct {
	width int
	bytes []byte // maxWidth bytes longer than the numbers, so that each can be read as eight
}

// parseCounters reads the first byte, the width of all numbers, and says how many of them are there in whole. The
// capacity of b allows for maxWidth bytes more.
func parseCounters(b []byte) (c counters, count int, err error) {
	if len(b) == 0 {
		return c, 0, errors.New("no width of the numbers")
	}
	c.width = int(b[0])
	if c.width < 1 || c.width > maxWidth {
		return c, 0, fmt.Errorf("numbers of %d bytes", c.width)
	}
	count = (len(b) - 1) / c.width
	c.bytes = b[1 : len(b)+maxWidth]
	return c, count, nil
}

// at returns the i-th number.
func (c *counters) at(i int) uint64 {
	word := binary.LittleEndian.Uint64(c.bytes[i*c.width:])
	return word & (^uint64(0) >> (8 * (maxWidth - c.width)))
}
