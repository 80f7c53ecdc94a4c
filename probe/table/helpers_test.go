package table

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// pkt makes a packet between two end points ("192.0.2.1:80", "[2001:db8::1]:80").
func pkt(t testing.TB, protocol flow.Protocol, source, destination string, flags uint8) *packet.Packet {
	t.Helper()
	return packetOf(protocol, netip.MustParseAddrPort(source), netip.MustParseAddrPort(destination), flags)
}

func packetOf(protocol flow.Protocol, source, destination netip.AddrPort, flags uint8) *packet.Packet {
	p := &packet.Packet{Protocol: protocol, SourcePort: source.Port(), DestinationPort: destination.Port()}
	p.Source, p.Family = flow.AddressFrom(source.Addr())
	p.Destination, _ = flow.AddressFrom(destination.Addr())
	switch protocol {
	case flow.TCP:
		p.HasPorts, p.HasTCP, p.TCPFlags = true, true, flags
	case flow.UDP, flow.UDPLite, flow.SCTP:
		p.HasPorts = true
	}
	return p
}

// icmp makes an ICMP message between two addresses.
func icmp(t testing.TB, source, destination string, kind, code uint8) *packet.Packet {
	t.Helper()
	p := packetOf(flow.ICMP, netip.AddrPortFrom(netip.MustParseAddr(source), 0), netip.AddrPortFrom(netip.MustParseAddr(destination), 0), 0)
	if p.Family == flow.IPv6 {
		p.Protocol = flow.ICMPv6
	}
	p.HasICMP, p.ICMPType, p.ICMPCode = true, kind, code
	return p
}

// reverse is the packet's answer on the same ports.
func reverse(p *packet.Packet, flags uint8) *packet.Packet {
	r := *p
	r.Source, r.Destination = p.Destination, p.Source
	r.SourcePort, r.DestinationPort = p.DestinationPort, p.SourcePort
	r.TCPFlags = flags
	return &r
}

func tableOf(t testing.TB, change func(*Config)) *Table {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	table := New(cfg)
	t.Cleanup(table.Close)
	return table
}

func key4(source, destination string, port uint16, protocol flow.Protocol) flow.Key {
	k := flow.Key{DestinationPort: port, Protocol: protocol}
	k.Source, k.Family = flow.AddressFrom(netip.MustParseAddr(source))
	k.Destination, _ = flow.AddressFrom(netip.MustParseAddr(destination))
	return k
}

// checkRows fails unless rows are strictly ascending and none is empty.
func checkRows(t testing.TB, rows []flow.Record) {
	t.Helper()
	for i, r := range rows {
		if r.Counters.IsZero() {
			t.Fatalf("row %d is empty: %v", i, r)
		}
		if i > 0 && rows[i-1].Key.Compare(r.Key) >= 0 {
			t.Fatalf("rows %d and %d are not in ascending order: %v, %v", i-1, i, rows[i-1].Key, r.Key)
		}
	}
}

// traffic is what the rows have but for outcomes of attempts; rows that have nothing else are left out.
func traffic(rows []flow.Record) []flow.Record {
	var all []flow.Record
	for _, r := range rows {
		c := r.Counters
		r.Counters = flow.Counters{BytesReceived: c.BytesReceived, BytesSent: c.BytesSent,
			PacketsReceived: c.PacketsReceived, PacketsSent: c.PacketsSent}
		if !r.Counters.IsZero() {
			all = append(all, r)
		}
	}
	return all
}

// checkTable fails unless entries and open attempts belong together, one to one and in the order of their age.
func checkTable(t testing.TB, table *Table) {
	t.Helper()
	waiting := 0
	for id := range table.slab.used {
		e := table.slab.at(id)
		open := e.stage == stageWaiting || e.stage == stageTiming
		if open != (e.attempt != 0) || open && table.attempts.at(e.attempt).conversation != id {
			t.Fatalf("conversation %d is in stage %d with attempt %d", id, e.stage, e.attempt)
		}
		if open {
			waiting++
		}
	}
	before, n := uint32(0), 0
	for number := table.attempts.oldest; number != 0; n++ {
		a := table.attempts.at(number)
		if a.before != before {
			t.Fatalf("attempt %d comes after %d and says after %d", number, before, a.before)
		}
		before, number = number, a.after
	}
	if n != waiting || n != table.attempts.length || table.attempts.newest != before {
		t.Fatalf("%d attempts in a row, %d counted, %d of conversations; newest %d, last %d",
			n, table.attempts.length, waiting, table.attempts.newest, before)
	}
}

func sum(rows []flow.Record) (total flow.Counters) {
	for _, r := range rows {
		total.Add(r.Counters)
	}
	return total
}

// benchTable makes a table that knows n conversations, and packets of them: two of three TCP, one of four IPv6,
// both directions, some talking more than others.
func benchTable(tb testing.TB, n int) (*Table, []packet.Packet) {
	tb.Helper()
	table := tableOf(tb, nil)
	random := rand.New(rand.NewPCG(1, 2))
	conversations := make([]packet.Packet, n)
	for i := range conversations {
		p := &conversations[i]
		p.Family, p.Protocol, p.HasPorts = flow.IPv4, flow.UDP, true
		binary.BigEndian.PutUint32(p.Source[:], 0x0a000000|random.Uint32N(1<<16))
		binary.BigEndian.PutUint32(p.Destination[:], random.Uint32())
		p.SourcePort, p.DestinationPort = uint16(32768+random.IntN(28000)), 53
		if i%3 != 0 {
			p.Protocol, p.HasTCP, p.TCPFlags, p.DestinationPort = flow.TCP, true, packet.ACK, 443
		}
		if i%4 == 0 {
			p.Family = flow.IPv6
			binary.BigEndian.PutUint64(p.Source[8:], random.Uint64())
		}
		table.Add(p, 100, true, 1)
	}
	packets := make([]packet.Packet, benchPackets)
	for i := range packets {
		at := int(float64(n) * random.Float64() * random.Float64())
		packets[i] = conversations[at]
		if random.IntN(2) == 0 {
			packets[i] = *reverse(&conversations[at], conversations[at].TCPFlags)
		}
	}
	return table, packets
}

// benchPackets is small, so that the packets stay in the cache as the one decoded last does in the meter.
const benchPackets = 1 << 11
