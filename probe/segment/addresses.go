package segment

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
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

// each reads the pages from from up to and without to, many at a time, and calls visit for the bytes of each, which are only
// good until it returns.
func (d *dictionary) each(from, to int, visit func(page int, b []byte) error) error {
	t := newTableReader(nil)
	defer t.release()
	for from < to {
		next := min(from+runPages, to)
		first, end := d.index.place(from, next, d.length())
		b, err := d.r.pagesInto(&t.s.bytes, d.id, first, end)
		if err != nil {
			return err
		}
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
