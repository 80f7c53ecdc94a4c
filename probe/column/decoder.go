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
	blocks    []block
}

// Decode decodes a chunk into dst, whose elements it overwrites and whose length it sets, and returns it; the memory
// is only replaced if its capacity is too small. The chunk must be whole and have nothing after it. On error dst
// holds nothing of use; the error wraps ErrDamaged, or is ErrContext if the chunk needs DecodeGiven.
func (d *Decoder) Decode(dst []uint64, chunk []byte) ([]uint64, error) {
	return d.DecodeSome(dst, chunk, nil, nil)
}

// DecodeGiven is Decode for a chunk made by AppendGiven. A context of another length than the chunk is an error;
// one with other values gives other values or an error.
func (d *Decoder) DecodeGiven(dst []uint64, chunk []byte, context []uint64) ([]uint64, error) {
	if context == nil {
		context = []uint64{}
	}
	return d.DecodeSome(dst, chunk, context, nil)
}

// DecodeSome is Decode, and with a context DecodeGiven, for those who look only at the values at some places, which
// ascend: the others may hold anything, and so may those of the context. Without places it decodes all.
func (d *Decoder) DecodeSome(dst []uint64, chunk []byte, context []uint64, places []uint32) ([]uint64, error) {
	info, body, err := open(chunk)
	if err != nil {
		return dst, err
	}
	if context != nil && len(context) != info.Count {
		return dst, wrap(info, fmt.Errorf("%w: context of %d values", ErrDamaged, len(context)))
	}
	dst = grow(dst, info.Count)
	switch {
	case info.Codec == Deltas:
		err = d.deltas(dst, body)
	case info.Codec != Given:
		err = d.plain(dst, info.Codec, body, places)
	case context == nil:
		err = ErrContext
	default:
		err = d.given(dst, body, context, places)
	}
	return dst, wrap(info, err)
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

// plain decodes a body that holds no others.
func (d *Decoder) plain(dst []uint64, codec Codec, body []byte, places []uint32) error {
	switch codec {
	case Constant:
		return constant(dst, body)
	case Raw:
		return raw(dst, body)
	case Packed:
		return d.packed(dst, body)
	case Classes:
		return d.coded(dst, body, 1, nil, d.find(len(dst), places))
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
	if err := d.plain(dst[1:], Codec(body[0]), body[1+n:], nil); err != nil {
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
