package reports

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// noon is 2026-11-21T12:00:00Z, an interval end.
const noon = int64(1795262400)

func now() time.Time { return time.Unix(noon+100, 0).UTC() }

func moment(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// place is a point as it truly is: what it sees of packets between the two sides of the network, and on which side of
// its interface the first side is.
type place struct {
	Point
	facing      bool // it receives what comes from the first side
	forth, back bool // it sees what goes from the first side to the second, and back
}

// truth is a flow as it truly is, in one interval.
type truth struct {
	source, destination netip.Addr
	first               bool // the first side initiated
	port                uint16
	protocol            flow.Protocol
	stamp               int64
	asked, answered     Amount // by the initiator, by the responder
	attempts, rejects   uint64 // accepted are the others, if there is an answer
}

// accepts are the attempts that were answered.
func (t *truth) accepts() uint64 {
	if t.answered.Packets == 0 {
		return 0
	}
	return t.attempts - t.rejects
}

// counters is what a place counts of a flow; nothing where it sees none of it.
func (p *place) counters(t *truth) (c flow.Counters) {
	asked, answered := t.asked, t.answered
	seesAsked, seesAnswered := p.forth, p.back
	askedIsReceived := p.facing
	if !t.first {
		seesAsked, seesAnswered = p.back, p.forth
		askedIsReceived = !p.facing
	}
	put := func(a Amount, received bool) {
		if received {
			c.BytesReceived, c.PacketsReceived = a.Bytes, a.Packets
		} else {
			c.BytesSent, c.PacketsSent = a.Bytes, a.Packets
		}
	}
	if seesAsked {
		put(asked, askedIsReceived)
		c.Attempts = t.attempts
	}
	if seesAnswered {
		put(answered, !askedIsReceived)
	}
	if seesAsked && seesAnswered {
		c.Accepts, c.Rejects = t.accepts(), t.rejects
	}
	return c
}

// world is a fleet in memory. It answers queries in the plainest way, and satisfies Querier.
type world struct {
	t       testing.TB
	places  []place
	truths  []truth
	hosts   []string
	down    map[string]bool // do not answer
	empty   map[string]bool // have no data
	from    map[string]int64
	company map[string]string // by host
	queries []*wire.Query
}

func (w *world) Query(_ context.Context, q *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
	w.queries = append(w.queries, q)
	merger := wire.NewMerger(q)
	if q.Matcher.HasGroup() {
		merger.ApplyGroupTerms()
	}
	part := &wire.Result{Rows: []wire.Row{}, Summary: wire.Summary{DataAvailable: true, TimeFirst: moment(q.First - 300), TimeLast: moment(noon)}}
	for i := range w.truths {
		for k := range w.places {
			w.row(q, &w.truths[i], &w.places[k], part)
		}
	}
	merger.Add(part)
	result := merger.Result()
	result.HostsStatuses = map[string]wire.Status{}
	for _, host := range w.hosts {
		switch {
		case w.down[host]:
			result.HostsStatuses[host] = wire.Status{Code: wire.CodeError, State: wire.StateTimeout, Message: "no answer within 5s"}
		case w.empty[host]:
			result.HostsStatuses[host] = wire.Status{Code: wire.CodeMissingData, State: wire.StateNoData, Message: "no data"}
		default:
			result.HostsStatuses[host] = wire.Status{Code: wire.CodeOK, State: wire.StateOK, First: moment(max(w.from[host], q.First-300)), Last: moment(noon)}
		}
	}
	return result, nil
}

func (w *world) row(q *wire.Query, t *truth, p *place, part *wire.Result) {
	c := p.counters(t)
	if c == (flow.Counters{}) || w.down[p.Host] || w.empty[p.Host] || t.stamp < q.First || t.stamp > q.Last {
		return
	}
	key := flow.Key{DestinationPort: t.port, Protocol: t.protocol}
	key.Source, key.Family = flow.AddressFrom(t.source)
	key.Destination, _ = flow.AddressFrom(t.destination)
	if !q.Matcher.Row(&filter.Row{Key: key, Counters: c, Interface: p.Iface, Host: p.Host}) {
		return
	}
	row := wire.Row{Counters: wire.CountersFrom(c), FirstSeen: moment(t.stamp), LastSeen: moment(t.stamp), Labels: wire.Labels{Host: p.Host, Iface: p.Iface}}
	row.Labels.HostLabels = wire.HostLabelsFrom(map[string]string{"company": w.company[p.Host]}).Only(q.LabelNames())
	a := &row.Attributes
	if q.Has("sip") {
		a.Source = t.source
	}
	if q.Has("dip") {
		a.Destination = t.destination
	}
	if q.Has("dport") {
		a.DestinationPort = t.port
	}
	if q.Has("proto") {
		a.Protocol = t.protocol
	}
	part.Rows = append(part.Rows, row)
}

// randomPlaces are some interfaces of some hosts.
func randomPlaces(r *rand.Rand) (places []place, hosts []string) {
	for h := range 1 + r.IntN(5) {
		host := fmt.Sprintf("r%d", h+1)
		hosts = append(hosts, host)
		for i := range 1 + r.IntN(2) {
			p := place{Point: Point{Host: host, Iface: fmt.Sprintf("eth%d", i)}, facing: r.IntN(2) == 0, forth: true, back: true}
			switch r.IntN(4) {
			case 0:
				p.forth = false
			case 1:
				p.back = false
			}
			places = append(places, p)
		}
	}
	return places, hosts
}

// randomTruths are flows between 10.1.0.0/24, the first side, and 10.2.0.0/24.
func randomTruths(r *rand.Rand, n int) (list []truth) {
	known := map[string]bool{}
	for range n {
		a := netip.AddrFrom4([4]byte{10, 1, 0, byte(1 + r.IntN(4))})
		b := netip.AddrFrom4([4]byte{10, 2, 0, byte(1 + r.IntN(4))})
		t := truth{source: a, destination: b, first: true, port: uint16(20 + r.IntN(3)), protocol: flow.TCP, stamp: noon - 300*r.Int64N(40)}
		if r.IntN(3) == 0 {
			t.source, t.destination, t.first = b, a, false
		}
		if r.IntN(4) == 0 {
			t.protocol = flow.UDP
		}
		t.asked = Amount{Bytes: 60 + r.Uint64N(5000), Packets: 1 + r.Uint64N(40)}
		t.attempts = 1 + r.Uint64N(3)
		switch r.IntN(4) {
		case 0: // nobody answers
		case 1:
			t.rejects = t.attempts
			t.answered = Amount{Bytes: 40 * t.rejects, Packets: t.rejects}
		default:
			t.answered = Amount{Bytes: 200 + r.Uint64N(90000), Packets: t.attempts*2 + r.Uint64N(60)}
		}
		if key := fmt.Sprint(t.source, t.destination, t.port, t.protocol, t.stamp); !known[key] {
			known[key] = true
			list = append(list, t)
		}
	}
	return list
}

func randomWorld(t testing.TB, r *rand.Rand) *world {
	w := &world{t: t, down: map[string]bool{}, empty: map[string]bool{}, from: map[string]int64{}}
	w.places, w.hosts = randomPlaces(r)
	w.truths = randomTruths(r, r.IntN(60))
	return w
}

func address(text string) netip.Addr { return netip.MustParseAddr(text) }
