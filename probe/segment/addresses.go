package segment

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/column"
)

// dictionary is what Addresses32 and Addresses128 have in common: pages of sorted addresses, read one at a time.
type dictionary struct {
	r     *Reader
	id    sectionID
	index index
	count uint32
	base  uint32 // code of the first
}

// length is the bytes of all pages.
func (d *dictionary) length() int64 { return d.r.find(d.id).length }

// pageSize is the number of values of a page.
func (d *dictionary) pageSize(page int) int { return min(pageValues, int(d.count)-page*pageValues) }

// read returns the bytes of pages from up to and without to.
func (d *dictionary) read(from, to int) ([]byte, error) {
	start, end := d.index.place(from, to, d.length())
	b, err := d.r.pages(d.id, start, end)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// damaged says which pages an error is about.
func (d *dictionary) damaged(from, to int, err error) error {
	start, end := d.index.place(from, to, d.length())
	return d.r.damage(d.r.find(d.id).offset+start, end-start, fmt.Errorf("%v: %w", d.id, err))
}

// runPages is the number of pages that are read at a time where all of them are needed.
const runPages = 64

// each reads the pages from from up to and without to, many at a time, and calls visit for the bytes of each.
func (d *dictionary) each(from, to int, visit func(page int, b []byte) error) error {
	for from < to {
		next := min(from+runPages, to)
		b, err := d.read(from, next)
		if err != nil {
			return err
		}
		first, _ := d.index.place(from, next, d.length())
		for page := from; page < next; page++ {
			start, end := d.index.place(page, page+1, d.length())
			if err := visit(page, b[start-first:end-first]); err != nil {
				return d.damaged(page, page+1, err)
			}
		}
		from = next
	}
	return nil
}

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

// Lookup returns the code of an address of a family, and whether the segment has it.
func (r *Reader) Lookup(a flow.Address, family flow.Family) (code uint32, found bool, err error) {
	if family == flow.IPv4 {
		d, err := r.IPv4()
		if err != nil {
			return 0, false, err
		}
		return d.Lookup(address4(&a))
	}
	d, err := r.IPv6()
	if err != nil {
		return 0, false, err
	}
	return d.Lookup(address6(&a))
}

// Addresses appends the addresses of the codes from from, up to and without to, of either family.
func (r *Reader) Addresses(dst []flow.Address, from, to uint32) ([]flow.Address, error) {
	if from > to || uint64(to) > uint64(r.footer.ipv4)+uint64(r.footer.ipv6) {
		return dst, fmt.Errorf("codes %d to %d of %d addresses", from, to, r.footer.ipv4+r.footer.ipv6)
	}
	dst = slices.Grow(dst, int(to-from))
	if n4 := r.footer.ipv4; from < n4 {
		d, err := r.IPv4()
		if err != nil {
			return dst, err
		}
		values, err := d.Values(nil, from, min(to, n4))
		if err != nil {
			return dst, err
		}
		for _, v := range values {
			var a flow.Address
			binary.BigEndian.PutUint32(a[:], v)
			dst = append(dst, a)
		}
		from = min(to, n4)
	}
	if from == to {
		return dst, nil
	}
	d, err := r.IPv6()
	if err != nil {
		return dst, err
	}
	values, err := d.Values(nil, from, to)
	for _, v := range values {
		var a flow.Address
		binary.BigEndian.PutUint64(a[:], v.Hi)
		binary.BigEndian.PutUint64(a[8:], v.Lo)
		dst = append(dst, a)
	}
	return dst, err
}
