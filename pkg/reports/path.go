package reports

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// NotSeen is the verdict on ends between which nothing was seen.
const NotSeen = "not seen"

// Path asks what went on between two ends: who saw which direction of it, when, how much, and with which outcome.
func Path(ctx context.Context, q Querier, question PathQuestion) (*PathAnswer, error) {
	a, err := newAsker(ctx, q, question.Scope)
	if err != nil {
		return nil, err
	}
	p := &path{asker: a, flows: map[flowKey]*pathFlow{}, facing: map[Point]*evidence{}}
	answer := &PathAnswer{A: question.A, B: question.B}
	for _, initiator := range []string{initiatorA, initiatorB} {
		source, destination := question.A, question.B
		if initiator == initiatorB {
			source, destination = destination, source
		}
		about, err := between(initiator, source, destination)
		if err != nil {
			return nil, err
		}
		result, err := a.ask(ctx, flowAttributes+labelColumns(a.scope.Labels), about)
		if err != nil {
			return nil, err
		}
		answer.Truncated = joinTruncations(answer.Truncated, truncation(result, pathCut), pathCut)
		for i := range result.Rows {
			p.add(initiator, &result.Rows[i])
		}
	}
	if err := p.orient(ctx, question); err != nil {
		return nil, err
	}
	p.answer(answer)
	answer.Coverage, answer.Result = a.coverage(), a.result
	answer.Text = answer.text()
	return answer, nil
}

const pathCut = "smaller flows between the ends are not in this answer"

// Who initiated.
const (
	initiatorA    = "a"
	initiatorB    = "b"
	initiatorBoth = "both"
)

// between is the condition that one end initiated to the other.
func between(initiator, source, destination string) (*filter.Condition, error) {
	locations := []string{"a", "b"}
	if initiator == initiatorB {
		slices.Reverse(locations)
	}
	from, err := among("sip", locations[0], source)
	if err != nil {
		return nil, err
	}
	to, err := among("dip", locations[1], destination)
	if err != nil {
		return nil, err
	}
	return filter.And(from, to), nil
}

// path is a report in the making.
type path struct {
	*asker
	flows  map[flowKey]*pathFlow
	facing map[Point]*evidence
}

// flowKey is a flow, wherever it was seen.
type flowKey struct {
	source, destination netip.Addr
	port                uint16
	protocol            flow.Protocol
}

func keyOf(row *wire.Row) flowKey {
	a := &row.Attributes
	return flowKey{a.Source, a.Destination, a.DestinationPort, a.Protocol}
}

// pathFlow is a flow, and what each point saw of it.
type pathFlow struct {
	flowKey
	initiator string
	views     map[Point]*wire.Row
}

// evidence says on which side of an interface A is: how much speaks for what it receives to be from A, and how much
// for what it sends.
type evidence struct{ received, sent uint64 }

func (p *path) add(initiator string, row *wire.Row) {
	key := keyOf(row)
	f := p.flows[key]
	if f == nil {
		f = &pathFlow{flowKey: key, initiator: initiator, views: map[Point]*wire.Row{}}
		p.flows[key] = f
	}
	if f.initiator != initiator {
		f.initiator = initiatorBoth // the ends overlap: both questions found it
	}
	f.views[pointOf(row)] = row
	p.learn(initiator, row)
}

func pointOf(row *wire.Row) Point { return Point{Host: row.Labels.Host, Iface: row.Labels.Iface} }

// oneWay says that a row has packets of one direction of the interface only.
func oneWay(c *wire.Counters) bool { return (c.PacketsReceived == 0) != (c.PacketsSent == 0) }

// mirrored says that both ends of a flow came in, or went out, by the same way, as at a port that mirrors others or in
// a trace: an attempt that was accepted was seen together with its answer.
func mirrored(c *wire.Counters) bool { return oneWay(c) && (c.Accepts > 0 || c.RoundTrips > 0) }

// oneSided says that a row has packets of one end only, as far as is known.
func oneSided(c *wire.Counters) bool { return oneWay(c) && !mirrored(c) }

// learn takes a row for evidence: where an attempt was seen and only one direction, that is the initiator's.
func (p *path) learn(initiator string, row *wire.Row) {
	c := &row.Counters
	if c.Attempts == 0 || !oneSided(c) {
		return
	}
	at := pointOf(row)
	e := p.facing[at]
	if e == nil {
		e = &evidence{}
		p.facing[at] = e
	}
	if (c.PacketsReceived > 0) == (initiator == initiatorA) {
		e.received++
	} else {
		e.sent++
	}
}

// orient looks for evidence where a view has both directions and nothing tells which is whose: unanswered attempts of
// the ends to anybody.
func (p *path) orient(ctx context.Context, question PathQuestion) error {
	missing := false
	for _, f := range p.flows {
		for at, row := range f.views {
			_, known := p.facing[at]
			missing = missing || !known && !oneSided(&row.Counters)
		}
	}
	if !missing {
		return nil
	}
	unanswered, err := filter.Parse("verdict = unanswered")
	if err != nil {
		return err
	}
	for _, end := range []struct{ initiator, text string }{{initiatorA, question.A}, {initiatorB, question.B}} {
		from, err := among("sip", end.initiator, end.text)
		if err != nil {
			return err
		}
		result, err := p.ask(ctx, "host,iface,sip", filter.And(from, unanswered))
		if err != nil {
			return err
		}
		for i := range result.Rows {
			p.learn(end.initiator, &result.Rows[i])
		}
	}
	return nil
}

// answer makes services and views of the flows.
func (p *path) answer(answer *PathAnswer) {
	services := map[Service]*serviceSum{}
	for _, f := range p.flows {
		s := Service{Port: f.port, Protocol: f.protocol, Initiator: f.initiator, Text: serviceText(f.protocol, f.port)}
		sum := services[s]
		if sum == nil {
			sum = newServiceSum(s)
			services[s] = sum
		}
		sum.add(p, f)
	}
	sums := slices.SortedFunc(maps.Values(services), func(a, b *serviceSum) int {
		return cmp.Or(cmp.Compare(b.Total.Bytes, a.Total.Bytes), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Initiator, b.Initiator))
	})
	answer.Services, answer.Views = []PathService{}, []PathView{}
	for _, sum := range sums {
		sum.finish()
		answer.Services = append(answer.Services, sum.PathService)
		answer.Views = append(answer.Views, sum.list()...)
		answer.OneSided = append(answer.OneSided, sum.sides()...)
	}
	answer.Verdict = overall(answer.Services)
}

// overall is the best verdict of any service.
func overall(services []PathService) string {
	if len(services) == 0 {
		return NotSeen
	}
	best := flow.VerdictNone
	for i := range services {
		if v, ok := flow.ParseVerdict(services[i].Verdict); ok && v > best {
			best = v
		}
	}
	return best.String()
}

// serviceText names a service: "tcp/443", "icmp echo request".
func serviceText(protocol flow.Protocol, port uint16) string {
	switch {
	case protocol == flow.ICMP || protocol == flow.ICMPv6:
		return protocol.String() + " " + flow.PortName(port, protocol)
	case port == 0 && protocol != flow.TCP && protocol != flow.UDP:
		return protocol.String()
	}
	return protocol.String() + "/" + flow.PortName(port, protocol)
}
