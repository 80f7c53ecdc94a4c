package query

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/weirflow/weir/pkg/flow"
)

// space numbers the addresses of a plan: an IPv4 address is its own number, an IPv6 address the place it has among
// all of the plan. With a prefix, the number is that of the first address of the plan in the same network.
type space struct {
	six []number6

	mu     sync.Mutex         // guards six and places of a sparse plan
	places map[number6]uint32 // of six; of a sparse plan
}

func address4(v uint32) (a flow.Address) {
	binary.BigEndian.PutUint32(a[:], v)
	return a
}

func address6(v number6) (a flow.Address) {
	binary.BigEndian.PutUint64(a[:], v.Hi)
	binary.BigEndian.PutUint64(a[8:], v.Lo)
	return a
}

func number4(a flow.Address) uint32 { return binary.BigEndian.Uint32(a[:]) }

func sixOf(a flow.Address) number6 {
	return number6{Hi: binary.BigEndian.Uint64(a[:]), Lo: binary.BigEndian.Uint64(a[8:])}
}

// mask4 and mask6 keep the leading bits of an address; 0 bits stand for all.
func mask4(v uint32, bits uint8) uint32 {
	if bits == 0 || bits >= 32 {
		return v
	}
	return v &^ (1<<(32-bits) - 1)
}

func mask6(v number6, bits uint8) number6 {
	switch {
	case bits == 0 || bits >= 128:
		return v
	case bits > 64:
		return number6{Hi: v.Hi, Lo: v.Lo &^ (1<<(128-bits) - 1)}
	case bits == 64:
		return number6{Hi: v.Hi}
	}
	return number6{Hi: v.Hi &^ (1<<(64-bits) - 1)}
}

// last4 and last6 are the last addresses of a network.
func last4(v uint32, bits uint8) uint32 {
	if bits == 0 || bits >= 32 {
		return v
	}
	return v | (1<<(32-bits) - 1)
}

func last6(v number6, bits uint8) number6 {
	switch {
	case bits == 0 || bits >= 128:
		return v
	case bits >= 64:
		return number6{Hi: v.Hi, Lo: v.Lo | (1<<(128-bits) - 1)}
	}
	return number6{Hi: v.Hi | (1<<(64-bits) - 1), Lo: ^uint64(0)}
}

func maskAddress(a flow.Address, family flow.Family, bits uint8) flow.Address {
	switch {
	case bits == 0:
		return a
	case family == flow.IPv4:
		return address4(mask4(number4(a), bits))
	}
	return address6(mask6(sixOf(a), bits))
}

// makeSpace numbers addresses, if the plan groups by them.
func (pl *plan) makeSpace() error {
	s := &pl.shape
	if !s.source && !s.destination {
		return nil
	}
	if pl.sparse {
		pl.space.places = map[number6]uint32{}
		return nil
	}
	six := make([][]number6, 0, len(pl.parts)+1)
	kept := pl.parts[:0]
	for _, p := range pl.parts {
		values, err := p.values6()
		if err != nil {
			pl.run.lose(p.Reader, -1, err)
			continue
		}
		kept, six = append(kept, p), append(six, values)
	}
	pl.parts = kept
	lists := append(slices.Clone(six), pl.looseAddresses())
	pl.space.six = mergeAll(lists)
	sources, targets := pl.space.firsts(s.sourceBits), pl.space.firsts(s.destinationBits)
	kept = pl.parts[:0]
	for i, p := range pl.parts {
		if err := p.number(six[i], sources, targets); err != nil {
			pl.run.lose(p.Reader, -1, err)
			continue
		}
		kept = append(kept, p)
	}
	pl.parts = kept
	return nil
}

// firsts returns for each IPv6 address the first one in its network; nil for whole addresses.
func (s *space) firsts(bits uint8) []uint32 {
	if bits == 0 || bits >= 128 {
		return nil
	}
	list := make([]uint32, len(s.six))
	for i := range list {
		list[i] = uint32(i)
		if i > 0 && mask6(s.six[i], bits) == mask6(s.six[i-1], bits) {
			list[i] = list[i-1]
		}
	}
	return list
}

// number makes the tables from codes to numbers.
func (p *part) number(six []number6, sourceFirsts, targetFirsts []uint32) error {
	s := &p.plan.shape
	values := make([]uint32, 0, p.codes)
	values, err := p.values4(values)
	if err != nil {
		return err
	}
	all, place := p.plan.space.six, 0
	for _, v := range six {
		place += gallop(len(all)-place, func(i int) bool { return all[place+i].Compare(v) >= 0 })
		values = append(values, uint32(place))
	}
	if s.source {
		p.sources = p.network(values, s.sourceBits, sourceFirsts)
	}
	if s.destination {
		p.targets = p.network(values, s.destinationBits, targetFirsts)
	}
	return nil
}

// network turns numbers of addresses into those of their networks.
func (p *part) network(values []uint32, bits uint8, firsts []uint32) []uint32 {
	if bits == 0 {
		return values
	}
	list := slices.Clone(values)
	for i := range list[:p.ipv4] {
		list[i] = mask4(list[i], bits)
	}
	if firsts != nil {
		for i := range list[p.ipv4:] {
			list[int(p.ipv4)+i] = firsts[list[int(p.ipv4)+i]]
		}
	}
	return list
}

