package filter

import (
	"net/netip"

	"github.com/weirflow/weir/pkg/flow"
)

// Row is a row of an interval as conditions see it. What is not known is left zero.
type Row struct {
	Key       flow.Key
	Counters  flow.Counters // for the verdict
	Interface string
	Host      string // name of the host that captured
	HostID    string
	Labels    map[string]string // what the operator says about the host
}

// Set is a set of addresses behind a named list. It must be safe for concurrent use.
type Set interface {
	Contains(netip.Addr) bool
}

// Matcher evaluates a condition in two steps: Row on each row, Group on the sums of each result row, when all rows
// that matched have been added up. It is immutable and safe for concurrent use. The nil Matcher is valid and
// matches everything.
type Matcher struct {
	rows   *Node // nil: all rows
	groups *Node // nil: all groups
}

// Compile makes the matcher of a condition; that of a nil condition is nil. The error, an *Error, names a host name
// or a list of addresses that still needs Resolve or WithLists.
func (c *Condition) Compile() (*Matcher, error) {
	if c == nil {
		return nil, nil
	}
	if err := c.unresolved(); err != nil {
		return nil, err
	}
	matchers := make(map[*addressSet]*addressMatcher) // one for all terms that share a set
	root, err := c.root.mapTerms(func(t *Term) error {
		if s := t.addresses; s != nil {
			if matchers[s] == nil {
				matchers[s] = newAddressMatcher(s)
			}
			t.matcher = matchers[s]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var rows, groups []*Node
	for _, operand := range operandsOf(root) {
		if operand.isGroup() {
			groups = append(groups, operand)
		} else {
			rows = append(rows, operand)
		}
	}
	return &Matcher{rows: conjunction(rows), groups: conjunction(groups)}, nil
}

// isGroup says that the node looks at sums. As checkGroups saw to, all its terms are alike.
func (n *Node) isGroup() bool {
	for n.kind != Leaf {
		n = n.operands[0]
	}
	return n.term.attribute.group()
}

func conjunction(operands []*Node) *Node {
	switch len(operands) {
	case 0:
		return nil
	case 1:
		return operands[0]
	}
	return &Node{kind: All, operands: operands}
}

// Row says whether the terms on rows hold.
func (m *Matcher) Row(r *Row) bool { return m == nil || m.rows == nil || m.rows.row(r) }

// Group says whether the terms on counters and on the direction hold for the sums of a result row.
func (m *Matcher) Group(c flow.Counters) bool {
	return m == nil || m.groups == nil || m.groups.group(c)
}

// HasGroup says whether there are terms for Group to evaluate.
func (m *Matcher) HasGroup() bool { return m != nil && m.groups != nil }

// Rows returns the tree that Row evaluates, for engines that evaluate by column; nil where all rows match.
func (m *Matcher) Rows() *Node {
	if m == nil {
		return nil
	}
	return m.rows
}
