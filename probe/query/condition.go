package query

import (
	"slices"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/probe/column"
	"github.com/weirflow/weir/probe/segment"
)

// number6 is an IPv6 address as a number.
type number6 = column.Uint128

// range6 is a range of IPv6 addresses, both ends included.
type range6 struct{ first, last number6 }

// operation says what a node of a condition tests.
type operation uint8

const (
	never operation = iota
	always
	allOf
	anyOf
	onSource
	onDestination
	onService
	onVerdict
	onText // interface, host, label: the same for all rows of a segment
	onVersion
)

// condition is the row terms of a query, made once for all segments.
type condition struct {
	operation operation
	operands  []*condition
	term      *filter.Term
	four      []filter.Range4
	six       []range6
	lists     []filter.Set
	negated   bool
	// plain says that the set is not a term of the user's: a folded row is not kept out.
	plain    bool
	services func(segment.Service) bool
	most     int // services that can match, -1: not known
}

// newCondition makes a condition of a tree; nil is always.
func newCondition(n *filter.Node) *condition {
	if n == nil {
		return &condition{operation: always}
	}
	if n.Only(filter.Port, filter.Protocol) {
		return &condition{operation: onService, services: serviceTest(n), most: mostServices(n)}
	}
	c := &condition{term: n.Term()}
	switch n.Kind() {
	case filter.All, filter.Any:
		c.operation = allOf
		if n.Kind() == filter.Any {
			c.operation = anyOf
		}
		for _, operand := range n.Operands() {
			c.operands = append(c.operands, newCondition(operand))
		}
		// What needs the least of a segment goes first: often it decides.
		slices.SortStableFunc(c.operands, func(a, b *condition) int { return a.operation.cost() - b.operation.cost() })
		return c
	}
	switch c.term.Attribute() {
	case filter.Source, filter.Destination:
		c.operation, c.negated = onSource, c.term.Negated()
		set := c.term.Addresses()
		c.four, c.lists = set.V4, set.Lists
		for _, r := range set.V6 {
			c.six = append(c.six, range6{number6{Hi: r.First.High, Lo: r.First.Low}, number6{Hi: r.Last.High, Lo: r.Last.Low}})
		}
		if c.term.Attribute() == filter.Destination {
			c.operation = onDestination
		}
	case filter.Verdict:
		c.operation = onVerdict
	case filter.Version:
		c.operation = onVersion
	default:
		c.operation = onText
	}
	return c
}

// and is the conjunction with more conditions.
func (c *condition) and(more ...*condition) *condition {
	if len(more) == 0 {
		return c
	}
	return &condition{operation: allOf, operands: append([]*condition{c}, more...)}
}