// mergeAll merges ascending lists, equal values once.
func mergeAll(lists [][]number6) []number6 {
	switch len(lists) {
	case 0:
		return nil
	case 1:
		return lists[0]
	}
	middle := len(lists) / 2
	return mergeTwo(mergeAll(lists[:middle]), mergeAll(lists[middle:]))
}

func mergeTwo(a, b []number6) []number6 {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	to := make([]number6, 0, len(a)+len(b)/2)
	for len(a) > 0 && len(b) > 0 {
		c := a[0].Compare(b[0])
		if c <= 0 {
			to = append(to, a[0])
			a = a[1:]
		} else {
			to = append(to, b[0])
		}
		if c >= 0 {
			b = b[1:]
		}
	}
	to = append(to, a...)
	return append(to, b...)
}

// unpack is the key as the rest of the engine has it.
func (pl *plan) unpack(k packed) (to key) {
	s := &pl.shape
	to.port, to.protocol = uint16(k.rest), flow.Protocol(k.rest>>packedProtocol)
	to.verdict = uint16(k.rest >> packedVerdict & 3)
	to.iface = uint16(k.rest >> packedInterface)
	if s.time {
		to.stamp = pl.bins[k.bin()]
	}
	if !s.source && !s.destination {
		return to
	}
	to.family = flow.IPv4
	if k.six() {
		to.family = flow.IPv6
	}
	if s.source {
		to.source = pl.space.address(uint32(k.addresses>>32), to.family, s.sourceBits)
	}
	if s.destination {
		to.destination = pl.space.address(uint32(k.addresses), to.family, s.destinationBits)
	}
	return to
}

func (s *space) address(number uint32, family flow.Family, bits uint8) flow.Address {
	if family == flow.IPv4 {
		return address4(number)
	}
	return address6(mask6(s.six[number], bits))
}

// pack is the inverse of unpack, without the bin and what the plan does not group by; false where an address is not in the plan.
func (pl *plan) pack(k *key) (to packed, ok bool) {
	s := &pl.shape
	if s.port {
		to.rest |= uint64(k.port)
	}
	if s.protocol {
		to.rest |= uint64(k.protocol) << packedProtocol
	}
	if s.verdict {
		to.rest |= uint64(k.verdict) << packedVerdict
	}
	if s.iface {
		to.rest |= uint64(k.iface) << packedInterface
	}
	if k.family == flow.IPv6 && (s.source || s.destination) {
		to.rest |= 1 << packedSix
	}
	number := func(a flow.Address, bits uint8) uint64 {
		if k.family != flow.IPv6 {
			return uint64(number4(a))
		}
		v := sixOf(a)
		if pl.sparse {
			return uint64(pl.space.place(v))
		}
		i, found := slices.BinarySearchFunc(pl.space.six, v, func(o, v number6) int { return mask6(o, bits).Compare(v) })
		ok = ok && found
		return uint64(i)
	}
	ok = true
	if s.source {
		to.addresses = number(k.source, s.sourceBits) << 32
	}
	if s.destination {
		to.addresses |= number(k.destination, s.destinationBits)
	}
	return to, ok
}

// loose are the groups of rows that are in no segment, packed and in the order of their positions.
type loose struct {
	keys     []packed
	counters []flow.Counters
}

// looseHas says which counters the loose rows have.
func (r *run) looseHas() (has uint16) {
	for g := range r.groups.all() {
		has |= hasCounters(&g.counters)
	}
	return has
}

// looseAddresses are the IPv6 addresses of loose rows, ascending.
func (pl *plan) looseAddresses() (list []number6) {
	for g := range pl.run.groups.all() {
		if g.key.family != flow.IPv6 {
			continue
		}
		if pl.shape.source {
			list = append(list, sixOf(g.key.source))
		}
		if pl.shape.destination {
			list = append(list, sixOf(g.key.destination))
		}
	}
	slices.SortFunc(list, number6.Compare)
	return slices.Compact(list)
}

func (pl *plan) makeLoose() {
	type one struct {
		key      packed
		counters *flow.Counters
	}
	list := make([]one, 0, pl.run.groups.n)
	for g := range pl.run.groups.all() {
		if packed, ok := pl.pack(&g.key); ok {
			if pl.shape.time {
				packed.rest |= pl.bin(g.key.stamp)
			}
			list = append(list, one{packed, &g.counters})
		}
	}
	slices.SortFunc(list, func(a, b one) int { return a.key.position().compare(b.key.position()) })
	for _, o := range list {
		pl.loose.keys = append(pl.loose.keys, o.key)
		pl.loose.counters = append(pl.loose.counters, *o.counters)
	}
}

// position is a place in the order of sources, then destinations, IPv4 before IPv6.
type position struct {
	source      uint64 // family<<32 | number
	destination uint32
}

// lastPosition is behind all others.
var lastPosition = position{source: ^uint64(0)}

func (a position) compare(b position) int {
	if c := cmp.Compare(a.source, b.source); c != 0 {
		return c
	}
	return cmp.Compare(a.destination, b.destination)
}
