package segment

import (
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/weirflow/weir/probe/column"
)

// verifyBuffer is how many bytes are read at a time where only a checksum is checked.
const verifyBuffer = 1 << 16

// Verify reads and decodes everything, and calls visit for each part that is damaged: a chunk, a page of a dictionary,
// a table. It reports whether all is well. Rows are counted as lost with their chunk only; without the directory, or
// another table that Load or a reader of addresses needs, none can be read.
func (r *Reader) Verify(visit func(*DamageError)) bool {
	v := verifier{r: r, visit: visit, well: true}
	_, err := r.Blocks()
	v.note(err)
	_, err = r.Stamps()
	v.note(err)
	_, err = r.StampTotals()
	v.note(err)
	_, err = r.Services()
	v.note(err)
	_, err = r.ServiceTotals()
	v.note(err)
	v.rollups()
	v.addresses()
	v.chunks()
	v.postings()
	v.sources()
	for _, s := range r.footer.sections {
		if s.id > lastSection {
			v.unknown(s)
		}
	}
	return v.well
}

type verifier struct {
	r     *Reader
	visit func(*DamageError)
	well  bool
}

// note reports damage.
func (v *verifier) note(err error) {
	if err == nil {
		return
	}
	v.well = false
	var damage *DamageError
	if !errors.As(err, &damage) {
		damage = &DamageError{File: v.r.name, Bytes: v.r.size, Cause: err}
	}
	v.visit(damage)
}

func (v *verifier) rollups() {
	n, err := v.r.RollupCount()
	v.note(err)
	var sums Rollup
	for rank := range n {
		_, err := v.r.ServiceRollup(uint32(rank), &sums)
		v.note(err)
	}
}

func (v *verifier) addresses() {
	four, err := v.r.IPv4()
	v.note(err)
	if err == nil {
		previous, any := uint32(0), false
		for page := range four.index.pages() {
			from := uint32(page * pageValues)
			values, err := four.Values(nil, from, from+uint32(four.pageSize(page)))
			if err == nil {
				if four.search(values[0]) != page || (any && values[0] <= previous) {
					err = four.damaged(page, page+1, fmt.Errorf("%w: not in order", ErrDamaged))
				}
				previous, any = values[len(values)-1], true
			}
			v.note(err)
		}
	}
	six, err := v.r.IPv6()
	v.note(err)
	if err == nil {
		var previous column.Uint128
		any := false
		for page := range six.index.pages() {
			from := six.base + uint32(page*pageValues)
			values, err := six.Values(nil, from, from+uint32(six.pageSize(page)))
			if err == nil {
				if six.search(values[0]) != page || (any && values[0].Compare(previous) <= 0) {
					err = six.damaged(page, page+1, fmt.Errorf("%w: not in order", ErrDamaged))
				}
				previous, any = values[len(values)-1], true
			}
			v.note(err)
		}
	}
}

// chunks decodes all chunks and compares their sums with those of the footer.
func (v *verifier) chunks() {
	d, err := v.r.readDirectory()
	if err != nil {
		v.note(err)
		return
	}
	var t Tuples
	var sums [CounterCount]uint64
	lost := false
	for i := range d.chunks {
		err := v.chunk(d, i, &t, &sums)
		v.note(err)
		lost = lost || err != nil
	}
	if !lost && sums != v.r.footer.totals {
		v.note(v.r.sectionError(sectionChunks, fmt.Errorf("%w: the sums of all rows are not those of the footer", ErrDamaged)))
	}
}

func (v *verifier) chunk(d *directory, i int, t *Tuples, sums *[CounterCount]uint64) error {
	place := &d.entries[i]
	start := place.offset
	b, err := v.r.pages(sectionChunks, start, start+place.length())
	if err != nil {
		return err
	}
	if checksum(b) != place.crc {
		// Load says more, if it is a column and not the directory's checksum that is wrong.
		err = fmt.Errorf("chunk %d: %w: checksum mismatch", i, ErrDamaged)
		err = v.r.damage(v.r.find(sectionChunks).offset+start, place.length(), err)
	}
	if loadErr := v.r.Load(i, ofTuples|StampIndices|allCounters*Sum|allCounters*Value, t); loadErr != nil {
		return loadErr
	}
	for c, column := range t.Sum {
		if column == nil {
			continue
		}
		var v [CounterCount]uint64
		for _, v[c] = range column {
			add(sums, &v)
		}
	}
	return err
}

// unknown checks the checksum of a section of a later version.
func (v *verifier) unknown(s section) {
	crc, b := uint32(0), make([]byte, verifyBuffer)
	for at := int64(0); at < s.length; {
		part := b[:min(int64(len(b)), s.length-at)]
		if err := v.r.readAt(part, s.offset+at); err != nil {
			v.note(err)
			return
		}
		crc = crc32.Update(crc, castagnoli(), part)
		at += int64(len(part))
	}
	if crc != s.crc {
		v.note(v.r.damage(s.offset, s.length, fmt.Errorf("%w: checksum mismatch in %v", ErrDamaged, s.id)))
	}
}
