package reports

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// hitSum is a hit in the making.
type hitSum struct {
	Hit
	addresses            map[netip.Addr]bool
	points               map[Point]bool
	companies            map[string]bool
	sides                map[Point]*[2]bool // received, sent
	initiator, responder roleSum
	atLeast              bool
}

// roleSum collects the flows of an actor on one side.
type roleSum struct {
	flows map[flowKey]*flowMost
}

// flowMost is what the points that saw most of a flow saw of it.
type flowMost struct {
	Amount
	counts flow.Counters
	system netip.Addr
}

func newHitSum(entry netip.Prefix) *hitSum {
	h := &hitSum{
		Hit: Hit{Prefix: entry}, addresses: map[netip.Addr]bool{}, points: map[Point]bool{}, companies: map[string]bool{},
		sides: map[Point]*[2]bool{},
	}
	h.initiator.flows, h.responder.flows = map[flowKey]*flowMost{}, map[flowKey]*flowMost{}
	return h
}

// addPoint books who saw the actor, and when.
func (h *hitSum) addPoint(r *role, row *wire.Row) {
	at := pointOf(row)
	h.points[at] = true
	h.addresses[r.actor(&row.Attributes)] = true
	for _, company := range row.Labels.HostLabels.All {
		h.companies[company] = true
	}
	h.FirstSeen, h.LastSeen = earlier(h.FirstSeen, row.FirstSeen), later(h.LastSeen, row.LastSeen)
	sides := h.sides[at]
	if sides == nil {
		sides = &[2]bool{}
		h.sides[at] = sides
	}
	sides[0] = sides[0] || row.Counters.PacketsReceived > 0
	sides[1] = sides[1] || row.Counters.PacketsSent > 0
}

// addFlow books a flow at a point.
func (h *hitSum) addFlow(r *role, row *wire.Row) {
	h.addPoint(r, row)
	flows := r.of(h).flows
	f := flows[keyOf(row)]
	if f == nil {
		f = &flowMost{system: r.system(&row.Attributes)}
		flows[keyOf(row)] = f
	}
	c := row.Counters.Flow()
	f.Amount = greater(f.Amount, Amount{c.Bytes(), c.Packets()})
	f.counts.Attempts = max(f.counts.Attempts, c.Attempts)
	f.counts.Accepts = max(f.counts.Accepts, c.Accepts)
	f.counts.Rejects = max(f.counts.Rejects, c.Rejects)
}

// finish makes the sums an answer.
func (h *hitSum) finish(q *ActorsQuestion) {
	h.AsInitiator, h.AsResponder = h.initiator.sum(), h.responder.sum()
	h.Total = h.AsInitiator.plus(&h.AsResponder)
	h.AtLeast = h.atLeast
	h.Points = slices.SortedFunc(maps.Keys(h.points), Point.compare)
	hosts := map[string]bool{}
	for _, at := range h.Points {
		hosts[at.Host] = true
		if sides := h.sides[at]; sides[0] != sides[1] {
			h.OneSided = append(h.OneSided, at)
		}
	}
	h.Hosts = slices.Sorted(maps.Keys(hosts))
	h.Companies = slices.Sorted(maps.Keys(h.companies))
	h.AddressCount = len(h.addresses)
	h.Addresses = firstAddresses(h.addresses)
	h.Ports, h.PortCount = h.ports(q.Ports)
	h.Systems, h.SystemCount = h.systems(q.Systems)
}

func (s *roleSum) sum() (r Role) {
	r.book(flow.Counters{})
	for _, f := range s.flows {
		r.Amount = r.Amount.plus(f.Amount)
		r.book(f.counts)
		r.Flows++
	}
	return r
}

func (r *Role) plus(o *Role) Role {
	sum := Role{Amount: r.Amount.plus(o.Amount), Flows: r.Flows + o.Flows}
	sum.book(flow.Counters{Attempts: r.Attempts + o.Attempts, Accepts: r.Accepted + o.Accepted, Rejects: r.Rejected + o.Rejected})
	return sum
}

// each visits the flows of both roles.
func (h *hitSum) each(visit func(flowKey, *flowMost)) {
	for _, s := range []*roleSum{&h.initiator, &h.responder} {
		for key, f := range s.flows {
			visit(key, f)
		}
	}
}

// ports are those with most flows, and how many there are.
func (h *hitSum) ports(most int) ([]PortCount, int) {
	counts := map[string]*PortCount{}
	h.each(func(key flowKey, f *flowMost) {
		text := serviceText(key.protocol, key.port)
		p := counts[text]
		if p == nil {
			p = &PortCount{Text: text}
			counts[text] = p
		}
		p.Flows++
		p.Bytes += f.Bytes
		p.Packets += f.Packets
	})
	list := make([]PortCount, 0, len(counts))
	for _, p := range counts {
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b PortCount) int {
		return cmp.Or(cmp.Compare(b.Flows, a.Flows), cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Text, b.Text))
	})
	return slices.Clip(list[:min(len(list), most)]), len(list)
}

// systems are the other ends with most bytes, and how many there are.
func (h *hitSum) systems(most int) ([]netip.Addr, int) {
	bytes := map[netip.Addr]uint64{}
	h.each(func(_ flowKey, f *flowMost) { bytes[f.system] += f.Bytes })
	list := slices.SortedFunc(maps.Keys(bytes), func(a, b netip.Addr) int {
		return cmp.Or(cmp.Compare(bytes[b], bytes[a]), a.Compare(b))
	})
	if list == nil {
		list = []netip.Addr{}
	}
	return slices.Clip(list[:min(len(list), most)]), len(list)
}

// say adds what the list says of the entry: labels and sources each once, the greatest confidence, the ports.
func (h *hitSum) say(entries []actors.Entry) {
	for i := range entries {
		e := &entries[i]
		h.Label, h.Source = joinText(h.Label, e.Label), joinText(h.Source, e.Source)
		h.Confidence = max(h.Confidence, int(e.Confidence))
		if e.Port > 0 || e.Protocol > 0 {
			h.ListedPorts = append(h.ListedPorts, serviceText(e.Protocol, e.Port))
		}
	}
	slices.Sort(h.ListedPorts)
	h.ListedPorts = slices.Compact(h.ListedPorts)
	for key := range h.responder.flows {
		for i := range entries {
			e := &entries[i]
			if (e.Port > 0 || e.Protocol > 0) && (e.Port == 0 || e.Port == key.port) && (e.Protocol == 0 || e.Protocol == key.protocol) {
				h.OnListedPort++
				break
			}
		}
	}
}

// joinText lists texts of which there are few, each once.
func joinText(known, text string) string {
	switch {
	case known == "" || text == "":
		return known + text
	case known == text || len(known) > maxJoined:
		return known
	}
	return fmt.Sprintf("%s, %s", known, text)
}

const maxJoined = 200
