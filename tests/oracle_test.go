//go:build linux

package tests

import (
	"bytes"
	"cmp"
	wire "encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// oracle sums a trace up as gopacket sees it, by the rules of docs/METERING.md that a trace can need: it shares no
// code with the probe.
type oracle struct {
	packets, bytes     uint64
	version4, version6 uint64
	issues             map[string]uint64
	talks              map[discourse]*orientation
	heads              map[head]tuple // first fragments
}

// end is an address and a port; tuple is what a packet says of its flow, as its sender sent it.
type end struct {
	address netip.Addr
	port    uint16
}

type tuple struct {
	source, destination end
	protocol            uint8
	syn, ack            bool
	// icmp is type × 256 + code of the request that a message is, or answers; answer says that it does.
	icmp   uint16
	answer bool
}

// discourse is a conversation: both directions have the same.
type discourse struct {
	low, high end
	protocol  uint8
	asked     netip.Addr // of ICMP: who asked
}

type orientation struct {
	source, destination end
	evidence            int
	packets, bytes      uint64
}

type head struct {
	source, destination netip.Addr
	id                  uint32
	protocol            uint8
}

func readOracle(t *testing.T, path string) *oracle {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := pcapgo.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	o := &oracle{issues: map[string]uint64{}, talks: map[discourse]*orientation{}, heads: map[head]tuple{}}
	for {
		data, info, err := reader.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return o
		}
		if err != nil {
			t.Fatal(err)
		}
		o.add(gopacket.NewPacket(data, reader.LinkType(), gopacket.NoCopy), uint64(info.Length))
	}
}

func (o *oracle) add(packet gopacket.Packet, length uint64) {
	o.packets++
	at := slices.IndexFunc(packet.Layers(), func(l gopacket.Layer) bool {
		return l.LayerType() == layers.LayerTypeIPv4 || l.LayerType() == layers.LayerTypeIPv6
	})
	if at < 0 {
		reason := "not_ip"
		if failure := packet.ErrorLayer(); failure != nil && packet.Metadata().Truncated {
			reason = "truncated"
		} else if failure != nil {
			reason = "invalid_header"
		}
		o.issues[reason]++
		return
	}
	o.bytes += length
	var t tuple
	switch ip := packet.Layers()[at].(type) {
	case *layers.IPv4:
		o.version4++
		t = o.ipv4(ip, packet.Layers()[at+1:])
	case *layers.IPv6:
		o.version6++
		t = o.ipv6(ip, packet.Layers()[at+1:])
	}
	o.converse(t, length)
}

func (o *oracle) ipv4(ip *layers.IPv4, behind []gopacket.Layer) tuple {
	t := tuple{protocol: uint8(ip.Protocol)}
	t.source.address, _ = netip.AddrFromSlice(ip.SrcIP.To4())
	t.destination.address, _ = netip.AddrFromSlice(ip.DstIP.To4())
	h := head{t.source.address, t.destination.address, uint32(ip.Id), t.protocol}
	if ip.FragOffset > 0 {
		return o.later(t, h)
	}
	t.read(behind)
	if ip.Flags&layers.IPv4MoreFragments != 0 {
		o.heads[h] = t
	}
	return t
}

func (o *oracle) ipv6(ip *layers.IPv6, behind []gopacket.Layer) tuple {
	t := tuple{protocol: uint8(ip.NextHeader)}
	t.source.address, _ = netip.AddrFromSlice(ip.SrcIP)
	t.destination.address, _ = netip.AddrFromSlice(ip.DstIP)
	for i, layer := range behind {
		switch l := layer.(type) {
		case *layers.IPv6HopByHop:
			t.protocol = uint8(l.NextHeader)
			continue
		case *layers.IPv6Destination:
			t.protocol = uint8(l.NextHeader)
			continue
		case *layers.IPv6Fragment:
			t.protocol = uint8(l.NextHeader)
			h := head{t.source.address, t.destination.address, l.Identification, 0}
			if l.FragmentOffset > 0 {
				return o.later(t, h)
			}
			t.source.port, t.destination.port = wire.BigEndian.Uint16(l.Payload), wire.BigEndian.Uint16(l.Payload[2:])
			o.heads[h] = t
			return t
		}
		t.read(behind[i:])
		break
	}
	return t
}

// later is a later fragment, of the flow of the first one where that is known.
func (o *oracle) later(t tuple, h head) tuple {
	if first, known := o.heads[h]; known {
		return first
	}
	return t
}

