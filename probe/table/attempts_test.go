package table

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// event is a packet of a conversation that is made up, and what its attempt has come to when it has been seen.
type event struct {
	at     time.Duration
	packet *packet.Packet
	books  flow.Counters
}

// fate makes up a conversation between the two end points from the given time on: its events and, where nothing
// answers in time, when that is known.
func fate(random *rand.Rand, protocol flow.Protocol, client, server netip.AddrPort, start time.Duration) (events []event, expires time.Duration) {
	at, initial := start, random.Uint32()
	say := func(fromClient bool, flags uint8, sequence, acknowledgement uint32, books flow.Counters) {
		from, to := client, server
		if !fromClient {
			from, to = to, from
		}
		p := packetOf(protocol, from, to, flags)
		p.Sequence, p.Acknowledgement = sequence, acknowledgement
		events = append(events, event{at, p, books})
		at += copyTime + time.Duration(1+random.IntN(2000))*time.Millisecond
	}
	kind, repeats := random.IntN(5), random.IntN(3)
	accepts, rejects := flow.Counters{Attempts: 1, Accepts: 1}, flow.Counters{Attempts: 1, Rejects: 1}
	for range 1 + repeats { // a retransmitted SYN, or datagrams one after the other
		say(true, packet.SYN, initial, 0, flow.Counters{})
	}
	switch kind {
	case 0: // accepted, and the conversation goes on
		say(false, packet.SYN|packet.ACK, 9, initial+1, accepts)
		var trip flow.Counters
		if repeats == 0 && protocol == flow.TCP {
			trip = flow.Counters{RoundTrips: 1, RoundTripNanoseconds: uint64(at - start)}
		}
		say(true, packet.ACK, initial+1, 10, trip)
		say(false, packet.ACK, 10, initial+1, flow.Counters{})
		say(true, packet.SYN, initial, 0, flow.Counters{}) // an old copy of it comes late
	case 1: // only the initiator is seen; a conversation without handshake does not tell that anybody is there
		if protocol == flow.TCP {
			say(true, packet.ACK, initial+1, 10, accepts)
			break
		}
		say(true, 0, 0, 0, flow.Counters{})
		return events, start + 15*time.Second
	case 2: // an ICMP error about it, from somewhere
		p := packetOf(flow.ICMP, netip.MustParseAddrPort("198.51.100.1:0"), netip.AddrPortFrom(client.Addr(), 0), 0)
		p.HasICMP, p.ICMPType, p.ICMPCode, p.Quoted = true, 3, 13, true
		quoted := events[0].packet
		p.Quote = packet.Quote{Source: quoted.Source, Destination: quoted.Destination, SourcePort: quoted.SourcePort,
			DestinationPort: quoted.DestinationPort, Protocol: protocol, Family: flow.IPv4, HasPorts: true}
		events = append(events, event{at, p, rejects})
	case 3: // RST; to others it is a packet like any other
		if protocol != flow.TCP {
			rejects = accepts
		}
		say(false, packet.RST|packet.ACK, 0, initial+1, rejects)
	default: // nothing
		return events, start + 15*time.Second
	}
	return events, 0
}

// TestAttemptsModel mixes made-up conversations, takes pictures in steps and ends intervals all the while: in every
// interval each flow must have the outcomes that became known in it, and all attempts must have one in the end.
func TestAttemptsModel(t *testing.T) {
	random := testenv.Random(t)
	table := tableOf(t, nil)
	type booking struct {
		at    time.Duration
		key   flow.Key
		books flow.Counters
	}
	var events []event
	var bookings []booking
	const conversations = 3000
	for n := range conversations {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n % 3), 1}), uint16(33000+n))
		server := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n % 5)}), 443)
		protocol := []flow.Protocol{flow.TCP, flow.UDP}[random.IntN(2)]
		of, expires := fate(random, protocol, client, server, time.Duration(random.Int64N(int64(200*time.Second))))
		key := key4(client.Addr().String(), server.Addr().String(), 443, protocol)
		for _, e := range of {
			bookings = append(bookings, booking{e.at, key, e.books})
		}
		if expires != 0 {
			bookings = append(bookings, booking{expires, key, flow.Counters{Attempts: 1}})
		}
		events = append(events, of...)
	}
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	var total flow.Counters
	var pass *Pass
	next, began := 0, time.Duration(0)
	check := func(end time.Duration) { // the interval from began to end
		want := map[flow.Key]flow.Counters{}
		for _, b := range bookings {
			if b.at >= began && b.at < end && !b.books.IsZero() {
				c := want[b.key]
				c.Add(b.books)
				want[b.key] = c
			}
		}
		got := map[flow.Key]flow.Counters{}
		for _, r := range pass.Picture().Rows(nil) {
			c := r.Counters
			c.BytesReceived, c.BytesSent, c.PacketsReceived, c.PacketsSent = 0, 0, 0, 0
			if !c.IsZero() {
				got[r.Key] = c
				total.Add(c)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("from %v to %v: %s", began, end, diff)
		}
		pass = nil
	}
	for end := 20 * time.Second; end <= 240*time.Second; end += 20 * time.Second {
		for ; next < len(events) && events[next].at < end; next++ {
			e := events[next]
			table.Expire(int64(e.at), 1+random.IntN(5))
			table.Expire(int64(e.at), 1<<30)
			table.Add(e.packet, 60, true, int64(e.at))
			if pass != nil && pass.Step(random.IntN(20)) {
				check(end - 20*time.Second)
				began = end - 20*time.Second
			}
		}
		if pass != nil {
			pass.Step(1 << 30)
			check(end - 20*time.Second)
			began = end - 20*time.Second
		}
		table.Expire(int64(end)-1, 1<<30)
		checkTable(t, table)
		pass = table.Begin(Drain)
		if random.IntN(2) == 0 {
			table.Expire(int64(end), 1<<30)
		}
	}
	pass.Step(1 << 30)
	check(240 * time.Second)
	if total.Attempts != conversations || total.Accepts == 0 || total.Rejects == 0 || total.Attempts <= total.Accepts+total.Rejects {
		t.Errorf("outcomes %+v of %d conversations", total, conversations)
	}
}
