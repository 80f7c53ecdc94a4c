package segment

import (
	"encoding/binary"
	"fmt"
)

// What stands between the columns of a rollup and of a page of sums by source, which counters follow, has no checksum of its
// own there. Those of both stand in a section of their own, of rollups first; segments from before it have none.

// checkPage compares the checksum of a rollup, or a page of sums by source.
func (r *Reader) checkPage(of sectionID, page int, b []byte) error {
	if r.find(sectionPageSums).id == 0 {
		return nil
	}
	sums, err := r.pageSums.get(r.readPageSums)
	if err != nil {
		return err
	}
	if of == sectionSourceSums {
		page += len(sums)/4 - r.SourcePages()
	}
	if checksum(b) != binary.LittleEndian.Uint32(sums[4*page:]) {
		return r.sectionError(of, fmt.Errorf("page %d: %w: checksum mismatch", page, ErrDamaged))
	}
	return nil
}

func (r *Reader) readPageSums() ([]byte, error) {
	b, err := r.section(sectionPageSums)
	if err != nil {
		return nil, err
	}
	rollups, err := r.RollupCount()
	if err != nil {
		return nil, err
	}
	n := rollups
	if r.HasSourceSums() {
		n += r.SourcePages()
	}
	if len(b) != 4*n {
		return nil, r.sectionError(sectionPageSums, fmt.Errorf("%w: %d bytes for %d pages", ErrDamaged, len(b), n))
	}
	return b, nil
}
