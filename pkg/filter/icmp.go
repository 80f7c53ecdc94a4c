package filter

import "github.com/weirflow/weir/pkg/flow"

// ICMP rows hold type × 256 + code in the place of the port. A port comparison must not take that for a port, nor
// the reverse, so each comparison means one of the two: type and code where every row that reaches it is ICMP or
// ICMPv6 (as in proto = icmp & dport = 2048, and in its complement proto != icmp | dport != 2048), ports anywhere
// else. A comparison of ports is false for ICMP rows, its negation true.

// protocolSet is a set of protocol numbers.
type protocolSet [4]uint64

var (
	allProtocols  = protocolSet{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}
	icmpProtocols = protocolSet{1<<flow.ICMP | 1<<flow.ICMPv6}
)

func (s protocolSet) intersect(o protocolSet) protocolSet {
	for i := range s {
		s[i] &= o[i]
	}
	return s
}

func (s protocolSet) complement() protocolSet {
	for i := range s {
		s[i] = ^s[i]
	}
	return s
}

// interpretPorts decides what the port comparisons below the node mean, where only rows of the protocols in reach
// get there.
func interpretPorts(n *Node, reach protocolSet) {
	if n.kind == Leaf {
		if n.term.attribute == Port {
			n.term.interpret(reach)
		}
		return
	}
	// An operand of AND decides only about rows for which its siblings hold, an operand of OR about those for
	// which they do not.
	for _, operand := range n.operands {
		if s, ok := protocolsOf(operand); ok {
			if n.kind == Any {
				s = s.complement()
			}
			reach = reach.intersect(s)
		}
	}
	for _, operand := range n.operands {
		interpretPorts(operand, reach)
	}
}

func (t *Term) interpret(reach protocolSet) {
	t.icmp = reach.intersect(icmpProtocols) == reach
	ambiguous := !t.icmp && reach.intersect(icmpProtocols) != protocolSet{}
	if t.negated && t.operator.ordered() && !ambiguous {
		t.turn()
	}
}

// protocolsOf returns the protocols for which the node holds, if it looks at nothing else.
func protocolsOf(n *Node) (s protocolSet, ok bool) {
	if n.kind == Leaf {
		if n.term.attribute != Protocol {
			return s, false
		}
		for p := range 256 {
			if n.term.MatchProtocol(flow.Protocol(p)) {
				s[p/64] |= 1 << (p % 64)
			}
		}
		return s, true
	}
	if n.kind == All {
		s = allProtocols
	}
	for _, operand := range n.operands {
		o, ok := protocolsOf(operand)
		if !ok {
			return s, false
		}
		if n.kind == All {
			s = s.intersect(o)
		} else {
			s = s.complement().intersect(o.complement()).complement()
		}
	}
	return s, true
}
