package filter

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"

	"github.com/weirflow/weir/pkg/lookup"
)

// addressSet is the value of a term on addresses. It does not change once it is parsed; terms on host and net
// share it.
type addressSet struct {
	v4      []range4 // sorted, disjoint
	v6      []range6 // sorted, disjoint
	classes classes
	names   []reference // host names to look up, no name twice
	lists   []list      // named lists, no name twice
	alias   string      // what the set is shown as, where its ranges are too many to be read
}

// reference is a name and where the text has it.
type reference struct {
	name           string
	offset, length int
}

// list is a named list; its set is nil until Condition.WithLists.
type list struct {
	reference
	set Set
}

// range4 is a range of IPv4 addresses, both ends included: the first address × 2³² + the last, so that ranges sort
// as plain numbers.
type range4 uint64

func (r range4) from() uint32 { return uint32(r >> 32) }
func (r range4) to() uint32   { return uint32(r) }

func makeRange4(from, to uint32) range4 { return range4(from)<<32 | range4(to) }

// address6 is an IPv6 address as a number.
type address6 struct{ high, low uint64 }

func (a address6) compare(b address6) int {
	switch {
	case a.high < b.high || a.high == b.high && a.low < b.low:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// range6 is a range of IPv6 addresses, both ends included.
type range6 struct{ from, to address6 }

func number4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func number6(a netip.Addr) address6 {
	b := a.As16()
	return address6{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func addr4(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

func addr6(n address6) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], n.high)
	binary.BigEndian.PutUint64(b[8:], n.low)
	return netip.AddrFrom16(b)
}

// addRange adds the addresses from first to last, of one family and in this order. An IPv4-mapped IPv6 address is
// an IPv6 address, as it is on the wire.
func (s *addressSet) addRange(first, last netip.Addr) {
	if first.Is4() {
		s.v4 = append(s.v4, makeRange4(number4(first), number4(last)))
		return
	}
	s.v6 = append(s.v6, range6{number6(first), number6(last)})
}

// addPrefix adds the addresses of a network; host bits do not matter.
func (s *addressSet) addPrefix(p netip.Prefix) {
	p = p.Masked()
	if p.Addr().Is4() {
		from := number4(p.Addr())
		s.v4 = append(s.v4, makeRange4(from, from|uint32(uint64(1)<<(32-p.Bits())-1)))
		return
	}
	from := number6(p.Addr())
	s.v6 = append(s.v6, range6{from, from.last(p.Bits())})
}

// last is the last address of the network of that length which starts at a.
func (a address6) last(length int) address6 {
	if length <= 64 {
		return address6{a.high | ^uint64(0)>>length, ^uint64(0)}
	}
	return address6{a.high, a.low | ^uint64(0)>>(length-64)}
}

// merge sorts the ranges and joins those that overlap. Neighbours stay apart, so that people find again what they
// typed.
func (s *addressSet) merge() {
	lookup.Sort(s.v4, func(r *range4) (uint64, uint64) { return uint64(*r), 0 }, cmp.Compare)
	v4 := s.v4[:0]
	for _, r := range s.v4 {
		if n := len(v4); n > 0 && r.from() <= v4[n-1].to() {
			v4[n-1] = makeRange4(v4[n-1].from(), max(v4[n-1].to(), r.to()))
			continue
		}
		v4 = append(v4, r)
	}
	s.v4 = v4
	lookup.Sort(s.v6, func(r *range6) (uint64, uint64) { return r.from.high, r.from.low },
		func(a, b range6) int { return a.from.compare(b.from) })
	v6 := s.v6[:0]
	for _, r := range s.v6 {
		if n := len(v6); n > 0 && r.from.compare(v6[n-1].to) <= 0 {
			if r.to.compare(v6[n-1].to) > 0 {
				v6[n-1].to = r.to
			}
			continue
		}
		v6 = append(v6, r)
	}
	s.v6 = v6
}

// clone is a copy whose slices can be appended to.
func (s *addressSet) clone() *addressSet {
	c := *s
	c.v4, c.v6 = slices.Clone(s.v4), slices.Clone(s.v6)
	c.names, c.lists = slices.Clone(s.names), slices.Clone(s.lists)
	return &c
}

// prefixLength says whether the range is a network, and of which length.
func (r range4) prefixLength() (int, bool) {
	size := uint64(r.to()) - uint64(r.from()) + 1
	return 32 - bits.TrailingZeros64(size), size&(size-1) == 0 && uint64(r.from())&(size-1) == 0
}

func (r range6) prefixLength() (int, bool) {
	length := 128
	if r.from.high != r.to.high {
		length = bits.LeadingZeros64(r.from.high ^ r.to.high)
	} else if r.from.low != r.to.low {
		length = 64 + bits.LeadingZeros64(r.from.low^r.to.low)
	}
	return length, r.to == r.from.last(length) && r.from == r.from.first(length)
}

// first is the first address of the network of that length which holds a.
func (a address6) first(length int) address6 {
	if length <= 64 {
		return address6{a.high &^ (^uint64(0) >> length), 0}
	}
	return address6{a.high, a.low &^ (^uint64(0) >> (length - 64))}
}

// prefixes splits the range into networks, from the left, each as large as it can be.
func (r range4) prefixes(add func(netip.Prefix)) {
	for from, end := uint64(r.from()), uint64(r.to())+1; from < end; {
		size := min(bits.TrailingZeros64(from|1<<32), bits.Len64(end-from)-1)
		add(netip.PrefixFrom(addr4(uint32(from)), 32-size))
		from += 1 << size
	}
}

func (r range6) prefixes(add func(netip.Prefix)) {
	for from := r.from; ; {
		length := 128
		for length > 0 && from.first(length-1) == from && from.last(length-1).compare(r.to) <= 0 {
			length--
		}
		add(netip.PrefixFrom(addr6(from), length))
		last := from.last(length)
		if last.compare(r.to) >= 0 {
			return
		}
		var carry uint64
		from.low, carry = bits.Add64(last.low, 1, 0)
		from.high = last.high + carry
	}
}
