package query

import (
	"cmp"
	"encoding/binary"
	"iter"
	"math"
	"net/netip"
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
		return serviceCondition(false, []*filter.Node{n})
	}
	c := &condition{term: n.Term()}
	switch n.Kind() {
	case filter.All, filter.Any:
		c.operation = allOf
		if n.Kind() == filter.Any {
			c.operation = anyOf
		}
		services, others := onServices(n)
		for _, operand := range others {
			c.operands = append(c.operands, newCondition(operand))
		}
		if len(services) > 0 {
			c.operands = append(c.operands, serviceCondition(n.Kind() == filter.Any, services))
		}
		// What needs the least of a segment goes first: often it decides.
		slices.SortStableFunc(c.operands, func(a, b *condition) int { return a.operation.cost() - b.operation.cost() })
		return c
	}
	switch c.term.Attribute() {
	case filter.Source, filter.Destination:
		c.operation, c.negated = onSource, c.term.Negated()
		set := c.term.Addresses()
		c.four = set.V4
		for _, r := range set.V6 {
			c.six = append(c.six, range6{number6{Hi: r.First.High, Lo: r.First.Low}, number6{Hi: r.Last.High, Lo: r.Last.Low}})
		}
		c.addLists(set.Lists)
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

// addLists adds lists to the ranges, if they say which addresses they hold; of others, every address is asked for.
func (c *condition) addLists(lists []filter.Set) {
	known := false
	for _, list := range lists {
		l, ok := list.(interface{ Prefixes() iter.Seq[netip.Prefix] })
		if !ok {
			c.lists = append(c.lists, list)
			continue
		}
		if !known {
			known, c.four = true, slices.Clone(c.four) // they are the term's
		}
		for p := range l.Prefixes() {
			if p.Addr().Is4() {
				first := binary.BigEndian.Uint32(p.Addr().AsSlice())
				last := first
				if p.Bits() < 32 {
					last |= 1<<(32-p.Bits()) - 1
				}
				c.four = append(c.four, filter.Range4{First: first, Last: last})
				continue
			}
			first := sixOf(p.Addr().As16())
			c.six = append(c.six, range6{first, endOf6(first, p.Bits())})
		}
	}
	if known {
		c.four = disjoint4(c.four)
		c.six = disjoint6(c.six)
	}
}

// endOf6 is the last address of a network of so many bits.
func endOf6(first number6, bits int) number6 {
	if bits == 0 {
		return number6{Hi: math.MaxUint64, Lo: math.MaxUint64}
	}
	return last6(first, uint8(bits))
}

// disjoint4 and disjoint6 sort ranges and join those that overlap.
func disjoint4(ranges []filter.Range4) []filter.Range4 {
	slices.SortFunc(ranges, func(a, b filter.Range4) int { return cmp.Compare(a.First, b.First) })
	joined := ranges[:0]
	for _, r := range ranges {
		if n := len(joined) - 1; n >= 0 && r.First <= joined[n].Last {
			joined[n].Last = max(joined[n].Last, r.Last)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

func disjoint6(ranges []range6) []range6 {
	slices.SortFunc(ranges, func(a, b range6) int { return a.first.Compare(b.first) })
	joined := ranges[:0]
	for _, r := range ranges {
		if n := len(joined) - 1; n >= 0 && r.first.Compare(joined[n].last) <= 0 {
			if joined[n].last.Compare(r.last) < 0 {
				joined[n].last = r.last
			}
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

// and is the conjunction with more conditions.
func (c *condition) and(more ...*condition) *condition {
	if len(more) == 0 {
		return c
	}
	return &condition{operation: allOf, operands: append([]*condition{c}, more...)}
}
