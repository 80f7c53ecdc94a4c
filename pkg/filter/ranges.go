package filter

import "slices"

// Range4 is a range of IPv4 addresses as numbers, both ends included.
type Range4 struct{ First, Last uint32 }

// Number6 is an IPv6 address as a number.
type Number6 struct{ High, Low uint64 }

// Compare orders by value.
func (a Number6) Compare(b Number6) int {
	return address6{a.High, a.Low}.compare(address6{b.High, b.Low})
}

// Range6 is a range of IPv6 addresses, both ends included.
type Range6 struct{ First, Last Number6 }

// Addresses is the set of a term on Source or Destination before its negation, for engines that merge it with a
// sorted dictionary instead of asking for each address.
type Addresses struct {
	V4    []Range4 // sorted, disjoint
	V6    []Range6 // sorted, disjoint
	Lists []Set    // named lists: those addresses belong to the set as well
}

// Addresses returns the set of a term on Source or Destination; it is empty for other terms.
func (t *Term) Addresses() (a Addresses) {
	if t.addresses == nil {
		return a
	}
	s := t.addresses.clone()
	for i := range classRanges {
		if s.classes&(1<<i) != 0 {
			s.v4 = append(s.v4, classRanges[i].v4...)
			s.v6 = append(s.v6, classRanges[i].v6...)
		}
	}
	s.merge()
	a.V4, a.V6 = make([]Range4, 0, len(s.v4)), make([]Range6, 0, len(s.v6))
	for _, r := range s.v4 {
		a.V4 = append(a.V4, Range4{r.from(), r.to()})
	}
	for _, r := range s.v6 {
		a.V6 = append(a.V6, Range6{Number6{r.from.high, r.from.low}, Number6{r.to.high, r.to.low}})
	}
	for _, l := range s.lists {
		a.Lists = append(a.Lists, l.set)
	}
	return a
}

// Negated says that the term holds for what is not in its set.
func (t *Term) Negated() bool { return t.negated }

// Only says that all terms below the node look at one of the attributes.
func (n *Node) Only(attributes ...Attribute) bool {
	for t := range n.Terms {
		if !slices.Contains(attributes, t.attribute) {
			return false
		}
	}
	return true
}
