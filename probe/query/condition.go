package query

import (
	"slices"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
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
}

// newCondition makes a condition of a tree; nil is always.
func newCondition(n *filter.Node) *condition {
	if n == nil {
		return &condition{operation: always}
	}
	if n.Only(filter.Port, filter.Protocol) {
		return &condition{operation: onService, services: serviceTest(n)}
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

// has says that some part of the condition tests one of the operations.
func (c *condition) has(operations ...operation) bool {
	return slices.Contains(operations, c.operation) ||
		slices.ContainsFunc(c.operands, func(o *condition) bool { return o.has(operations...) })
}

// span is a range of codes, without until.
type span struct{ from, until uint32 }

// test is a condition bound to a segment.
type test struct {
	operation operation
	operands  []*test
	spans     []span   // of codes, sorted, disjoint: onSource, onDestination
	chunks    []uint64 // one bit a chunk that may hold a match; nil where that is not known
	set       []uint64 // one bit a code or service; nil where spans are few
	single    int      // the only service of the set, -1
	verdicts  uint8    // bit by flow.Verdict
	named     bool     // does not hold for folded rows
}

var (
	neverTest  = &test{operation: never}
	alwaysTest = &test{operation: always}
)

// fewSpans is the number of spans up to which they are compared one by one.
const fewSpans = 3

// bind makes the test of a condition for a segment.
func (c *condition) bind(p *part) (*test, error) {
	switch c.operation {
	case never:
		return neverTest, nil
	case always:
		return alwaysTest, nil
	case allOf, anyOf:
		return c.bindOperands(p)
	case onText:
		return constant(c.matchText(p)), nil
	case onVerdict:
		return c.bindVerdict(p), nil
	case onService:
		return c.bindService(p), nil
	case onVersion:
		spans := []span{}
		if c.term.MatchVersion(flow.IPv4) {
			spans = append(spans, span{0, p.ipv4})
		}
		if c.term.MatchVersion(flow.IPv6) {
			spans = append(spans, span{p.ipv4, p.codes})
		}
		return p.codeTest(onSource, spans), nil
	}
	spans, err := p.find(c)
	if err != nil {
		return nil, err
	}
	if c.negated {
		spans = complement(spans, p.codes)
	}
	t := p.codeTest(c.operation, spans)
	if !c.plain && t.operation != never {
		if t.operation == always && p.folded() {
			t = &test{operation: c.operation, spans: spans}
		}
		t.named = p.folded()
	}
	if t.operation == onDestination {
		t.chunks, err = p.postings(t.spans)
	}
	return t, err
}

func constant(holds bool) *test {
	if holds {
		return alwaysTest
	}
	return neverTest
}

func (c *condition) matchText(p *part) bool {
	deps := &p.plan.run.engine.deps
	switch c.term.Attribute() {
	case filter.Interface:
		return c.term.MatchText(p.name)
	case filter.HostName:
		return c.term.MatchText(deps.Host)
	case filter.HostID:
		return c.term.MatchText(deps.HostID)
	}
	return c.term.MatchText(deps.Labels[c.term.Key()])
}

// bindOperands drops what is decided already.
func (c *condition) bindOperands(p *part) (*test, error) {
	neutral, final := alwaysTest, neverTest
	if c.operation == anyOf {
		neutral, final = neverTest, alwaysTest
	}
	t := &test{operation: c.operation}
	for _, operand := range c.operands {
		o, err := operand.bind(p)
		switch {
		case err != nil:
			return nil, err
		case o.operation == final.operation:
			return final, nil
		case o.operation != neutral.operation:
			t.operands = append(t.operands, o)
		}
	}
	switch len(t.operands) {
	case 0:
		return neutral, nil
	case 1:
		return t.operands[0], nil
	}
	// What costs least goes first: sources stand together, services need a look-up.
	slices.SortStableFunc(t.operands, func(a, b *test) int { return a.cost() - b.cost() })
	return t, nil
}

func (t *test) cost() int {
	return [...]int{onSource: 0, onDestination: 1, onService: 2, onVerdict: 3, allOf: 4, anyOf: 5}[t.operation]
}

func (c *condition) bindVerdict(p *part) *test {
	t := &test{operation: onVerdict}
	for v := flow.VerdictNone; v <= flow.VerdictAccepted; v++ {
		if c.term.MatchVerdict(v) {
			t.verdicts |= 1 << v
		}
	}
	const attempts = 1<<segment.Attempts | 1<<segment.Accepts | 1<<segment.Rejects
	if p.HasCounter()&attempts == 0 {
		return constant(t.verdicts&(1<<flow.VerdictNone) != 0)
	}
	return t
}

func (c *condition) bindService(p *part) *test {
	t := &test{operation: onService, single: -1, set: make([]uint64, (len(p.services)+63)/64)}
	n := 0
	for rank, s := range p.services {
		if c.services(s) {
			t.set[rank/64] |= 1 << (rank % 64)
			t.single = rank
			n++
		}
	}
	if n > 1 {
		t.single = -1
	}
	switch n {
	case 0:
		return neverTest
	case len(p.services):
		return alwaysTest
	}
	return t
}

// serviceTest makes a function of a tree on ports and protocols.
func serviceTest(n *filter.Node) func(segment.Service) bool {
	if n.Kind() == filter.Leaf {
		if t := n.Term(); t.Attribute() == filter.Port {
			return func(s segment.Service) bool { return t.MatchPort(s.Port, s.Protocol) }
		}
		return func(s segment.Service) bool { return n.Term().MatchProtocol(s.Protocol) }
	}
	var operands []func(segment.Service) bool
	for _, operand := range n.Operands() {
		operands = append(operands, serviceTest(operand))
	}
	either := n.Kind() == filter.Any
	return func(s segment.Service) bool {
		for _, holds := range operands {
			if holds(s) == either {
				return either
			}
		}
		return !either
	}
}

// complement is what spans leave of the codes.
func complement(spans []span, codes uint32) (c []span) {
	next := uint32(0)
	for _, s := range spans {
		if s.from > next {
			c = append(c, span{next, s.from})
		}
		next = s.until
	}
	if next < codes {
		c = append(c, span{next, codes})
	}
	return c
}
