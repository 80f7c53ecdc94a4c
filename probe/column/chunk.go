package column

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
)

// MaxValues is the greatest number of values in a chunk. With it, what a decoder allocates is bounded whatever a
// chunk says: 8 bytes a value for the caller, and about 36 as its own scratch space.
const MaxValues = 1 << 16

// Codec says how the body of a chunk is encoded. The numbers are stored; none is ever used again for another
// encoding.
type Codec uint8

// The codecs; 4 and 7 were those of a format that nobody has. The zero value is no codec, so that a run of zero bytes is no chunk.
const (
	Constant Codec = 1 // all values are the same
	Raw      Codec = 2 // eight bytes a value
	Packed   Codec = 3 // groups of 128, bits packed, with exceptions
	Zstd     Codec = 5 // varints in a Zstandard frame
	Deltas   Codec = 6 // differences of a sorted column, under another codec
	Classes  Codec = 8 // Huffman-coded classes and frequent values, each followed by the bits it leaves open
	Given    Codec = 9 // the same, with a table for each part of the values of another column
)

var codecNames = [...]string{Constant: "constant", Raw: "raw", Packed: "packed", Classes: "classes", Zstd: "zstd",
	Deltas: "deltas", Given: "given"}

func (c Codec) String() string {
	if int(c) >= len(codecNames) || codecNames[c] == "" {
		return "codec " + strconv.Itoa(int(c))
	}
	return codecNames[c]
}

// ErrDamaged is wrapped by every error about the bytes of a chunk or dictionary. Nothing else than such bytes, or a
// chunk of a later version, makes decoding fail.
var ErrDamaged = errors.New("damaged column")

// ErrContext is returned by Decode for a chunk that needs the column it was encoded against; it does not say that
// anything is damaged.
var ErrContext = errors.New("chunk is encoded against another column")

// checksumSize is the length of the CRC-32C at the end of a chunk.
const checksumSize = 4

// Info is what the header of a chunk says.
type Info struct {
	Codec Codec
	Count int // values
	Size  int // bytes of the whole chunk, header and checksum included
}

// Inspect reads the header of the chunk at the start of b, which may be followed by others, and checks that the
// whole chunk is there. It does not check the checksum: Check and the decoders do.
func Inspect(b []byte) (Info, error) {
	info, _, err := header(b)
	return info, err
}

// Check verifies the checksum of a chunk, and that it has nothing after it, without decoding it.
func Check(chunk []byte) error {
	_, _, err := open(chunk)
	return err
}

// header reads the header of the chunk at the start of b and returns its body beside it.
func header(b []byte) (info Info, body []byte, err error) {
	if len(b) < 3+checksumSize {
		return info, nil, fmt.Errorf("%w: chunk of %d bytes", ErrDamaged, len(b))
	}
	codec := Codec(b[0])
	if codec == 0 || int(codec) >= len(codecNames) || codecNames[codec] == "" {
		return info, nil, fmt.Errorf("%w: unknown %v", ErrDamaged, codec)
	}
	at := 1
	count, n := binary.Uvarint(b[at:])
	if n <= 0 || count > MaxValues {
		return info, nil, fmt.Errorf("%w: number of values", ErrDamaged)
	}
	at += n
	size, n := binary.Uvarint(b[at:])
	if n <= 0 || size > maxBody(int(count)) {
		return info, nil, fmt.Errorf("%w: body length", ErrDamaged)
	}
	at += n
	if uint64(len(b)-at) < size+checksumSize {
		return info, nil, fmt.Errorf("%w: body of %d bytes, %d left", ErrDamaged, size, len(b)-at-checksumSize)
	}
	end := at + int(size)
	return Info{Codec: codec, Count: int(count), Size: end + checksumSize}, b[at:end], nil
}

// maxBody is the length of the longest body of n values: no codec is chosen that needs more than Raw, and one value
// is Constant.
func maxBody(n int) uint64 { return max(8*uint64(n), binary.MaxVarintLen64) }

// open checks that a chunk is whole, alone and unharmed, and returns what its header says and its body.
func open(chunk []byte) (Info, []byte, error) {
	info, body, err := header(chunk)
	if err != nil {
		return info, nil, err
	}
	if info.Size != len(chunk) {
		return info, nil, fmt.Errorf("%w: %d bytes after the chunk", ErrDamaged, len(chunk)-info.Size)
	}
	end := info.Size - checksumSize
	if crc32.Checksum(chunk[:end], castagnoli()) != binary.LittleEndian.Uint32(chunk[end:]) {
		return info, nil, fmt.Errorf("%w: checksum mismatch", ErrDamaged)
	}
	return info, body, nil
}

// appendChunk appends a header, the body and the checksum.
func appendChunk(dst []byte, codec Codec, count int, body []byte) []byte {
	start := len(dst)
	dst = append(dst, byte(codec))
	dst = binary.AppendUvarint(dst, uint64(count))
	dst = binary.AppendUvarint(dst, uint64(len(body)))
	dst = append(dst, body...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli()))
}

// castagnoli is the table of CRC-32C; package crc32 makes it once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
