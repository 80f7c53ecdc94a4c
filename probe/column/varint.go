package column

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// worthZstd says whether varints under Zstandard may be smaller than the other bodies, which see no repetitions and
// spend at least a bit on a value of a column with exceptions. It counts the places where the last four values have
// been seen before; on columns of flows, Zstandard never wins where they are less than half, and takes more time than
// all the rest.
func worthZstd(values []uint64) bool {
	const (
		factor  = 0x9e3779b97f4a7c15
		factor4 = factor * factor % (1 << 64) * factor % (1 << 64) * factor % (1 << 64)
	)
	var seen [1 << 11]uint64
	hash, again := uint64(0), 0
	for i, v := range values {
		hash = hash*factor + v
		if i < 4 {
			continue
		}
		hash -= values[i-4] * factor4
		at := hash >> (64 - 11)
		if seen[at] == hash {
			again++
		}
		seen[at] = hash
	}
	return again > len(values)*3/8
}

// appendZstd appends the length of the varints and their frame.
func (e *Encoder) appendZstd(dst []byte, values []uint64) []byte {
	if e.zstd == nil {
		var err error
		e.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
			zstd.WithSingleSegment(true), zstd.WithLowerEncoderMem(true), zstd.WithEncoderLevel(zstd.SpeedDefault))
		if err != nil {
			panic(err) // the options above are wrong
		}
	}
	e.raw = e.raw[:0]
	for _, v := range values {
		e.raw = binary.AppendUvarint(e.raw, v)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.raw)))
	return e.zstd.EncodeAll(e.raw, dst)
}

// unzstd decodes a body of the codec Zstd into dst.
func (d *Decoder) unzstd(dst []uint64, body []byte) error {
	size, n := binary.Uvarint(body)
	if n <= 0 || size < uint64(len(dst)) || size > uint64(len(dst))*binary.MaxVarintLen64 {
		return fmt.Errorf("%w: length of varints", ErrDamaged)
	}
	if d.zstd == nil {
		var err error
		d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(MaxValues*binary.MaxVarintLen64))
		if err != nil {
			panic(err) // the options above are wrong
		}
	}
	d.raw = grow(d.raw, int(size))
	raw, err := d.zstd.DecodeAll(body[n:], d.raw[:0:size])
	if err != nil {
		return fmt.Errorf("%w: zstd frame: %w", ErrDamaged, err)
	}
	if uint64(len(raw)) != size {
		return fmt.Errorf("%w: %d bytes of varints, %d announced", ErrDamaged, len(raw), size)
	}
	return readVarints(dst, raw)
}

// readVarints fills dst from varints that must take all of b.
func readVarints(dst []uint64, b []byte) error {
	for i := range dst {
		if len(b) > 0 && b[0] < 0x80 { // most are one byte
			dst[i] = uint64(b[0])
			b = b[1:]
			continue
		}
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return fmt.Errorf("%w: varint of value %d", ErrDamaged, i)
		}
		dst[i] = v
		b = b[n:]
	}
	if len(b) != 0 {
		return fmt.Errorf("%w: %d bytes after the varints", ErrDamaged, len(b))
	}
	return nil
}
