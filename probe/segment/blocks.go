package segment

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/column"
)

// maxDuration is the longest interval, as in the log.
const maxDuration = 7 * 24 * time.Hour

// issueSlots is the number of reasons in the table of blocks; the first is that of flow.Issue 1.
const issueSlots = 8

// The reasons that flow knows must fit the slots; adding a slot is a new format version.
var _ [issueSlots - (flow.IssueCount - 1)]struct{}

// blockColumns are the columns of the table of blocks after the index of the boot.
const blockColumns = 3 + 3 + issueSlots

// sortBlocks sorts by end, then boot and sequence, and checks that all fit the segment and none stands twice.
func sortBlocks(m Meta, blocks []flow.Interval) error {
	if len(blocks) > MaxBlocks {
		return fmt.Errorf("%d blocks: more than %d", len(blocks), MaxBlocks)
	}
	byIdentity := func(a, b flow.Interval) int {
		return cmp.Or(bytes.Compare(a.Boot[:], b.Boot[:]), cmp.Compare(a.Sequence, b.Sequence))
	}
	slices.SortFunc(blocks, byIdentity)
	for i, b := range blocks {
		if i > 0 && byIdentity(blocks[i-1], b) == 0 {
			return fmt.Errorf("block %x/%d stands twice", b.Boot, b.Sequence)
		}
		if b.End < m.First || b.End > m.Last {
			return fmt.Errorf("block %x/%d ends at %d: not from %d to %d", b.Boot, b.Sequence, b.End, m.First, m.Last)
		}
		if b.Duration < 0 || b.Duration > maxDuration {
			return fmt.Errorf("block %x/%d: duration %v", b.Boot, b.Sequence, b.Duration)
		}
	}
	slices.SortStableFunc(blocks, func(a, b flow.Interval) int { return cmp.Compare(a.End, b.End) })
	return nil
}

// appendBlocks appends the table of blocks: boots, then columns.
func appendBlocks(e *column.Encoder, dst []byte, m Meta, blocks []flow.Interval) []byte {
	var boots [][16]byte
	number := map[[16]byte]uint64{}
	columns := make([][]uint64, 1+blockColumns)
	last := map[[16]byte]uint64{}
	for _, b := range blocks {
		if _, known := number[b.Boot]; !known {
			number[b.Boot] = uint64(len(boots))
			boots = append(boots, b.Boot)
		}
		a := &b.Accounting
		row := [1 + blockColumns]uint64{number[b.Boot], uint64(b.End - m.First), uint64(b.Duration), b.Sequence - last[b.Boot],
			a.Received, a.Dropped, a.Metered}
		last[b.Boot] = b.Sequence
		for i := 1; i < len(a.Issues); i++ {
			row[6+i] = a.Issues[i]
		}
		for i, v := range row {
			columns[i] = append(columns[i], v)
		}
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(boots)))
	for _, b := range boots {
		dst = append(dst, b[:]...)
	}
	for _, c := range columns {
		dst = appendColumn(e, dst, c, pieceValues)
	}
	return dst
}

// readBlocks is the inverse of appendBlocks.
func readBlocks(b []byte, m Meta, n int) ([]flow.Interval, error) {
	if len(b) < 4 || int64(binary.LittleEndian.Uint32(b)) > min(int64(n), int64(len(b)-4)/16) {
		return nil, fmt.Errorf("%w: table of blocks", ErrDamaged)
	}
	boots := b[4 : 4+16*int(binary.LittleEndian.Uint32(b))]
	t := newTableReader(b[4+len(boots):])
	defer t.release()
	var columns [1 + blockColumns][]uint64
	for i := range columns {
		var err error
		if columns[i], err = t.column(n); err != nil {
			return nil, err
		}
	}
	blocks := make([]flow.Interval, n)
	last := make([]uint64, len(boots)/16)
	for i := range blocks {
		boot := columns[0][i]
		if boot >= uint64(len(last)) {
			return nil, fmt.Errorf("%w: boot of block %d", ErrDamaged, i)
		}
		last[boot] += columns[3][i]
		x := &blocks[i]
		copy(x.Boot[:], boots[16*boot:])
		x.End, x.Duration, x.Sequence = m.First+int64(columns[1][i]), time.Duration(columns[2][i]), last[boot]
		if x.End < m.First || x.End > m.Last || x.Duration < 0 || x.Duration > maxDuration {
			return nil, fmt.Errorf("%w: time of block %d", ErrDamaged, i)
		}
		a := &x.Accounting
		a.Received, a.Dropped, a.Metered = columns[4][i], columns[5][i], columns[6][i]
		for j := 1; j < len(a.Issues); j++ {
			a.Issues[j] = columns[6+j][i]
		}
	}
	return blocks, t.end()
}
