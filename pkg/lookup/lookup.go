// Package lookup answers whether an address is one of very many. Its sets are hash tables with open addressing, half of
// whose places are free: one access to memory for most questions, which a map of Go takes several for. It also reads
// and sorts many addresses.
//
// Invariants: a set is immutable and safe for concurrent use; the zero set is empty. The hash is multiplication with
// random numbers, chosen anew for each set, so that nobody can choose addresses that collide.
//
// Neighbours: filter has such sets in its conditions, actors in its lists.
package lookup

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// Set4 is a set of IPv4 addresses. A place that is free holds zero, the address that is kept beside the table.
type Set4 struct {
	places []uint32
	factor uint64
	shift  uint8
	zero   bool
}

// New4 makes the set of the addresses.
func New4(addresses []uint32) (s Set4) {
	if len(addresses) == 0 {
		return s
	}
	size := tableBits(len(addresses))
	s.places, s.shift, s.factor = make([]uint32, 1<<size), 64-size, rand.Uint64()|1
	for _, a := range addresses {
		if a == 0 {
			s.zero = true
			continue
		}
		i := s.first(a)
		for s.places[i] != 0 && s.places[i] != a {
			i = (i + 1) & uint64(len(s.places)-1)
		}
		s.places[i] = a
	}
	return s
}

func (s *Set4) first(a uint32) uint64 { return uint64(a) * s.factor >> s.shift }

// Contains says whether the address is in the set.
func (s *Set4) Contains(a uint32) bool {
	if len(s.places) == 0 || a == 0 {
		return s.zero && a == 0
	}
	for i := s.first(a); ; i = (i + 1) & uint64(len(s.places)-1) {
		if found := s.places[i]; found == a || found == 0 {
			return found == a
		}
	}
}

// Set6 is a set of IPv6 addresses. Its places are in groups of eight, which have a tag of a byte each: the tags of a
// large set stay in a cache where its addresses do not, and say no to most of those that are not in it.
type Set6 struct {
	tags   []uint64 // of a group; a byte is 0 where the place is free
	places [][2]uint64
	keys   [2]uint64
	shift  uint8
}

// In each byte of the tags of a group:
const (
	lowBits  = 0x0101_0101_0101_0101
	highBits = 0x8080_8080_8080_8080 // set where a place is taken
)

// New6 makes the set of the addresses.
func New6(addresses [][16]byte) (s Set6) {
	if len(addresses) == 0 {
		return s
	}
	size := max(tableBits(len(addresses)), 3) - 3
	s.tags, s.places = make([]uint64, 1<<size), make([][2]uint64, 8<<size)
	s.shift, s.keys = 64-size, [2]uint64{rand.Uint64(), rand.Uint64()}
	for i := range addresses {
		s.add(Numbers6(&addresses[i]))
	}
	return s
}

func (s *Set6) add(high, low uint64) {
	group, tag := s.place(high, low)
	for {
		if s.inGroup(group, tag, high, low) {
			return
		}
		if free := ^s.tags[group] & highBits; free != 0 {
			k := bits.TrailingZeros64(free) / 8
			s.tags[group] |= tag & 0xff << (8 * k)
			s.places[8*group+uint64(k)] = [2]uint64{high, low}
			return
		}
		group = (group + 1) & uint64(len(s.tags)-1)
	}
}

// Numbers6 are both halves of an IPv6 address as numbers.
func Numbers6(a *[16]byte) (high, low uint64) {
	return binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
}

// place is the group where an address belongs, and its tag, in all bytes. Of the product, both halves count, so that
// every bit of it depends on every bit of the address.
func (s *Set6) place(high, low uint64) (group, tag uint64) {
	upper, lower := bits.Mul64(high^s.keys[0], low^s.keys[1])
	hash := upper ^ lower
	return hash >> s.shift, hash&0xff*lowBits | highBits
}

// inGroup says whether the address is in a group.
func (s *Set6) inGroup(group, tag, high, low uint64) bool {
	other := s.tags[group] ^ tag // a byte of zero: the same tag; beyond the first one others may look like it
	for same := (other - lowBits) & ^other & highBits; same != 0; same &= same - 1 {
		if p := &s.places[8*group+uint64(bits.TrailingZeros64(same)/8)]; p[0] == high && p[1] == low {
			return true
		}
	}
	return false
}

// Contains says whether the address with these numbers is in the set.
func (s *Set6) Contains(high, low uint64) bool {
	if len(s.tags) == 0 {
		return false
	}
	group, tag := s.place(high, low)
	for {
		if s.inGroup(group, tag, high, low) {
			return true
		}
		if ^s.tags[group]&highBits != 0 { // with a place free, nobody had to go on to the next group
			return false
		}
		group = (group + 1) & uint64(len(s.tags)-1)
	}
}

// tableBits is the size of a table that is at most half full, as a power of two.
func tableBits(entries int) uint8 { return uint8(bits.Len(uint(2*entries - 1))) }
