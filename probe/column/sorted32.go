package column

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Sorted32 is a dictionary of 32-bit values in ascending order, such as IPv4 addresses. The code of a value is its
// place in that order, so a range of values is a range of codes. It works on the bytes it was opened with, decodes
// only the groups it needs, checks each one's checksum as it does, and is safe for concurrent use.
type Sorted32 struct{ d dictionary }

// AppendSorted32 appends a dictionary of the values, which must be in strictly ascending order: it panics if they
// are not.
func AppendSorted32(dst []byte, values []uint32) []byte {
	return appendDictionary(dst, kind32, len(values), func(dst []byte, from, to int) []byte {
		var steps [groupSize]uint64
		for i := from + 1; i < to; i++ {
			steps[i-from-1] = uint64(values[i]-values[i-1]) - 1
		}
		return appendSteps(dst, steps[:to-from-1])
	}, func(i int) Uint128 { return Uint128{Lo: uint64(values[i])} })
}

// OpenSorted32 opens a dictionary made by AppendSorted32, and checks its index. b must be all of it and nothing
// else, and must not change, nor must what its capacity holds behind it: Slack bytes of that may be read, to no effect,
// which saves a copy.
func OpenSorted32(b []byte) (*Sorted32, error) {
	d, err := openDictionary(b, kind32)
	if err != nil {
		return nil, err
	}
	return &Sorted32{d}, nil
}

// Len is the number of values; their codes are 0 to Len-1.
func (s *Sorted32) Len() int { return s.d.count }

// Lookup returns the code of a value, and whether the dictionary has it.
func (s *Sorted32) Lookup(v uint32) (code uint32, found bool, err error) {
	group := s.d.search(Uint128{Lo: uint64(v)}, 0)
	if group < 0 {
		return 0, false, nil
	}
	b, err := s.d.bytes(group)
	if err != nil {
		return 0, false, err
	}
	var steps [groupSize]uint64
	between := steps[:s.d.size(group)-1]
	if _, ok := readSteps(between, b); !ok {
		return 0, false, s.d.damaged(group)
	}
	value := s.d.first(group).Lo
	at := 0
	for ; value < uint64(v) && at < len(between); at++ {
		value += between[at] + 1
	}
	return uint32(group*groupSize + at), value == uint64(v), nil
}

// Range returns the codes of the values from low to high, both included: from, up to and without to.
func (s *Sorted32) Range(low, high uint32) (from, to uint32, err error) {
	return s.d.between(Uint128{Lo: uint64(low)}, Uint128{Lo: uint64(high)})
}

// At returns the value of a code.
func (s *Sorted32) At(code uint32) (uint32, error) {
	v, err := s.d.at(code)
	return uint32(v.Lo), err
}

// Values appends the values of the codes from from, up to and without to.
func (s *Sorted32) Values(dst []uint32, from, to uint32) ([]uint32, error) {
	if err := s.d.within(from, to); err != nil {
		return dst, err
	}
	var out [groupSize]Uint128
	for from < to {
		values, err := s.d.next(from, to, &out)
		if err != nil {
			return dst, err
		}
		for i := range values {
			dst = append(dst, uint32(values[i].Lo))
		}
		from += uint32(len(values))
	}
	return dst, nil
}

// Match calls visit for every value of a set that is in the dictionary, with its place in the set and its code. The
// set must be in ascending order. It costs no more than to decode the groups that the set touches.
func (s *Sorted32) Match(set []uint32, visit func(i int, code uint32)) error {
	return s.d.match(len(set), func(i int) Uint128 { return Uint128{Lo: uint64(set[i])} }, visit)
}

// decode32 fills values, of which the first is known, from the bytes of their group.
func decode32(values []Uint128, b []byte) bool {
	var steps [groupSize]uint64
	n, ok := readSteps(steps[:len(values)-1], b)
	if !ok || n != len(b)-groupSlack {
		return false
	}
	value := values[0].Lo
	for i, step := range steps[:len(values)-1] {
		value += step + 1
		values[i+1] = Uint128{Lo: value}
	}
	return value>>32 == 0
}

// appendSteps appends what is between neighbouring values of a group: a packed group, or nothing for one value.
func appendSteps(dst []byte, steps []uint64) []byte {
	if len(steps) == 0 {
		return dst
	}
	return appendGroup(dst, steps, 0, planGroup(steps, 0))
}

// readSteps is the inverse of appendSteps; it returns the number of bytes read.
func readSteps(steps []uint64, b []byte) (int, bool) {
	if len(steps) == 0 {
		return 0, true
	}
	return readGroup(steps, b)
}

// appendDictionary appends a dictionary of count values. group appends the bytes of a group, value returns a value.
func appendDictionary(dst []byte, k kind, count int, group func(dst []byte, from, to int) []byte,
	value func(int) Uint128) []byte {
	for i := 1; i < count; i++ {
		if value(i-1).Compare(value(i)) >= 0 {
			panic(fmt.Sprintf("column: dictionary not in ascending order at value %d", i))
		}
	}
	groups := (count + groupSize - 1) / groupSize
	le, start := binary.LittleEndian, len(dst)
	dst = append(dst, byte(k), 0, 0, 0)
	dst = le.AppendUint32(dst, uint32(count))
	firsts := len(dst) + 4
	starts := firsts + groups*k.valueLen()
	end := starts + groups*8
	dst = append(dst, make([]byte, end+checksumSize-len(dst))...)
	for i := range groups {
		from, to := i*groupSize, min(i*groupSize+groupSize, count)
		if v := value(from); k == kind32 {
			le.PutUint32(dst[firsts+4*i:], uint32(v.Lo))
		} else {
			le.PutUint64(dst[firsts+16*i:], v.Hi)
			le.PutUint64(dst[firsts+16*i+8:], v.Lo)
		}
		at := len(dst)
		le.PutUint32(dst[starts+4*i:], uint32(at-end-checksumSize))
		dst = group(dst, from, to)
		le.PutUint32(dst[starts+4*(groups+i):], crc32.Checksum(dst[at:], castagnoli()))
	}
	le.PutUint32(dst[start+8:], uint32(len(dst)-end-checksumSize))
	le.PutUint32(dst[end:], crc32.Checksum(dst[start:end], castagnoli()))
	return dst
}