// read takes what the transport header says, which is the first of the layers if there is one.
func (t *tuple) read(behind []gopacket.Layer) {
	if len(behind) == 0 {
		return
	}
	switch l := behind[0].(type) {
	case *layers.TCP:
		t.source.port, t.destination.port, t.syn, t.ack = uint16(l.SrcPort), uint16(l.DstPort), l.SYN, l.ACK
	case *layers.UDP:
		t.source.port, t.destination.port = uint16(l.SrcPort), uint16(l.DstPort)
	case *layers.SCTP:
		t.source.port, t.destination.port = uint16(l.SrcPort), uint16(l.DstPort)
	case *layers.ICMPv4:
		t.icmp = uint16(l.TypeCode)
		switch l.TypeCode.Type() {
		case layers.ICMPv4TypeEchoReply:
			t.icmp, t.answer = layers.ICMPv4TypeEchoRequest<<8, true
		case layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4TypeTimeExceeded, layers.ICMPv4TypeParameterProblem:
			t.answer = true // errors go back to whom they are about
		}
	case *layers.ICMPv6:
		t.icmp = uint16(l.TypeCode)
		t.answer = l.TypeCode.Type() < layers.ICMPv6TypeEchoRequest
		for request, reply := range map[uint8]uint8{128: 129, 133: 134, 135: 136} {
			if l.TypeCode.Type() == reply && !t.destination.address.IsMulticast() { // unsolicited, to a group: no answer
				t.icmp, t.answer = uint16(request)<<8, true
			}
		}
	}
}

// converse adds a packet to its conversation, and decides who began it.
func (o *oracle) converse(t tuple, length uint64) {
	from, to, evidence := t.source, t.destination, 0
	key := discourse{protocol: t.protocol}
	switch {
	case t.protocol == 1 || t.protocol == 58:
		if t.answer {
			from, to = to, from
		}
		to.port, evidence, key.asked = t.icmp, 9, from.address
	case t.syn && !t.ack:
		evidence = 9
	case t.syn:
		from, to, evidence = to, from, 8
	case to.address.IsMulticast() || to.address == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		evidence = 7
	case from.port < to.port && from.port > 0:
		from, to, evidence = to, from, 6
	case from.port > to.port:
		evidence = 6
	}
	key.low, key.high = from, to
	if compareEnds(from, to) > 0 {
		key.low, key.high = to, from
	}
	known := o.talks[key]
	if known == nil {
		known = &orientation{source: from, destination: to, evidence: evidence}
		o.talks[key] = known
	} else if evidence > known.evidence {
		known.source, known.destination, known.evidence = from, to, evidence
	}
	known.packets++
	known.bytes += length
}

func compareEnds(a, b end) int {
	if c := a.address.Compare(b.address); c != 0 {
		return c
	}
	return int(a.port) - int(b.port)
}

// flows are the conversations without their source port, and the packets and bytes of each.
func (o *oracle) flows() map[string][2]uint64 {
	flows := map[string][2]uint64{}
	for key, by := range o.talks {
		name := flowName(by.source.address.String(), by.destination.address.String(), by.destination.port, key.protocol)
		sum := flows[name]
		flows[name] = [2]uint64{sum[0] + by.packets, sum[1] + by.bytes}
	}
	return flows
}

func flowName(source, destination string, port uint16, protocol uint8) string {
	return fmt.Sprintf("%s to %s port %d protocol %d", source, destination, port, protocol)
}

// reasons are the issues as the report of a replay has them.
func (o *oracle) reasons() string {
	text := ""
	for _, reason := range slices.Sorted(maps.Keys(o.issues)) {
		text += fmt.Sprintf(", %d %s", o.issues[reason], reason)
	}
	return text
}

// row is the line of docs/TRACES.md.
func (o *oracle) row(name string) string {
	issues := cmp.Or(strings.TrimPrefix(o.reasons(), ", "), "none")
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %s |\n", name, o.packets, o.bytes, o.version4, o.version6, len(o.flows()), issues)
}

// checkFlows compares flow by flow.
func checkFlows(t *testing.T, got answer, truth *oracle) {
	t.Helper()
	flows := map[string][2]uint64{}
	for _, row := range got.Rows {
		a, c := row.Attributes, row.Counters
		flows[flowName(a.Source, a.Destination, a.Port, a.Protocol)] = [2]uint64{c.PacketsReceived + c.PacketsSent, c.BytesReceived + c.BytesSent}
	}
	want := truth.flows()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if flows[name] != want[name] {
			t.Errorf("%s: packets and bytes %d, want %d", name, flows[name], want[name])
		}
		delete(flows, name)
	}
	for name, sums := range flows {
		t.Errorf("%s: packets and bytes %d, the oracle has no such flow", name, sums)
	}
}
