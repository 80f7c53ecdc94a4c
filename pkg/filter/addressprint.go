package filter

import (
	"math/bits"
	"net/netip"
	"strings"
)

// span is a range of addresses on its way to text.
type span struct {
	from, to netip.Addr
	length   int // of the network
	network  bool
}

// spans is an iterator over the ranges of the set.
func (s *addressSet) spans(yield func(span) bool) {
	for _, r := range s.v4 {
		length, network := r.prefixLength()
		if !yield(span{addr4(r.from()), addr4(r.to()), length, network}) {
			return
		}
	}
	for _, r := range s.v6 {
		length, network := r.prefixLength()
		if !yield(span{addr6(r.from), addr6(r.to), length, network}) {
			return
		}
	}
}

func (r span) append(b []byte) []byte {
	switch {
	case r.from == r.to:
		return r.from.AppendTo(b)
	case r.network:
		return netip.PrefixFrom(r.from, r.length).AppendTo(b)
	}
	return r.to.AppendTo(append(r.from.AppendTo(b), '-'))
}

// printAddresses writes one network as goProbe does (snet = 10.0.0.0/8), one class as "sip is private" and one list
// as "sip in @list".
func (t *Term) printAddresses(b *strings.Builder) {
	s := t.addresses
	name := t.name()
	if s.alias != "" {
		b.WriteString(name + t.equality(false) + "@" + s.alias)
		return
	}
	count := len(s.v4) + len(s.v6) + len(s.names) + len(s.lists) + bits.OnesCount16(uint16(s.classes))
	single := count == 1
	s.spans(func(first span) bool {
		if single && first.network && first.from != first.to {
			name = name[:1] + "net"
		}
		single = single && first.network
		return false
	})
	switch {
	case single && s.classes != 0 && t.negated:
		b.WriteString(name + " is not ")
		s.printItems(b, func() {})
	case single && s.classes != 0:
		b.WriteString(name + " is ")
		s.printItems(b, func() {})
	case single && len(s.lists) == 1:
		b.WriteString(name + t.equality(false))
		s.printItems(b, func() {})
	default:
		b.WriteString(name)
		t.printList(b, single, func(separate func()) { s.printItems(b, separate) })
	}
}

// printItems writes the values of a set; it calls separate before each.
func (s *addressSet) printItems(b *strings.Builder, separate func()) {
	for i, c := range classTable {
		if s.classes&(1<<i) != 0 {
			separate()
			b.WriteString(c.name)
		}
	}
	var buffer [96]byte // two addresses of 45 bytes
	for r := range s.spans {
		separate()
		b.Write(r.append(buffer[:0]))
	}
	for _, n := range s.names {
		separate()
		b.WriteString(quoteHostName(n.name))
	}
	for _, l := range s.lists {
		separate()
		b.WriteString("@" + l.name)
	}
}

// quoteHostName writes a host name so that it is not read as a class or as a range of addresses.
func quoteHostName(name string) string {
	_, isClass := classByName[name]
	from, _, dashed := strings.Cut(name, "-")
	if _, err := netip.ParseAddr(from); isClass || dashed && err == nil {
		return `"` + name + `"`
	}
	return name
}
