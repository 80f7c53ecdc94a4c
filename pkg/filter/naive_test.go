package filter

import (
	"net/netip"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
)

// The naive evaluator works on the tree as typed, and shares no code with normalising and compiling: negations are
// evaluated where they stand, host and net are two comparisons, sets are walked with package netip.

// holds evaluates a tree on a row and on the sums of its group.
func (e *expression) holds(r *Row, c flow.Counters) bool {
	return e.eval(r, c, func(flow.Protocol) bool { return false })
}

// eval evaluates a node; shielded says for which protocols the rest of the tree has decided already, so that the
// node does not matter there.
func (e *expression) eval(r *Row, c flow.Counters, shielded func(flow.Protocol) bool) bool {
	if e.kind == Leaf {
		return e.evalLeaf(r, c, shielded) != e.negated
	}
	result := e.kind == All
	for i, operand := range e.operands {
		// Siblings that look at protocols only decide about a row where they are false in an AND, true in an OR.
		inner := func(p flow.Protocol) bool {
			if shielded(p) {
				return true
			}
			for j, sibling := range e.operands {
				if j != i && sibling.decides(e.kind, p) {
					return true
				}
			}
			return false
		}
		value := operand.eval(r, c, inner)
		if e.kind == All {
			result = result && value
		} else {
			result = result || value
		}
	}
	return result != e.negated
}

// decides says whether a sibling settles an AND or OR for a protocol. One that is such a chain itself belongs to it:
// its operands count as siblings.
func (e *expression) decides(chain NodeKind, p flow.Protocol) bool {
	if e.protocolsOnly() {
		return e.holds(&Row{Key: flow.Key{Protocol: p}}, flow.Counters{}) == (chain == Any)
	}
	if e.kind == Leaf || (e.kind == chain) == e.negated {
		return false
	}
	for _, operand := range e.operands {
		inner := chain
		if e.negated {
			inner = All + Any - chain
		}
		if operand.decides(inner, p) {
			return true
		}
	}
	return false
}

func (e *expression) protocolsOnly() bool {
	if e.kind == Leaf {
		return e.attribute.name == "proto"
	}
	for _, operand := range e.operands {
		if !operand.protocolsOnly() {
			return false
		}
	}
	return true
}

func (e *expression) evalLeaf(r *Row, c flow.Counters, shielded func(flow.Protocol) bool) bool {
	t := e.term
	value := false
	switch e.attribute.kind {
	case kindAddress:
		for _, side := range e.attribute.terms {
			a := r.Key.SourceAddr()
			if side == Destination {
				a = r.Key.DestinationAddr()
			}
			value = value || t.addresses.naive(a)
		}
	case kindOrdinal, kindName:
		value = t.naiveNumber(e.attribute.terms[0], r, shielded)
	case kindText:
		value = t.naiveText(e.attribute.terms[0], r)
	case kindDirection:
		in, out := c.PacketsReceived > 0, c.PacketsSent > 0
		value = [...]bool{in && !out, out && !in, in != out, in && out}[t.value]
	case kindAmount:
		n, ok := t.counter.value(&c)
		value = ok && map[operator]bool{equal: n == t.value, less: n < t.value, lessEqual: n <= t.value,
			greater: n > t.value, greaterEqual: n >= t.value}[t.operator]
	}
	return value != t.negated
}

func (s *addressSet) naive(a netip.Addr) bool {
	for r := range s.spans {
		if r.from.Is4() == a.Is4() && r.from.Compare(a) <= 0 && a.Compare(r.to) <= 0 {
			return true
		}
	}
	for i, c := range classTable {
		if s.classes&(1<<i) == 0 {
			continue
		}
		inside := false
		for _, network := range c.networks {
			inside = inside || netip.MustParsePrefix(network).Contains(a)
		}
		if nat64 := netip.MustParsePrefix("64:ff9b::/96").Contains(a); c.name == "public" {
			inside = !inside || nat64
		}
		if inside {
			return true
		}
	}
	return false
}

func (t *Term) naiveNumber(a Attribute, r *Row, shielded func(flow.Protocol) bool) bool {
	var n uint16
	switch a {
	case Port:
		n = r.Key.DestinationPort
		icmpOnly := true
		for p := range 256 {
			p := flow.Protocol(p)
			icmpOnly = icmpOnly && (p == flow.ICMP || p == flow.ICMPv6 || shielded(p))
		}
		if (r.Key.Protocol == flow.ICMP || r.Key.Protocol == flow.ICMPv6) && !icmpOnly {
			return false
		}
	case Protocol:
		n = uint16(r.Key.Protocol)
	case Version:
		n = uint16(r.Key.Family)
	case Verdict:
		n = uint16(r.Counters.Verdict())
	}
	v := uint16(t.value)
	switch t.operator {
	case less:
		return n < v
	case lessEqual:
		return n <= v
	case greater:
		return n > v
	case greaterEqual:
		return n >= v
	}
	for _, r := range t.numbers {
		if r.from <= n && n <= r.to {
			return true
		}
	}
	return false
}

func (t *Term) naiveText(a Attribute, r *Row) bool {
	s := map[Attribute]string{Interface: r.Interface, HostName: strings.ToLower(r.Host),
		HostID: strings.ToLower(r.HostID), Label: r.Labels[t.key]}[a]
	for _, p := range t.patterns {
		if naiveMatch(p, s) {
			return true
		}
	}
	return false
}

// naiveMatch tries every length for every star.
func naiveMatch(p pattern, s string) bool {
	if len(p) == 0 {
		return s == ""
	}
	switch p[0].kind {
	case anyText:
		for i := range len(s) + 1 {
			if naiveMatch(p[1:], s[i:]) {
				return true
			}
		}
		return false
	case anyOne:
		for i, c := range s {
			return i == 0 && naiveMatch(p[1:], s[len(string(c)):])
		}
		return false
	}
	rest, found := strings.CutPrefix(s, p[0].text)
	return found && naiveMatch(p[1:], rest)
}
