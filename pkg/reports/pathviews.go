package reports

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// serviceSum collects the flows of a service.
type serviceSum struct {
	PathService
	views  map[Point]*viewSum
	unlike bool // some flow's directions could not be told apart
}

// viewSum collects what one point saw of a service.
type viewSum struct {
	PathView
	sources, destinations map[netip.Addr]bool
	unlike                bool
	forth, back, unknown  bool // what was seen: a to b, b to a, one of them
}

// maxAddresses bounds the addresses that are listed of a view.
const maxAddresses = 8

func newServiceSum(s Service) *serviceSum {
	return &serviceSum{PathService: PathService{Service: s}, views: map[Point]*viewSum{}}
}

// halves are the two directions of a flow at one point.
type halves struct {
	forth, back Amount // a to b, b to a
	known       bool
}

// add books a flow: at each point what it saw, in the service what the point saw that saw most.
func (s *serviceSum) add(p *path, f *pathFlow) {
	attempted := false
	for _, row := range f.views {
		attempted = attempted || row.Counters.Attempts > 0
	}
	var most halves
	var total Amount
	var counts flow.Counters
	most.known = true
	for at, row := range f.views {
		h := p.halves(f, at, row, attempted)
		v := s.views[at]
		if v == nil {
			v = &viewSum{PathView: PathView{Point: at, Service: s.Service}, sources: map[netip.Addr]bool{}, destinations: map[netip.Addr]bool{}}
			s.views[at] = v
		}
		v.add(f, row, h)
		most.known = most.known && h.known
		most.forth, most.back = greater(most.forth, h.forth), greater(most.back, h.back)
		c := row.Counters.Flow()
		total = greater(total, Amount{c.Bytes(), c.Packets()})
		counts.Attempts = max(counts.Attempts, c.Attempts)
		counts.Accepts = max(counts.Accepts, c.Accepts)
		counts.Rejects = max(counts.Rejects, c.Rejects)
		s.FirstSeen, s.LastSeen = earlier(s.FirstSeen, row.FirstSeen), later(s.LastSeen, row.LastSeen)
	}
	if most.known {
		total = most.forth.plus(most.back)
		if counts.Accepts+counts.Rejects == 0 && answered(f, most, counts.Attempts) {
			counts.Accepts = counts.Attempts // no one point saw attempt and answer
		}
	}
	s.unlike = s.unlike || !most.known
	s.AToB, s.BToA, s.Total = s.AToB.plus(most.forth), s.BToA.plus(most.back), s.Total.plus(total)
	s.book(counts)
}

// answered says of a flow of which no point saw both directions that the responder's side was more than a refusal of
// each attempt.
func answered(f *pathFlow, h halves, attempts uint64) bool {
	response := h.back
	if f.initiator == initiatorB {
		response = h.forth
	}
	return attempts > 0 && f.initiator != initiatorBoth && response.Packets > attempts
}

// halves tells the directions of a flow at a point apart. What is received is the initiator's where an attempt was
// seen with it alone, the responder's where others saw attempts and this point saw none, else it is as the
// interface faces the ends.
func (p *path) halves(f *pathFlow, at Point, row *wire.Row, attempted bool) halves {
	c := &row.Counters
	received, sent := Amount{c.BytesReceived, c.PacketsReceived}, Amount{c.BytesSent, c.PacketsSent}
	if f.initiator == initiatorBoth || mirrored(c) {
		return halves{}
	}
	fromInitiator, known := false, true // what is received
	e := p.facing[at]
	switch {
	case oneSided(c) && c.Attempts > 0:
		fromInitiator = c.PacketsReceived > 0
	case oneSided(c) && attempted:
		fromInitiator = c.PacketsReceived == 0
	case e != nil && e.received > 0 && e.sent == 0:
		fromInitiator = f.initiator == initiatorA
	case e != nil && e.sent > 0 && e.received == 0:
		fromInitiator = f.initiator == initiatorB
	default:
		known = false
	}
	if !known {
		return halves{}
	}
	if fromInitiator == (f.initiator == initiatorA) {
		return halves{received, sent, true}
	}
	return halves{sent, received, true}
}

func (a Amount) plus(b Amount) Amount { return Amount{a.Bytes + b.Bytes, a.Packets + b.Packets} }

func greater(a, b Amount) Amount { return Amount{max(a.Bytes, b.Bytes), max(a.Packets, b.Packets)} }

