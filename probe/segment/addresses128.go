package segment

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/weirflow/weir/probe/column"
)

// Addresses128 is the dictionary of a segment's IPv6 addresses. It is to them what Addresses32 is to IPv4 addresses;
// its codes begin after those.
type Addresses128 struct{ dictionary }

// Len is the number of addresses; their codes are IPv4Count to IPv4Count+Len-1.
func (a *Addresses128) Len() int { return int(a.count) }

func (a *Addresses128) first(page int) column.Uint128 {
	b := a.index.keys[16*page:][:16]
	return column.Uint128{Hi: binary.LittleEndian.Uint64(b), Lo: binary.LittleEndian.Uint64(b[8:])}
}

func (a *Addresses128) search(v column.Uint128) int {
	return sort.Search(a.index.pages(), func(i int) bool { return a.first(i).Compare(v) > 0 }) - 1
}

func (a *Addresses128) open(page int, b []byte) (*column.Sorted128, error) {
	s, err := column.OpenSorted128(b)
	if err != nil {
		return nil, err
	}
	if s.Len() != a.pageSize(page) {
		return nil, fmt.Errorf("%w: page of %d addresses", ErrDamaged, s.Len())
	}
	return s, nil
}

func (a *Addresses128) page(page int) (*column.Sorted128, error) {
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
func (a *Addresses128) rank(v column.Uint128) (n uint32, found bool, err error) {
	page := a.search(v)
	if page < 0 {
		return 0, false, nil
	}
	s, err := a.page(page)
	if err != nil {
		return 0, false, err
	}
	n, found, err = s.Lookup(v)
	if err != nil {
		return 0, false, a.damaged(page, page+1, err)
	}
	return uint32(page*pageValues) + n, found, nil
}

// Lookup returns the code of an address, and whether the segment has it. It reads a page at most.
func (a *Addresses128) Lookup(v column.Uint128) (code uint32, found bool, err error) {
	n, found, err := a.rank(v)
	return a.base + n, found, err
}

// Range returns the codes of the addresses from low to high, both included: from, up to and without to. It reads two
// pages at most.
func (a *Addresses128) Range(low, high column.Uint128) (from, to uint32, err error) {
	if low.Compare(high) > 0 {
		return a.base, a.base, nil
	}
	if from, _, err = a.rank(low); err != nil {
		return a.base, a.base, err
	}
	to, found, err := a.rank(high)
	if found {
		to++
	}
	return a.base + from, a.base + max(from, to), err
}

// Values appends the addresses of the codes from from, up to and without to.
func (a *Addresses128) Values(dst []column.Uint128, from, to uint32) ([]column.Uint128, error) {
	if from > to || from < a.base || to-a.base > a.count {
		return dst, fmt.Errorf("codes %d to %d of %d IPv6 addresses from %d on", from, to, a.count, a.base)
	}
	if from == to {
		return dst, nil
	}
	dst = slices.Grow(dst, int(to-from))
	from, to = from-a.base, to-a.base
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
func (a *Addresses128) Match(set []column.Uint128, visit func(i int, code uint32)) error {
	for i := 0; i < len(set); {
		page := a.search(set[i])
		end := len(set)
		if page+1 < a.index.pages() {
			next := a.first(page + 1)
			end = i + sort.Search(len(set)-i, func(j int) bool { return set[i+j].Compare(next) >= 0 })
		}
		if page >= 0 {
			s, err := a.page(page)
			if err != nil {
				return err
			}
			first := a.base + uint32(page*pageValues)
			if err = s.Match(set[i:end], func(j int, code uint32) { visit(i+j, first+code) }); err != nil {
				return a.damaged(page, page+1, err)
			}
		}
		i = end
	}
	return nil
}
