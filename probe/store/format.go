package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// FormatVersion is the version of logs that this build writes, and the only one it reads.
const FormatVersion = 1

// Sizes and bounds of the format; docs/FORMAT.md has the byte tables.
const (
	// BlockHeaderSize is the length of a block's header in bytes.
	BlockHeaderSize = 160
	// MaxBlockRows is the greatest number of rows in a block.
	MaxBlockRows = 1 << 24
	// MaxDuration is the longest interval.
	MaxDuration = 7 * 24 * time.Hour

	fileHeaderFixed = 16 // before the interface's name
	maxFileHeader   = fileHeaderFixed + MaxInterfaceName + 4
	maxPayload      = 1<<31 - 1
	issueSlots      = 8
)

// The reasons that flow knows must fit the slots; adding a slot is a new format version.
var _ [issueSlots - (flow.IssueCount - 1)]struct{}

var (
	fileMagic  = [8]byte{'W', 'E', 'I', 'R', 'W', 'L', 'O', 'G'}
	blockMagic = [4]byte{0xB1, 'W', 'B', 'K'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// extendChecksum is the checksum of what sum is that of, with b behind it.
func extendChecksum(sum uint32, b []byte) uint32 { return crc32.Update(sum, castagnoli, b) }

// fileHeader returns the header of a log. It depends on nothing but interface and day, so that its checksum, the
// tag, ties every block to them even where the header itself is damaged.
func fileHeader(iface string, d day) (header []byte, tag uint32) {
	b := make([]byte, 0, maxFileHeader)
	b = append(b, fileMagic[:]...)
	b = binary.LittleEndian.AppendUint16(b, FormatVersion)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(iface)))
	b = binary.LittleEndian.AppendUint32(b, uint32(d))
	b = append(b, iface...)
	tag = checksum(b)
	return binary.LittleEndian.AppendUint32(b, tag), tag
}

// Reasons why a file is refused as a whole.
var (
	errNoLog         = errors.New("not a log: no header, and no block of this interface and day")
	errFutureVersion = errors.New("written by a later version")
	errMisplaced     = errors.New("a log of another interface or day")
)

// checkFileHeader compares the start of a file with the header that is due. It returns true where they agree,
// false where the header is damaged, and an error where the file is intact, but not what it should be.
func checkFileHeader(start, want []byte) (bool, error) {
	if bytes.HasPrefix(start, want) {
		return true, nil
	}
	if len(start) < fileHeaderFixed || !bytes.HasPrefix(start, fileMagic[:]) {
		return false, nil
	}
	n := fileHeaderFixed + int(binary.LittleEndian.Uint16(start[10:]))
	if len(start) < n+4 || checksum(start[:n]) != binary.LittleEndian.Uint32(start[n:]) {
		return false, nil
	}
	if v := binary.LittleEndian.Uint16(start[8:]); v != FormatVersion {
		return false, fmt.Errorf("%w: format %d, this build reads %d", errFutureVersion, v, FormatVersion)
	}
	return false, fmt.Errorf("%w: %q, %s", errMisplaced, start[fileHeaderFixed:n],
		day(binary.LittleEndian.Uint32(start[12:])).fileName())
}

// blockHeader is the fixed part of a block.
type blockHeader struct {
	interval flow.Interval
	rows     uint32
	payload  uint32 // length of the payload in bytes
	crc      uint32 // CRC-32C of the payload
}

// put writes the header into its BlockHeaderSize bytes.
func (h *blockHeader) put(b []byte, tag uint32) {
	le := binary.LittleEndian
	copy(b, blockMagic[:])
	le.PutUint32(b[4:], tag)
	le.PutUint32(b[8:], h.payload)
	le.PutUint32(b[12:], h.rows)
	le.PutUint64(b[16:], uint64(h.interval.End))
	le.PutUint64(b[24:], uint64(h.interval.Duration))
	copy(b[32:48], h.interval.Boot[:])
	le.PutUint64(b[48:], h.interval.Sequence)
	a := &h.interval.Accounting
	le.PutUint64(b[56:], a.Received)
	le.PutUint64(b[64:], a.Dropped)
	le.PutUint64(b[72:], a.Metered)
	for i := range issueSlots {
		issue := uint64(0)
		if i+1 < len(a.Issues) {
			issue = a.Issues[i+1]
		}
		le.PutUint64(b[80+8*i:], issue)
	}
	clear(b[144:152])
	le.PutUint32(b[152:], h.crc)
	le.PutUint32(b[156:], checksum(b[:156]))
}

// parseBlockHeader reads a header of BlockHeaderSize bytes and checks it against its checksum, the file's tag and
// day, and the bounds.
func parseBlockHeader(b []byte, tag uint32, d day) (h blockHeader, ok bool) {
	le := binary.LittleEndian
	if !bytes.HasPrefix(b, blockMagic[:]) || le.Uint32(b[156:]) != checksum(b[:156]) || le.Uint32(b[4:]) != tag {
		return h, false
	}
	h.payload, h.rows = le.Uint32(b[8:]), le.Uint32(b[12:])
	iv := &h.interval
	iv.End, iv.Duration = int64(le.Uint64(b[16:])), time.Duration(le.Uint64(b[24:]))
	copy(iv.Boot[:], b[32:48])
	iv.Sequence = le.Uint64(b[48:])
	a := &iv.Accounting
	a.Received, a.Dropped, a.Metered = le.Uint64(b[56:]), le.Uint64(b[64:]), le.Uint64(b[72:])
	for i := 1; i < len(a.Issues); i++ {
		a.Issues[i] = le.Uint64(b[80+8*(i-1):])
	}
	h.crc = le.Uint32(b[152:])
	return h, h.validate() == nil && dayOf(iv.End) == d
}

// validate checks the bounds; the writer asks before it writes and the reader after it reads.
func (h *blockHeader) validate() error {
	switch iv := &h.interval; {
	case iv.End <= 0 || iv.End > maxEnd:
		return fmt.Errorf("end %d: not between 1970 and 9999", iv.End)
	case iv.Duration < 0 || iv.Duration > MaxDuration:
		return fmt.Errorf("duration %v: not between 0 and %v", iv.Duration, MaxDuration)
	case h.rows > MaxBlockRows:
		return fmt.Errorf("%d rows: more than %d", h.rows, MaxBlockRows)
	case h.payload > maxPayload || (h.rows == 0) != (h.payload == 0):
		return fmt.Errorf("%d rows in %d bytes", h.rows, h.payload)
	}
	return nil
}
