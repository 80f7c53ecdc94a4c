package filter

import (
	"encoding/binary"

	"github.com/gaissmai/bart"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/lookup"
)

// largeSet is the number of ranges from which on a search takes longer than a hash table and a trie.
const largeSet = 32

// addressMatcher is an address set made for speed. Of a large set, single addresses are in the hash tables and
// networks in the trie; of a small set all are in the sorted ranges.
type addressMatcher struct {
	v4      []range4
	v6      []range6
	single4 lookup.Set4
	single6 lookup.Set6
	trie    *bart.Lite
	lists   []Set
}

func newAddressMatcher(s *addressSet) *addressMatcher {
	if s.classes != 0 {
		s = s.clone()
		for i := range classRanges {
			if s.classes&(1<<i) != 0 {
				s.v4 = append(s.v4, classRanges[i].v4...)
				s.v6 = append(s.v6, classRanges[i].v6...)
			}
		}
		s.merge()
	}
	m := &addressMatcher{}
	for _, l := range s.lists {
		m.lists = append(m.lists, l.set)
	}
	if len(s.v4)+len(s.v6) < largeSet {
		m.v4, m.v6 = s.v4, s.v6
	} else {
		m.index(s)
	}
	return m
}

func (m *addressMatcher) index(s *addressSet) {
	single4, single6 := make([]uint32, 0, len(s.v4)), make([][16]byte, 0, len(s.v6))
	networks := new(bart.Lite)
	for _, r := range s.v4 {
		if r.from() == r.to() {
			single4 = append(single4, r.from())
			continue
		}
		r.prefixes(networks.Insert)
	}
	for _, r := range s.v6 {
		if r.from == r.to {
			single6 = append(single6, addr6(r.from).As16())
			continue
		}
		r.prefixes(networks.Insert)
	}
	m.single4, m.single6 = lookup.New4(single4), lookup.New6(single6)
	if networks.Size() > 0 {
		m.trie = networks
	}
}

func (m *addressMatcher) contains(a *flow.Address, family flow.Family) bool {
	var found bool
	switch family {
	case flow.IPv4:
		n := binary.BigEndian.Uint32(a[:4])
		found = m.single4.Contains(n) || m.contains4(n)
	case flow.IPv6:
		n := address6{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])}
		found = m.single6.Contains(n.high, n.low) || m.contains6(n)
	default:
		return false
	}
	if found || m.trie != nil && m.trie.Contains(a.Netip(family)) {
		return true
	}
	for _, list := range m.lists {
		if list.Contains(a.Netip(family)) {
			return true
		}
	}
	return false
}

func (m *addressMatcher) contains4(a uint32) bool {
	low, high := 0, len(m.v4)
	for low < high {
		if middle := (low + high) / 2; m.v4[middle].to() < a {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low < len(m.v4) && m.v4[low].from() <= a
}

func (m *addressMatcher) contains6(a address6) bool {
	low, high := 0, len(m.v6)
	for low < high {
		if middle := (low + high) / 2; m.v6[middle].to.compare(a) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low < len(m.v6) && m.v6[low].from.compare(a) <= 0
}
