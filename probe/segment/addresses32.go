package segment

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/weirflow/weir/probe/column"
)

// Addresses32 is the dictionary of a segment's IPv4 addresses. It reads what it is asked for, some kilobytes at a
// time, and is safe for concurrent use.
type Addresses32 struct{ dictionary }

// Len is the number of addresses; their codes are 0 to Len-1.
func (a *Addresses32) Len() int { return int(a.count) }

// search returns the last page that begins with v or less, -1 if there is none.
func (a *Addresses32) search(v uint32) int {
	return sort.Search(a.index.pages(), func(i int) bool {
		return binary.LittleEndian.Uint32(a.index.keys[4*i:]) > v
	}) - 1
}

func (a *Addresses32) open(page int, b []byte) (*column.Sorted32, error) {
	s, err := column.OpenSorted32(b)
	if err != nil {
		return nil, err
	}
	if s.Len() != a.pageSize(page) {
		return nil, fmt.Errorf("%w: page of %d addresses", ErrDamaged, s.Len())
	}
	return s, nil
}

// page reads one page.
func (a *Addresses32) page(page int) (*column.Sorted32, error) {
	b, err := a.read(page, page+1)
	if err != nil {
		return nil, err
	}
	s, err := a.open(page, b)
	if err != nil {
		return nil, a.damaged(page, page+1, err)
	}
	return s, nil
}

// rank returns the number of addresses less than v, and whether v is there.
func (a *Addresses32) rank(v uint32) (n uint32, found bool, err error) {
	page := a.search(v)
	if page < 0 {
		return 0, false, nil
	}
	s, err := a.page(page)
	if err != nil {
		return 0, false, err
	}
	n, _, err = s.Range(v, math.MaxUint32)
	if err == nil && int(n) < s.Len() {
		var at uint32
		at, err = s.At(n)
		found = at == v
	}
	if err != nil {
		return 0, false, a.damaged(page, page+1, err)
	}
	return uint32(page*pageValues) + n, found, nil
}

// Lookup returns the code of an address, and whether the segment has it. It reads a page at most.
func (a *Addresses32) Lookup(v uint32) (code uint32, found bool, err error) {
	page := a.search(v)
	if page < 0 {
		return 0, false, nil
	}
	s, err := a.page(page)
	if err != nil {
		return 0, false, err
	}
	code, found, err = s.Lookup(v)
	if err != nil {
		return 0, false, a.damaged(page, page+1, err)
	}
	return uint32(page*pageValues) + code, found, nil
}

// Range returns the codes of the addresses from low to high, both included: from, up to and without to. It reads two
// pages at most.
func (a *Addresses32) Range(low, high uint32) (from, to uint32, err error) {
	if low > high {
		return 0, 0, nil
	}
	if from, _, err = a.rank(low); err != nil {
		return 0, 0, err
	}
	to, found, err := a.rank(high)
	if found {
		to++
	}
	return from, max(from, to), err
}

// Values appends the addresses of the codes from from, up to and without to.
func (a *Addresses32) Values(dst []uint32, from, to uint32) ([]uint32, error) {
	if from > to || to > a.count {
		return dst, fmt.Errorf("codes %d to %d of %d IPv4 addresses", from, to, a.count)
	}
	if from == to {
		return dst, nil
	}
	dst = slices.Grow(dst, int(to-from))
	err := a.each(int(from)/pageValues, int(to-1)/pageValues+1, func(page int, b []byte) error {
		s, err := a.open(page, b)
		if err != nil {
			return err
		}
		first := uint32(page * pageValues)
		dst, err = s.Values(dst, max(from, first)-first, min(to-first, uint32(s.Len())))
		return err
	})
	return dst, err
}

// Match calls visit for every address of a set that the segment has, with its place in the set and its code. The set
// must be in ascending order. It reads the pages that the set touches.
func (a *Addresses32) Match(set []uint32, visit func(i int, code uint32)) error {
	for i := 0; i < len(set); {
		page := a.search(set[i])
		end := len(set)
		if page+1 < a.index.pages() {
			next := binary.LittleEndian.Uint32(a.index.keys[4*(page+1):])
			end = i + sort.Search(len(set)-i, func(j int) bool { return set[i+j] >= next })
		}
		if page >= 0 {
			s, err := a.page(page)
			if err != nil {
				return err
			}
			err = s.Match(set[i:end], func(j int, code uint32) { visit(i+j, uint32(page*pageValues)+code) })
			if err != nil {
				return a.damaged(page, page+1, err)
			}
		}
		i = end
	}
	return nil
}