// book adds attempts and what became of them. An attempt may be counted as begun by one interval and ended by the
// next, never twice.
func (o *Outcome) book(c flow.Counters) {
	o.Attempts += c.Attempts
	o.Accepted += c.Accepts
	o.Rejected += c.Rejects
	o.Unanswered = o.Attempts - min(o.Attempts, o.Accepted+o.Rejected)
	o.Verdict = flow.Counters{Attempts: o.Attempts, Accepts: o.Accepted, Rejects: o.Rejected}.Verdict().String()
}

func (v *viewSum) add(f *pathFlow, row *wire.Row, h halves) {
	c := &row.Counters
	v.Received = v.Received.plus(Amount{c.BytesReceived, c.PacketsReceived})
	v.Sent = v.Sent.plus(Amount{c.BytesSent, c.PacketsSent})
	v.AToB, v.BToA = v.AToB.plus(h.forth), v.BToA.plus(h.back)
	v.book(c.Flow())
	for name, value := range row.Labels.HostLabels.All {
		if v.Labels == nil {
			v.Labels = map[string]string{}
		}
		v.Labels[name] = value
	}
	v.FirstSeen, v.LastSeen = earlier(v.FirstSeen, row.FirstSeen), later(v.LastSeen, row.LastSeen)
	v.Flows++
	v.sources[f.source], v.destinations[f.destination] = true, true
	v.unlike = v.unlike || !h.known
	switch {
	case !oneSided(c):
		v.forth, v.back = true, true
	case !h.known:
		v.unknown = true
	case h.forth.Packets > 0:
		v.forth = true
	default:
		v.back = true
	}
}

// finish makes the sums of a service an answer.
func (s *serviceSum) finish() {
	if s.Split = !s.unlike; s.unlike {
		s.AToB, s.BToA = Amount{}, Amount{}
	}
	s.Points = []Point{}
	for at := range s.views {
		s.Points = append(s.Points, at)
	}
	slices.SortFunc(s.Points, Point.compare)
	for _, v := range s.views {
		v.finish()
	}
}

func (v *viewSum) finish() {
	if v.Split = !v.unlike; v.unlike {
		v.AToB, v.BToA = Amount{}, Amount{}
	}
	switch {
	case v.forth && v.back:
		v.Sides = SidesBoth
	case v.unknown:
		v.Sides = SidesUnknown
	case v.forth:
		v.Sides = SidesAToB
	default:
		v.Sides = SidesBToA
	}
	v.Sources, v.Destinations = firstAddresses(v.sources), firstAddresses(v.destinations)
}

func firstAddresses(set map[netip.Addr]bool) []netip.Addr {
	list := slices.SortedFunc(maps.Keys(set), netip.Addr.Compare)
	return slices.Clip(list[:min(len(list), maxAddresses)])
}

func (p Point) compare(o Point) int {
	return cmp.Or(cmp.Compare(p.Host, o.Host), cmp.Compare(p.Iface, o.Iface))
}

func (p Point) String() string { return p.Host + " " + p.Iface }

// list are the views in the order of their points.
func (s *serviceSum) list() []PathView {
	var list []PathView
	for _, at := range s.Points {
		list = append(list, s.views[at].PathView)
	}
	return list
}

// sides says of views that lack a direction where the other one was seen.
func (s *serviceSum) sides() (list []string) {
	for _, at := range s.Points {
		v := s.views[at]
		var other Sides
		switch v.Sides {
		case SidesAToB:
			other = SidesBToA
		case SidesBToA:
			other = SidesAToB
		default:
			continue
		}
		where := s.where(func(o *viewSum) bool { return o.Sides == other || o.Sides == SidesBoth })
		switch {
		case where != "":
			list = append(list, fmt.Sprintf("%s: %s saw %s only; the other direction was seen at %s", s.Text, at, v.Sides, where))
		case s.Verdict == flow.VerdictUnanswered.String():
			continue // that nothing came back is what the verdict says
		default:
			list = append(list, fmt.Sprintf("%s: %s saw %s only; nobody saw the other direction", s.Text, at, v.Sides))
		}
	}
	return list
}

// where names the first few points of views.
func (s *serviceSum) where(of func(*viewSum) bool) string {
	var points []Point
	for _, at := range s.Points {
		if of(s.views[at]) {
			points = append(points, at)
		}
	}
	return pointsText(points)
}
