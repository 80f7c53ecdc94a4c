package column

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
)

// Uint128 is an unsigned integer of 128 bits, such as an IPv6 address with its first byte the highest of Hi.
type Uint128 struct{ Hi, Lo uint64 }

// Compare returns -1, 0 or 1 as a is less than b, equal or greater.
func (a Uint128) Compare(b Uint128) int {
	if a.Hi != b.Hi {
		return cmp.Compare(a.Hi, b.Hi)
	}
	return cmp.Compare(a.Lo, b.Lo)
}

// kind is the first byte of a dictionary: what it holds.
type kind byte

const (
	kind32  kind = 1
	kind128 kind = 2
)

// valueLen is the number of bytes of a value in the index.
func (k kind) valueLen() int {
	if k == kind32 {
		return 4
	}
	return 16
}

const (
	sortedHeader = 12
	// maxGroupLen bounds the bytes of a group, which for 128-bit values is two packed groups.
	maxGroupLen = 2 * (4 + groupWindow)
)

// dictionary is what Sorted32 and Sorted128 have in common; values of 32 bits stand in Lo.
type dictionary struct {
	kind   kind
	count  int
	firsts []byte // first value of each group
	starts []byte // place of each group in groups
	sums   []byte // checksum of each group
	groups []byte
	// tail is the end of groups with groupSlack bytes after it, for groups that have none behind them; nil if all have, as
	// where the memory of the dictionary goes on behind it.
	tail []byte
}

// openDictionary reads the header and the index, and checks them. b must be the whole dictionary and nothing else.
func openDictionary(b []byte, k kind) (d dictionary, err error) {
	if len(b) < sortedHeader || kind(b[0]) != k || b[1]|b[2]|b[3] != 0 {
		return d, fmt.Errorf("%w: header of the dictionary", ErrDamaged)
	}
	count, size := binary.LittleEndian.Uint32(b[4:]), uint64(binary.LittleEndian.Uint32(b[8:]))
	groups := (uint64(count) + groupSize - 1) / groupSize
	end := sortedHeader + groups*uint64(k.valueLen()+8)
	if uint64(len(b)) != end+checksumSize+size || count > math.MaxInt32 {
		return d, fmt.Errorf("%w: dictionary of %d values in %d bytes", ErrDamaged, count, len(b))
	}
	if crc32.Checksum(b[:end], castagnoli()) != binary.LittleEndian.Uint32(b[end:]) {
		return d, fmt.Errorf("%w: checksum mismatch in the index of the dictionary", ErrDamaged)
	}
	d = dictionary{kind: k, count: int(count), groups: b[end+checksumSize:]}
	b = b[sortedHeader:]
	n := int(groups)
	d.firsts, b = b[:n*k.valueLen()], b[n*k.valueLen():]
	d.starts, d.sums = b[:4*n], b[4*n:8*n]
	if cap(d.groups) < len(d.groups)+groupSlack {
		last := d.groups[max(0, len(d.groups)-maxGroupLen-groupSlack):]
		d.tail = append(make([]byte, 0, len(last)+groupSlack), last...)
	}
	return d, nil
}

// groupCount is the number of groups.
func (d *dictionary) groupCount() int { return len(d.starts) / 4 }

// size is the number of values in a group.
func (d *dictionary) size(group int) int { return min(groupSize, d.count-group*groupSize) }

