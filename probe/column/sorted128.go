package column

import "math/bits"

// Sorted128 is a dictionary of 128-bit values in ascending order, such as IPv6 addresses; it is to them what
// Sorted32 is to those of 32 bits.
type Sorted128 struct{ d dictionary }

// AppendSorted128 appends a dictionary of the values, which must be in strictly ascending order: it panics if they
// are not.
func AppendSorted128(dst []byte, values []Uint128) []byte {
	return appendDictionary(dst, kind128, len(values), func(dst []byte, from, to int) []byte {
		return append128(dst, values[from:to])
	}, func(i int) Uint128 { return values[i] })
}

// OpenSorted128 opens a dictionary made by AppendSorted128, and checks its index. b must be all of it and nothing
// else, and must not change, nor must what its capacity holds behind it: Slack bytes of that may be read, to no effect,
// which saves a copy.
func OpenSorted128(b []byte) (*Sorted128, error) {
	d, err := openDictionary(b, kind128)
	if err != nil {
		return nil, err
	}
	return &Sorted128{d}, nil
}

// Len is the number of values; their codes are 0 to Len-1.
func (s *Sorted128) Len() int { return s.d.count }

// Lookup returns the code of a value, and whether the dictionary has it.
func (s *Sorted128) Lookup(v Uint128) (code uint32, found bool, err error) {
	n, found, err := s.d.rank(v)
	return uint32(n), found, err
}

// Range returns the codes of the values from low to high, both included: from, up to and without to.
func (s *Sorted128) Range(low, high Uint128) (from, to uint32, err error) {
	return s.d.between(low, high)
}

// At returns the value of a code.
func (s *Sorted128) At(code uint32) (Uint128, error) { return s.d.at(code) }

// Values appends the values of the codes from from, up to and without to.
func (s *Sorted128) Values(dst []Uint128, from, to uint32) ([]Uint128, error) {
	if err := s.d.within(from, to); err != nil {
		return dst, err
	}
	var out [groupSize]Uint128
	for from < to {
		values, err := s.d.next(from, to, &out)
		if err != nil {
			return dst, err
		}
		dst = append(dst, values...)
		from += uint32(len(values))
	}
	return dst, nil
}

// Match calls visit for every value of a set that is in the dictionary, with its place in the set and its code. The
// set must be in ascending order. It costs no more than to decode the groups that the set touches.
func (s *Sorted128) Match(set []Uint128, visit func(i int, code uint32)) error {
	return s.d.match(len(set), func(i int) Uint128 { return set[i] }, visit)
}

// append128 appends the bytes of a group: what is between the neighbours' upper halves, then their lower halves, or
// what is between those where the upper halves are equal. Zeros at the end of all upper steps are left out: prefixes
// are given out in round numbers.
func append128(dst []byte, values []Uint128) []byte {
	var upper, lower [groupSize]uint64
	all := uint64(0)
	for i, v := range values[1:] {
		previous := values[i]
		upper[i], lower[i] = v.Hi-previous.Hi, v.Lo
		if upper[i] == 0 {
			lower[i] = v.Lo - previous.Lo - 1
		}
		all |= upper[i]
	}
	n := len(values) - 1
	if n == 0 {
		return dst
	}
	shift := bits.TrailingZeros64(all) % 64
	for i := range upper[:n] {
		upper[i] >>= shift
	}
	dst = append(dst, byte(shift))
	return appendSteps(appendSteps(dst, upper[:n]), lower[:n])
}

// decode128 fills values, of which the first is known, from the bytes of their group.
func decode128(values []Uint128, b []byte) bool {
	steps := len(values) - 1
	if steps == 0 {
		return len(b) == groupSlack
	}
	shift := b[0]
	if shift > 63 {
		return false
	}
	var upper, lower [groupSize]uint64
	n, ok := readSteps(upper[:steps], b[1:])
	if !ok {
		return false
	}
	m, ok := readSteps(lower[:steps], b[1+n:])
	if !ok || 1+n+m != len(b)-groupSlack {
		return false
	}
	value := values[0]
	for i, step := range upper[:steps] {
		if step == 0 {
			value.Lo += lower[i] + 1
		} else {
			value = Uint128{value.Hi + step<<shift, lower[i]}
		}
		values[i+1] = value
	}
	return true
}
