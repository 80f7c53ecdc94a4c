package column

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/klauspost/compress/zstd"
)

// Decoder reads chunks. Its zero value is ready; it keeps its scratch space, so one should be used for many chunks.
// It is for one goroutine at a time.
type Decoder struct {
	entries   []entry // of all parts
	bases     []uint64
	partCodes [classCount]partCode
	widest    uint // the most bits that a value takes
	zstd      *zstd.Decoder
	pad       []byte // a bit stream with slack behind it
	raw       []byte
	wide      []uint64
	partOf    []byte
	ofSmall   [smallContexts]byte
	lows      [256]uint64 // masks of the lowest bits, by their number
}

// Decode decodes a chunk into dst, whose elements it overwrites and whose length it sets, and returns it; the memory
// is only replaced if its capacity is too small. The chunk must be whole and have nothing after it. On error dst
// holds nothing of use; the error wraps ErrDamaged, or is ErrContext if the chunk needs DecodeGiven.
func (d *Decoder) Decode(dst []uint64, chunk []byte) ([]uint64, error) {
	info, body, err := open(chunk)
	if err != nil {
		return dst, err
	}
	dst = grow(dst, info.Count)
	return dst, wrap(info, d.body(dst, info.Codec, body))
}

// Decode32 is Decode for values of 32 bits. A greater value is an error.
func (d *Decoder) Decode32(dst []uint32, chunk []byte) ([]uint32, error) {
	wide, err := d.Decode(d.wide, chunk)
	d.wide = wide
	if err != nil {
		return dst, err
	}
	dst = grow(dst, len(wide))
	all := uint64(0)
	for i, v := range wide {
		all |= v
		dst[i] = uint32(v)
	}
	if all > math.MaxUint32 {
		return dst, fmt.Errorf("%w: value of more than 32 bits", ErrDamaged)
	}
	return dst, nil
}

// wrap says which chunk an error is about.
func wrap(info Info, err error) error {
	if err == nil || errors.Is(err, ErrContext) {
		return err
	}
	return fmt.Errorf("decode %d values, %v: %w", info.Count, info.Codec, err)
}

// body decodes a body that needs no other column.
func (d *Decoder) body(dst []uint64, codec Codec, body []byte) error {
	switch codec {
	case Deltas:
		return d.deltas(dst, body)
	case Given:
		return ErrContext
	}
	return d.plain(dst, codec, body)
}

// plain decodes a body that holds no others.
func (d *Decoder) plain(dst []uint64, codec Codec, body []byte) error {
	switch codec {
	case Constant:
		return constant(dst, body)
	case Raw:
		return raw(dst, body)
	case Packed:
		return d.packed(dst, body)
	case Classes:
		return d.coded(dst, body, 1, nil)
	case Zstd:
		return d.unzstd(dst, body)
	}
	return fmt.Errorf("%w: %v inside another", ErrDamaged, codec)
}

func constant(dst []uint64, body []byte) error {
	v, n := binary.Uvarint(body)
	if n <= 0 || n != len(body) {
		return fmt.Errorf("%w: constant", ErrDamaged)
	}
	for i := range dst {
		dst[i] = v
	}
	return nil
}

func raw(dst []uint64, body []byte) error {
	if len(body) != 8*len(dst) {
		return fmt.Errorf("%w: %d raw bytes", ErrDamaged, len(body))
	}
	for i := range dst {
		dst[i] = binary.LittleEndian.Uint64(body[8*i:])
	}
	return nil
}

func (d *Decoder) deltas(dst []uint64, body []byte) error {
	if len(body) == 0 || len(dst) == 0 {
		return fmt.Errorf("%w: empty", ErrDamaged)
	}
	value, n := binary.Uvarint(body[1:])
	if n <= 0 {
		return fmt.Errorf("%w: first value", ErrDamaged)
	}
	if err := d.plain(dst[1:], Codec(body[0]), body[1+n:]); err != nil {
		return err
	}
	dst[0] = 0
	for i, difference := range dst {
		value += difference
		dst[i] = value
	}
	return nil
}

// padded copies a bit stream to where slack readable bytes follow it. The copy is valid until the next call.
func (d *Decoder) padded(b []byte, slack int) []byte {
	d.pad = grow(d.pad, len(b)+slack)
	copy(d.pad, b)
	return d.pad
}