// first is the first value of a group.
func (d *dictionary) first(group int) Uint128 {
	if d.kind == kind32 {
		return Uint128{Lo: uint64(binary.LittleEndian.Uint32(d.firsts[4*group:]))}
	}
	b := d.firsts[16*group:][:16]
	return Uint128{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

// bytes returns the bytes of a group, with groupSlack more after them.
func (d *dictionary) bytes(group int) ([]byte, error) {
	start, end := uint64(binary.LittleEndian.Uint32(d.starts[4*group:])), uint64(len(d.groups))
	if group+1 < d.groupCount() {
		end = uint64(binary.LittleEndian.Uint32(d.starts[4*group+4:]))
	}
	if start > end || end > uint64(len(d.groups)) || end-start > maxGroupLen {
		return nil, fmt.Errorf("%w: place of group %d of the dictionary", ErrDamaged, group)
	}
	if crc32.Checksum(d.groups[start:end], castagnoli()) != binary.LittleEndian.Uint32(d.sums[4*group:]) {
		return nil, fmt.Errorf("%w: checksum mismatch in group %d of the dictionary", ErrDamaged, group)
	}
	if end+groupSlack <= uint64(len(d.groups)) || d.tail == nil {
		return d.groups[start : end+groupSlack], nil
	}
	start -= uint64(len(d.groups) - len(d.tail))
	end -= uint64(len(d.groups) - len(d.tail))
	return d.tail[start : end+groupSlack], nil
}

// decode fills out with the values of a group and returns them.
func (d *dictionary) decode(group int, out *[groupSize]Uint128) ([]Uint128, error) {
	b, err := d.bytes(group)
	if err != nil {
		return nil, err
	}
	values := out[:d.size(group)]
	values[0] = d.first(group)
	var ok bool
	if d.kind == kind32 {
		ok = decode32(values, b)
	} else {
		ok = decode128(values, b)
	}
	if !ok {
		return nil, d.damaged(group)
	}
	return values, nil
}

func (d *dictionary) damaged(group int) error {
	return fmt.Errorf("%w: group %d of the dictionary", ErrDamaged, group)
}

// search returns the last group that starts with v or less, -1 if v is less than all values. It looks at groups from
// from on, where the answer is known to be from-1 or later.
func (d *dictionary) search(v Uint128, from int) int {
	to := d.groupCount()
	if d.kind == kind32 { // the same with less work
		for firsts := d.firsts; from < to; {
			middle := int(uint(from+to) / 2)
			if uint64(binary.LittleEndian.Uint32(firsts[4*middle:])) > v.Lo {
				to = middle
			} else {
				from = middle + 1
			}
		}
		return from - 1
	}
	for from < to {
		middle := int(uint(from+to) / 2)
		if d.first(middle).Compare(v) > 0 {
			to = middle
		} else {
			from = middle + 1
		}
	}
	return from - 1
}

// rank returns the number of values less than v, and whether v is there.
func (d *dictionary) rank(v Uint128) (n int, found bool, err error) {
	group := d.search(v, 0)
	if group < 0 {
		return 0, false, nil
	}
	var out [groupSize]Uint128
	values, err := d.decode(group, &out)
	if err != nil {
		return 0, false, err
	}
	at, found := slices.BinarySearchFunc(values, v, Uint128.Compare)
	return group*groupSize + at, found, nil
}

// between returns the codes of the values from low to high, both included.
func (d *dictionary) between(low, high Uint128) (from, to uint32, err error) {
	if low.Compare(high) > 0 {
		return 0, 0, nil
	}
	n, _, err := d.rank(low)
	if err != nil {
		return 0, 0, err
	}
	m, found, err := d.rank(high)
	if err != nil {
		return 0, 0, err
	}
	if found {
		m++
	}
	return uint32(n), uint32(max(n, m)), nil
}

// at returns the value of a code.
func (d *dictionary) at(code uint32) (Uint128, error) {
	if uint64(code) >= uint64(d.count) {
		return Uint128{}, fmt.Errorf("%w: code %d in a dictionary of %d values", ErrDamaged, code, d.count)
	}
	var out [groupSize]Uint128
	values, err := d.decode(int(code)/groupSize, &out)
	if err != nil {
		return Uint128{}, err
	}
	return values[code%groupSize], nil
}

// within checks a range of codes, without to.
func (d *dictionary) within(from, to uint32) error {
	if from > to || uint64(to) > uint64(d.count) {
		return fmt.Errorf("%w: codes %d to %d in a dictionary of %d values", ErrDamaged, from, to, d.count)
	}
	return nil
}

// next decodes the group of the code from, into out, and returns its values from that code on, up to and without to.
func (d *dictionary) next(from, to uint32, out *[groupSize]Uint128) ([]Uint128, error) {
	group := int(from) / groupSize
	values, err := d.decode(group, out)
	if err != nil {
		return nil, err
	}
	return values[from%groupSize : min(int(to)-group*groupSize, len(values))], nil
}

// match calls visit for each of the n values in ascending order that is in the dictionary. Every group is decoded
// once at most.
func (d *dictionary) match(n int, value func(i int) Uint128, visit func(i int, code uint32)) error {
	var out [groupSize]Uint128
	group := 0
	for i := 0; i < n; {
		v := value(i)
		group = d.search(v, max(0, group))
		if group < 0 {
			i++
			continue
		}
		values, err := d.decode(group, &out)
		if err != nil {
			return err
		}
		last := group == d.groupCount()-1
		for at := 0; i < n && (last || value(i).Compare(d.first(group+1)) < 0); i++ {
			v := value(i)
			for at < len(values) && values[at].Compare(v) < 0 {
				at++
			}
			if at < len(values) && values[at] == v {
				visit(i, uint32(group*groupSize+at))
			}
		}
	}
	return nil
}
