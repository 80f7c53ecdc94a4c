package filter

import (
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
)

// NodeKind says what a node of a normalised tree is. The zero value is invalid on purpose.
type NodeKind uint8

// The kinds of nodes.
const (
	_    NodeKind = iota
	Leaf          // one term
	All           // holds where all operands hold (AND)
	Any           // holds where at least one operand holds (OR)
)

// Node is a node of a normalised tree. There is no NOT: negations stand in the terms. A node under All is not All
// itself, a node under Any not Any. Nodes are immutable and safe for concurrent use.
type Node struct {
	kind     NodeKind
	operands []*Node
	term     *Term
}

// Kind says what the node is.
func (n *Node) Kind() NodeKind { return n.kind }

// Operands returns the operands of All and Any, two at least. The slice is the caller's.
func (n *Node) Operands() []*Node { return slices.Clone(n.operands) }

// Term returns the term of a Leaf.
func (n *Node) Term() *Term { return n.term }

// Terms is an iterator over the terms below the node, from left to right.
func (n *Node) Terms(yield func(*Term) bool) { n.terms(yield) }

func (n *Node) terms(yield func(*Term) bool) bool {
	if n.kind == Leaf {
		return yield(n.term)
	}
	for _, operand := range n.operands {
		if !operand.terms(yield) {
			return false
		}
	}
	return true
}

// mapTerms copies the tree and lets change alter the copies of its terms.
func (n *Node) mapTerms(change func(*Term) error) (*Node, error) {
	c := &Node{kind: n.kind, operands: slices.Clone(n.operands)}
	if n.kind == Leaf {
		term := *n.term
		c.term = &term
		return c, change(&term)
	}
	for i, operand := range c.operands {
		var err error
		if c.operands[i], err = operand.mapTerms(change); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Term is one comparison: a test of one attribute, perhaps negated. An engine that keeps columns in dictionaries
// evaluates a term once for each entry, with the Match method of the term's attribute, and combines the results
// as the tree says. Match methods include the negation; those of another attribute than the term's return false.
// Terms are immutable and safe for concurrent use.
type Term struct {
	attribute Attribute
	key       string   // of a Label
	operator  operator // equal, or an ordering one
	negated   bool

	addresses *addressSet     // Source, Destination
	matcher   *addressMatcher // the same, compiled
	numbers   []numberRange   // Port, Protocol, Version, Verdict
	icmp      bool            // Port: compares ICMP type and code (icmp.go)
	patterns  []pattern       // Interface, HostName, HostID, Label
	counter   *counter        // Counter
	value     uint64          // Counter, Direction, and the operand of an ordering operator

	offset, length int // in the text as typed
}

// Attribute is what the term looks at.
func (t *Term) Attribute() Attribute { return t.attribute }

// Key says which label or which counter the term looks at; it is empty for other attributes.
func (t *Term) Key() string {
	if t.counter != nil {
		return t.counter.name
	}
	return t.key
}

// MatchAddress evaluates a term on Source or Destination.
func (t *Term) MatchAddress(a flow.Address, family flow.Family) bool {
	return t.matchAddress(&a, family)
}

func (t *Term) matchAddress(a *flow.Address, family flow.Family) bool {
	return t.matcher != nil && t.matcher.contains(a, family) != t.negated
}

// MatchPort evaluates a term on Port; the protocol says whether the port is ICMP's type and code.
func (t *Term) MatchPort(port uint16, protocol flow.Protocol) bool {
	if t.attribute != Port {
		return false
	}
	compares := t.icmp || protocol != flow.ICMP && protocol != flow.ICMPv6
	return (compares && t.hasNumber(port)) != t.negated
}

// MatchProtocol evaluates a term on Protocol.
func (t *Term) MatchProtocol(p flow.Protocol) bool {
	return t.attribute == Protocol && t.hasNumber(uint16(p)) != t.negated
}

// MatchVersion evaluates a term on Version.
func (t *Term) MatchVersion(f flow.Family) bool {
	return t.attribute == Version && t.hasNumber(uint16(f)) != t.negated
}

// MatchVerdict evaluates a term on Verdict.
func (t *Term) MatchVerdict(v flow.Verdict) bool {
	return t.attribute == Verdict && t.hasNumber(uint16(v)) != t.negated
}

// MatchText evaluates a term on Interface, HostName, HostID or Label. A label that a host does not have is empty.
func (t *Term) MatchText(s string) bool {
	return t.patterns != nil && t.hasText(s) != t.negated
}

// MatchGroup evaluates a term on Direction or Counter.
func (t *Term) MatchGroup(c flow.Counters) bool {
	switch t.attribute {
	case Direction:
		return direction(t.value).holds(&c) != t.negated
	case Counter:
		value, ok := t.counter.value(&c)
		return (ok && t.operator.holds(value, t.value)) != t.negated
	}
	return false
}

func (t *Term) hasNumber(n uint16) bool {
	for _, r := range t.numbers {
		if n <= r.to {
			return n >= r.from
		}
	}
	return false
}

func (t *Term) hasText(s string) bool {
	if foldsCase(t.attribute) {
		s = strings.ToLower(s)
	}
	for _, p := range t.patterns {
		if p.match(s) {
			return true
		}
	}
	return false
}

// row evaluates any term on a row.
func (t *Term) row(r *Row) bool {
	switch t.attribute {
	case Source:
		return t.matchAddress(&r.Key.Source, r.Key.Family) && !r.Key.Folded()
	case Destination:
		return t.matchAddress(&r.Key.Destination, r.Key.Family) && !r.Key.Folded()
	case Port:
		return t.MatchPort(r.Key.DestinationPort, r.Key.Protocol)
	case Protocol:
		return t.MatchProtocol(r.Key.Protocol)
	case Version:
		return t.MatchVersion(r.Key.Family)
	case Verdict:
		return t.MatchVerdict(r.Counters.Verdict())
	case Interface:
		return t.MatchText(r.Interface)
	case HostName:
		return t.MatchText(r.Host)
	case HostID:
		return t.MatchText(r.HostID)
	case Label:
		return t.MatchText(r.Labels[t.key])
	}
	return false
}

func (n *Node) row(r *Row) bool {
	switch n.kind {
	case Leaf:
		return n.term.row(r)
	case All:
		for _, operand := range n.operands {
			if !operand.row(r) {
				return false
			}
		}
		return true
	}
	for _, operand := range n.operands {
		if operand.row(r) {
			return true
		}
	}
	return false
}

func (n *Node) group(c flow.Counters) bool {
	switch n.kind {
	case Leaf:
		return n.term.MatchGroup(c)
	case All:
		for _, operand := range n.operands {
			if !operand.group(c) {
				return false
			}
		}
		return true
	}
	for _, operand := range n.operands {
		if operand.group(c) {
			return true
		}
	}
	return false
}
