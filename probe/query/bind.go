package query

import (
	"slices"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
)

// span is a range of codes, without until.
type span struct{ from, until uint32 }

// test is a condition bound to a segment.
type test struct {
	operation operation
	operands  []*test
	spans     []span   // of codes, sorted, disjoint: onSource, onDestination
	perChunk  []uint16 // destinations that match, by chunk; nil where that is not known
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
		return c.bindService(p)
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
		t.perChunk = p.postings(t.spans)
	}
	return t, nil
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
	slices.SortStableFunc(t.operands, func(a, b *test) int { return a.operation.cost() - b.operation.cost() })
	return t, nil
}

// cost orders operations by what they take.
func (o operation) cost() int {
	return [...]int{onText: 0, onVersion: 1, onSource: 2, onDestination: 3, onService: 4, onVerdict: 5, allOf: 6, anyOf: 7}[o]
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

func (c *condition) bindService(p *part) (*test, error) {
	services := p.ServiceCount()
	t := &test{operation: onService, single: -1, set: make([]uint64, (services+63)/64)}
	n := 0
	err := p.FindServices(func(rank uint32, s segment.Service) bool {
		if c.services(s) {
			t.set[rank/64] |= 1 << (rank % 64)
			t.single = int(rank)
			n++
		}
		return n != c.most
	})
	if err != nil {
		return nil, err
	}
	if n > 1 {
		t.single = -1
	}
	switch n {
	case 0:
		return neverTest, nil
	case services:
		return alwaysTest, nil
	}
	return t, nil
}

// onServices divides the operands of a node: those about ports and protocols alone, which are looked up as one, and the
// others.
func onServices(n *filter.Node) (services, others []*filter.Node) {
	for _, operand := range n.Operands() {
		if operand.Only(filter.Port, filter.Protocol) {
			services = append(services, operand)
		} else {
			others = append(others, operand)
		}
	}
	return services, others
}

// serviceCondition is the condition that one of the nodes holds, or all of them.
func serviceCondition(either bool, nodes []*filter.Node) *condition {
	c := &condition{operation: onService, services: joinTests(either, nodes), most: mostServices(nodes)}
	if either && len(nodes) > 1 {
		c.most = -1
	}
	return c
}

// mostServices bounds how many services nodes that must all hold can match: protocols by ports; -1: it does not say.
func mostServices(nodes []*filter.Node) int {
	protocols, ports := 1<<8, 1<<16
	bounded := false
	for _, node := range nodes {
		list := []*filter.Node{node}
		switch node.Kind() {
		case filter.Any:
			continue
		case filter.All:
			list = node.Operands()
		}
		for _, operand := range list {
			if operand.Kind() != filter.Leaf {
				continue
			}
			bounded = true
			switch t := operand.Term(); t.Attribute() {
			case filter.Protocol:
				count := 0
				for i := range 1 << 8 {
					if t.MatchProtocol(flow.Protocol(i)) {
						count++
					}
				}
				protocols = min(protocols, count)
			case filter.Port:
				ports = min(ports, max(countPorts(t, flow.TCP), countPorts(t, flow.ICMP)))
			}
		}
	}
	if !bounded {
		return -1
	}
	return protocols * ports
}

// countPorts is how many ports match a term: of ICMP, or of any other protocol.
func countPorts(t *filter.Term, p flow.Protocol) (count int) {
	for port := range 1 << 16 {
		if t.MatchPort(uint16(port), p) {
			count++
		}
	}
	return count
}

// serviceTest makes a function of a tree on ports and protocols.
func serviceTest(n *filter.Node) func(segment.Service) bool {
	if n.Kind() == filter.Leaf {
		return termTest(n.Term())
	}
	return joinTests(n.Kind() == filter.Any, n.Operands())
}

// joinTests makes a function that says whether one of the trees holds, or all of them.
func joinTests(either bool, nodes []*filter.Node) func(segment.Service) bool {
	if len(nodes) == 1 {
		return serviceTest(nodes[0])
	}
	var operands []func(segment.Service) bool
	for _, node := range nodes {
		operands = append(operands, serviceTest(node))
	}
	return func(s segment.Service) bool {
		for _, holds := range operands {
			if holds(s) == either {
				return either
			}
		}
		return !either
	}
}

// termTest looks values up that were evaluated once: segments have services by the ten thousand.
func termTest(t *filter.Term) func(segment.Service) bool {
	if t.Attribute() == filter.Protocol {
		var holds [256]bool
		for i := range holds {
			holds[i] = t.MatchProtocol(flow.Protocol(i))
		}
		return func(s segment.Service) bool { return holds[s.Protocol] }
	}
	holds := make([]uint64, 1<<16/64)
	for port := range 1 << 16 {
		if t.MatchPort(uint16(port), flow.TCP) {
			holds[port/64] |= 1 << (port % 64)
		}
	}
	return func(s segment.Service) bool {
		if s.Protocol == flow.ICMP || s.Protocol == flow.ICMPv6 {
			return t.MatchPort(s.Port, s.Protocol)
		}
		return holds[s.Port/64]>>(s.Port%64)&1 != 0
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
