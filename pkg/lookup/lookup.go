// Package lookup answers whether an address is one of very many. Its sets are hash tables with open addressing, half of
// whose places are free: one access to memory for most questions, which a map of Go takes several for.
//
// Invariants: a set is immutable and safe for concurrent use; the zero set is empty. The hash is multiplication by
// random odd numbers, chosen anew for each set, so that nobody can choose addresses that collide.
//
// Neighbours: filter has such sets in its conditions, actors in its lists.
package lookup

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// A place that is free holds zero, the address that is kept beside the table.

// Set4 is a set of IPv4 addresses.
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

// Set6 is a set of IPv6 addresses.
type Set6 struct {
	places  [][2]uint64
	factors [2]uint64
	shift   uint8
	zero    bool
}

// New6 makes the set of the addresses.
func New6(addresses [][16]byte) (s Set6) {
	if len(addresses) == 0 {
		return s
	}
	size := tableBits(len(addresses))
	s.places, s.shift, s.factors = make([][2]uint64, 1<<size), 64-size, [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}
	for i := range addresses {
		a := numbers(&addresses[i])
		if a == [2]uint64{} {
			s.zero = true
			continue
		}
		i := s.first(a)
		for s.places[i] != [2]uint64{} && s.places[i] != a {
			i = (i + 1) & uint64(len(s.places)-1)
		}
		s.places[i] = a
	}
	return s
}

// numbers of an address: in which order of bytes makes no difference.
func numbers(a *[16]byte) [2]uint64 {
	return [2]uint64{binary.LittleEndian.Uint64(a[:8]), binary.LittleEndian.Uint64(a[8:])}
}

func (s *Set6) first(a [2]uint64) uint64 {
	h := a[0] * s.factors[0]
	// The upper half comes down, so that it is mixed with every bit of the lower one.
	h = (h ^ h>>32 ^ a[1]) * s.factors[1]
	return h >> s.shift
}

// Contains says whether the address is in the set.
func (s *Set6) Contains(address [16]byte) bool {
	a := numbers(&address)
	if len(s.places) == 0 || a == [2]uint64{} {
		return s.zero && a == [2]uint64{}
	}
	for i := s.first(a); ; i = (i + 1) & uint64(len(s.places)-1) {
		if found := &s.places[i]; *found == a || *found == [2]uint64{} {
			return *found == a
		}
	}
}

// tableBits is the size of a table that is at most half full, as a power of two.
func tableBits(entries int) uint8 { return uint8(bits.Len(uint(2*entries - 1))) }
