package planted

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// point is an interface of a host.
type point struct{ host, iface string }

// builder collects the rows of all points.
type builder struct {
	cfg       Config
	intervals int
	last      int64 // end of the last interval
	random    *rand.Rand
	rows      map[point]map[int]map[flow.Key]flow.Counters // by interval
}

func newBuilder(cfg Config) *builder {
	length := int64(interval / time.Second)
	return &builder{
		cfg: cfg, intervals: cfg.Days * int(24*time.Hour/interval), last: cfg.Now.Unix() / length * length,
		random: rand.New(rand.NewPCG(7, 11)), rows: map[point]map[int]map[flow.Key]flow.Counters{},
	}
}

// end is the end of an interval; the last one has the number -1, so that plants count from the end.
func (b *builder) end(number int) time.Time {
	return time.Unix(b.last+int64(number+1)*int64(interval/time.Second), 0).UTC()
}

// block is what a point stored of an interval, by its number from the oldest on.
func (b *builder) block(rows map[int]map[flow.Key]flow.Counters, i int) (flow.Interval, []flow.Record) {
	number := i - b.intervals
	iv := flow.Interval{End: b.end(number).Unix(), Duration: interval, Boot: [16]byte{'p', 'l', 'a', 'n', 't'}, Sequence: uint64(i)}
	var records []flow.Record
	for key, counters := range rows[number] {
		records = append(records, flow.Record{Key: key, Counters: counters})
		iv.Accounting.Metered += counters.Packets()
	}
	iv.Accounting.Received = iv.Accounting.Metered
	slices.SortFunc(records, func(a, b flow.Record) int { return a.Key.Compare(b.Key) })
	return iv, records
}

// amount is of packets that go one way.
type amount struct{ bytes, packets uint64 }

// conversation is what goes on between two ends in an interval.
type conversation struct {
	source, destination string // addresses
	protocol            flow.Protocol
	port                uint16
	asked, answered     amount // by the initiator, by the responder
	attempts, rejects   uint64 // the other attempts are accepted if there is an answer
}

// hop is a point that a conversation passes.
type hop struct {
	point
	in          bool // it receives what the initiator sends
	forth, back bool // it sees what the initiator sends, what the responder sends
}

// through are the hops through a router from its network, outward, or inward.
func through(host string, outward, forth, back bool) []hop {
	inner, outer := hop{point{host, lan}, outward, forth, back}, hop{point{host, wan}, !outward, forth, back}
	if outward {
		return []hop{inner, outer}
	}
	return []hop{outer, inner}
}

// at is one hop that sees both directions.
func at(host, iface string, in bool) []hop { return []hop{{point{host, iface}, in, true, true}} }

// add books a conversation in an interval at all hops.
func (b *builder) add(number int, c *conversation, hops ...[]hop) {
	key := flow.Key{DestinationPort: c.port, Protocol: c.protocol}
	key.Source, key.Family = flow.AddressFrom(netip.MustParseAddr(c.source))
	key.Destination, _ = flow.AddressFrom(netip.MustParseAddr(c.destination))
	for _, path := range hops {
		for _, h := range path {
			counters := c.counters(h)
			if counters.IsZero() {
				continue
			}
			if b.rows[h.point] == nil {
				b.rows[h.point] = map[int]map[flow.Key]flow.Counters{}
			}
			if b.rows[h.point][number] == nil {
				b.rows[h.point][number] = map[flow.Key]flow.Counters{}
			}
			sum := b.rows[h.point][number][key]
			sum.Add(counters)
			b.rows[h.point][number][key] = sum
		}
	}
}

// counters is what a hop counts, as the flow table does: attempts with the initiator's packets, their outcome with both.
func (c *conversation) counters(h hop) (n flow.Counters) {
	put := func(a amount, received bool) {
		if received {
			n.BytesReceived, n.PacketsReceived = a.bytes, a.packets
		} else {
			n.BytesSent, n.PacketsSent = a.bytes, a.packets
		}
	}
	if h.forth {
		put(c.asked, h.in)
		n.Attempts = c.attempts
	}
	if h.back {
		put(c.answered, !h.in)
	}
	if h.forth && h.back && c.answered.packets > 0 {
		n.Rejects = c.rejects
		n.Accepts = c.attempts - c.rejects
		n.RoundTrips = n.Accepts
		n.RoundTripNanoseconds = n.Accepts * uint64(12*time.Millisecond)
	}
	return n
}

// everyday makes the traffic that is always there: each site's machines talk to servers on the Internet and look up
// names, the database is asked.
func (b *builder) everyday() {
	for i := range b.intervals {
		number := i - b.intervals
		for host, net := range map[string]string{zurich1: "10.10.5.", zurich2: "10.10.6.", berlin: "10.20.5.", newYork: "10.40.5."} {
			out := through(host, true, true, true)
			r := rand.New(rand.NewPCG(uint64(i), uint64(net[4]))) // hosts come in any order
			web := conversation{source: net + octet(r, 30), destination: "192.0.2." + octet(r, 60), protocol: flow.TCP, port: 443,
				asked: amount{20_000 + r.Uint64N(40_000), 100}, answered: amount{400_000 + r.Uint64N(900_000), 600}, attempts: 3}
			b.add(number, &web, out)
			names := conversation{source: net + octet(r, 30), destination: "192.0.2.53", protocol: flow.UDP, port: 53,
				asked: amount{900, 10}, answered: amount{2_400, 10}, attempts: 10}
			b.add(number, &names, out)
			if i%12 == 0 {
				six := conversation{source: "2001:db8:" + net[3:5] + "::" + octet(r, 30), destination: "2001:db8:ffff::" + octet(r, 30), protocol: flow.TCP, port: 443,
					asked: amount{9_000, 40}, answered: amount{120_000, 90}, attempts: 1}
				b.add(number, &six, out)
			}
		}
		sql := conversation{source: "10.40.5." + octet(b.random, 9), destination: "10.40.0.9", protocol: flow.TCP, port: 5432,
			asked: amount{30_000, 150}, answered: amount{250_000, 220}, attempts: 2}
		b.add(number, &sql, at(database, ethernet, true))
	}
}

func octet(r *rand.Rand, most int) string {
	n := 1 + r.IntN(most)
	const digits = "0123456789"
	if n < 10 {
		return digits[n : n+1]
	}
	return digits[n/10:n/10+1] + digits[n%10:n%10+1]
}
