package godb

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The decoder for LZ4 blocks (lz4_Block_format.md of github.com/lz4/lz4) is our own, since salvaging needs to know
// how far a stream that was cut off can be decoded.

var (
	errCut     = errors.New("the compressed stream is cut off")
	errStream  = errors.New("the compressed stream is damaged")
	errTooLong = errors.New("the compressed stream decodes to more than is recorded")
)

// lz4Progress says how far a stream was decoded.
type lz4Progress struct {
	used    int // bytes of the source
	pending int // literals that are announced, but lie behind the end of the source
}

// decodeLZ4 appends what the LZ4 block src decodes to, until src ends or dst holds limit bytes, which its capacity
// allows. errCut means that src ended too early; what was decoded until there is right nevertheless.
func decodeLZ4(dst, src []byte, limit int) ([]byte, lz4Progress, error) {
	i := 0
	for i < len(src) {
		token := src[i]
		i++
		literals, next, ok := lz4Length(src, i, int(token>>4))
		if !ok {
			return dst, lz4Progress{used: len(src)}, errCut
		}
		i = next
		if literals > limit-len(dst) {
			return dst, lz4Progress{used: i}, errTooLong
		}
		if left := len(src) - i; literals > left {
			return append(dst, src[i:]...), lz4Progress{used: len(src), pending: literals - left}, errCut
		}
		dst = append(dst, src[i:i+literals]...)
		i += literals
		if i == len(src) || len(dst) == limit { // the last sequence has no match
			return dst, lz4Progress{used: i}, nil
		}
		if len(src)-i < 2 {
			return dst, lz4Progress{used: len(src)}, errCut
		}
		offset := int(binary.LittleEndian.Uint16(src[i:]))
		length, next, ok := lz4Length(src, i+2, int(token&15))
		if !ok {
			return dst, lz4Progress{used: len(src)}, errCut
		}
		i, length = next, length+4
		if offset == 0 || offset > len(dst) {
			return dst, lz4Progress{used: i}, errStream
		}
		if length > limit-len(dst) {
			return dst, lz4Progress{used: i}, errTooLong
		}
		dst = repeat(dst, offset, length)
	}
	return dst, lz4Progress{used: i}, nil
}

// lz4Length reads the rest of a length whose first part is in the token; false if src ends before.
func lz4Length(src []byte, i, length int) (total, next int, ok bool) {
	if length < 15 {
		return length, i, true
	}
	for ; i < len(src); i++ {
		length += int(src[i]) // at most 255 times the source's length
		if src[i] != 255 {
			return length, i + 1, true
		}
	}
	return 0, i, false
}

// repeat appends length bytes that begin offset bytes before the end of dst; they may overlap what is appended.
func repeat(dst []byte, offset, length int) []byte {
	start := len(dst) - offset
	for length > 0 {
		n := min(length, len(dst)-start)
		dst = append(dst, dst[start:start+n]...)
		length -= n
	}
	return dst
}

// Parts of an LZ4 frame (lz4_Frame_format.md).
const (
	lz4FrameMagic     = 0x184D2204
	lz4BlockChecksums = 1 << 4
	lz4ContentSize    = 1 << 3
	lz4Dictionary     = 1
	lz4Uncompressed   = 1 << 31
)

// decodeLegacy decodes the oldest encoder: LZ4 whose checksum was cut off, as a bare block or as a frame. What is
// known of it is no more than that; the decoded length decides.
func decodeLegacy(dst, src []byte, limit int) ([]byte, error) {
	if len(src) < 7 || binary.LittleEndian.Uint32(src) != lz4FrameMagic {
		out, progress, err := decodeLZ4(dst, src, limit)
		if err == nil && progress.used != len(src) {
			err = errTooLong
		}
		return out, err
	}
	flags := src[4]
	if flags>>6 != 1 || flags&lz4Dictionary != 0 {
		return dst, fmt.Errorf("%w: frame with flags %#02x", errStream, flags)
	}
	src = src[6:]
	skip := 1 // checksum of the header
	if flags&lz4ContentSize != 0 {
		skip += 8
	}
	if len(src) < skip {
		return dst, errCut
	}
	return decodeFrameBlocks(dst, src[skip:], limit, flags&lz4BlockChecksums != 0)
}

// decodeFrameBlocks decodes the blocks of a frame until its end mark or the end of src.
func decodeFrameBlocks(dst, src []byte, limit int, checksums bool) ([]byte, error) {
	for len(src) >= 4 {
		header := binary.LittleEndian.Uint32(src)
		size := int64(header &^ lz4Uncompressed)
		src = src[4:]
		if size == 0 {
			return dst, nil
		}
		if size > int64(len(src)) {
			return dst, errCut
		}
		block := src[:size]
		src = src[size:]
		if checksums {
			src = src[min(4, len(src)):]
		}
		if header&lz4Uncompressed != 0 {
			if len(block) > limit-len(dst) {
				return dst, errTooLong
			}
			dst = append(dst, block...)
			continue
		}
		out, progress, err := decodeLZ4(dst, block, limit)
		if err == nil && progress.used != len(block) {
			err = errTooLong
		}
		if err != nil {
			return out, err
		}
		dst = out
	}
	return dst, nil
}
