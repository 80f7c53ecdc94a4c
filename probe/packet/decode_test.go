package packet

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
)

func exact(data []byte) []byte { return slices.Clip(data) }

func address(a netip.Addr) flow.Address {
	b, _ := flow.AddressFrom(a)
	return b
}

// want4 and want6 are what the frames of the helpers decode to, with the fields that edit sets.
func want4(protocol flow.Protocol, network, length uint32, edit func(*Packet)) Packet {
	p := Packet{Family: flow.IPv4, Source: address(client4), Destination: address(server4), Protocol: protocol,
		NetworkOffset: network, TransportOffset: network + 20, IPLength: length}
	if edit != nil {
		edit(&p)
	}
	return p
}

func want6(protocol flow.Protocol, network, length uint32, edit func(*Packet)) Packet {
	p := Packet{Family: flow.IPv6, Source: address(client6), Destination: address(server6), Protocol: protocol,
		NetworkOffset: network, TransportOffset: network + 40, IPLength: length}
	if edit != nil {
		edit(&p)
	}
	return p
}

func ports(source, destination uint16) func(*Packet) {
	return func(p *Packet) { p.HasPorts, p.SourcePort, p.DestinationPort = true, source, destination }
}

func tcpFields(flags uint8) func(*Packet) {
	return func(p *Packet) {
		ports(40000, 443)(p)
		p.HasTCP, p.TCPFlags, p.Sequence, p.Acknowledgement = true, flags, 0x01020304, 0x05060708
	}
}

type golden struct {
	name   string
	link   Link
	data   []byte
	length uint32 // 0: len(data)
	want   Packet
}

func check(t *testing.T, tests []golden) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			length := max(test.length, uint32(len(test.data)))
			got := Packet{SourcePort: 99, Quoted: true} // must be overwritten
			if issue := Decode(test.link, exact(test.data), length, &got); issue != flow.IssueNone {
				t.Fatalf("issue %v", issue)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeLinks(t *testing.T) {
	v4 := ip4(flow.UDP, udp(40000, 53))
	v6 := ip6(byte(flow.UDP), udp(40000, 53))
	at4 := func(offset uint32) Packet { return want4(flow.UDP, offset, 28, ports(40000, 53)) }
	at6 := func(offset uint32) Packet { return want6(flow.UDP, offset, 48, ports(40000, 53)) }
	tagged := func(p Packet, tags uint8, vlan ...uint16) Packet {
		p.Tags = tags
		copy(p.VLAN[:], vlan)
		return p
	}
	sll := func(etherType uint16) []byte { return join(make([]byte, 14), be16(etherType)) }
	sll2 := func(etherType uint16) []byte { return join(be16(etherType), make([]byte, 18)) }
	pppoeHeader := []byte{0x11, 0, 0, 1, 0, 30}
	check(t, []golden{
		{name: "ethernet ipv4", link: LinkEthernet, data: ethernet(0x0800, v4), want: at4(14)},
		{name: "ethernet ipv6", link: LinkEthernet, data: ethernet(0x86dd, v6), want: at6(14)},
		{name: "ethernet padded", link: LinkEthernet, data: ethernet(0x0800, v4, make([]byte, 18)), want: at4(14)},
		{name: "802.1Q", link: LinkEthernet, data: ethernet(0x8100, vlan(100, 0x0800), v4), want: tagged(at4(18), 1, 100)},
		{name: "802.1Q priority tag", link: LinkEthernet, data: ethernet(0x8100, vlan(0xe000, 0x86dd), v6), want: at6(18)},
		{name: "802.1Q with priority", link: LinkEthernet, data: ethernet(0x8100, vlan(0xf064, 0x0800), v4), want: tagged(at4(18), 1, 100)},
		{name: "priority tag around VLAN", link: LinkEthernet, data: ethernet(0x88a8, vlan(0, 0x8100), vlan(7, 0x0800), v4), want: tagged(at4(22), 1, 7)},
		{name: "QinQ", link: LinkEthernet, data: ethernet(0x8100, vlan(1, 0x8100), vlan(2, 0x0800), v4), want: tagged(at4(22), 2, 1, 2)},
		{name: "802.1ad", link: LinkEthernet, data: ethernet(0x88a8, vlan(1, 0x8100), vlan(2, 0x86dd), v6), want: tagged(at6(22), 2, 1, 2)},
		{name: "old QinQ", link: LinkEthernet, data: ethernet(0x9100, vlan(1, 0x9200), vlan(2, 0x8100), vlan(3, 0x0800), v4), want: tagged(at4(26), 3, 1, 2)},
		{name: "MPLS", link: LinkEthernet, data: ethernet(0x8847, label(17, true), v4), want: at4(18)},
		{name: "MPLS stack in VLAN", link: LinkEthernet, data: ethernet(0x8100, vlan(5, 0x8847), label(17, false), label(2, true), v6), want: tagged(at6(26), 1, 5)},
		{name: "MPLS upstream", link: LinkEthernet, data: ethernet(0x8848, label(17, true), v4), want: at4(18)},
		{name: "PPPoE", link: LinkEthernet, data: ethernet(0x8864, pppoeHeader, be16(0x0021), v4), want: at4(22)},
		{name: "PPPoE in VLAN", link: LinkEthernet, data: ethernet(0x8100, vlan(7, 0x8864), pppoeHeader, be16(0x0057), v6), want: tagged(at6(26), 1, 7)},
		{name: "PPPoE alone", link: LinkPPPoE, data: join(pppoeHeader, be16(0x0021), v4), want: at4(8)},
		{name: "802.3 SNAP", link: LinkEthernet, data: ethernet(36, []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, v4), want: at4(22)},
		{name: "raw ipv4", link: LinkRawIP, data: v4, want: at4(0)},
		{name: "raw ipv6", link: LinkRawIP, data: v6, want: at6(0)},
		{name: "null little endian", link: LinkNull, data: join([]byte{2, 0, 0, 0}, v4), want: at4(4)},
		{name: "null big endian", link: LinkNull, data: join([]byte{0, 0, 0, 30}, v6), want: at6(4)},
		{name: "null freebsd ipv6", link: LinkNull, data: join([]byte{28, 0, 0, 0}, v6), want: at6(4)},
		{name: "SLL", link: LinkSLL, data: join(sll(0x0800), v4), want: at4(16)},
		{name: "SLL VLAN", link: LinkSLL, data: join(sll(0x8100), vlan(9, 0x86dd), v6), want: tagged(at6(20), 1, 9)},
		{name: "SLL2", link: LinkSLL2, data: join(sll2(0x86dd), v6), want: at6(20)},
		{name: "PPP", link: LinkPPP, data: join([]byte{0xff, 3}, be16(0x0021), v4), want: at4(4)},
		{name: "PPP without address", link: LinkPPP, data: join(be16(0x0057), v6), want: at6(2)},
		{name: "PPP compressed", link: LinkPPP, data: join([]byte{0x21}, v4), want: at4(1)},
		{name: "PPP MPLS", link: LinkPPP, data: join(be16(0x0281), label(3, true), v4), want: at4(6)},
		{name: "cisco HDLC", link: LinkHDLC, data: join([]byte{0x0f, 0}, be16(0x0800), v4), want: at4(4)},
	})
}

func TestDecodeTransport(t *testing.T) {
	raw := func(name string, data []byte, want Packet) golden {
		return golden{name: name, link: LinkRawIP, data: data, want: want}
	}
	icmpFields := func(kind, code uint8) func(*Packet) {
		return func(p *Packet) { p.HasICMP, p.ICMPType, p.ICMPCode = true, kind, code }
	}
	check(t, []golden{
		raw("tcp syn", ip4(flow.TCP, tcp(40000, 443, SYN)), want4(flow.TCP, 0, 40, tcpFields(SYN))),
		raw("tcp6 syn ack", ip6(6, tcp(40000, 443, SYN|ACK)), want6(flow.TCP, 0, 60, tcpFields(SYN|ACK))),
		raw("tcp ports only", ip4(flow.TCP, tcp(40000, 443, SYN)[:13]), want4(flow.TCP, 0, 33, ports(40000, 443))),
		raw("tcp cut before ports", ip4(flow.TCP, tcp(40000, 443, SYN)[:3]), want4(flow.TCP, 0, 23, nil)),
		raw("tcp without anything", ip4(flow.TCP, nil), want4(flow.TCP, 0, 20, nil)),
		raw("udp-lite", ip4(flow.UDPLite, udp(1, 2)), want4(flow.UDPLite, 0, 28, ports(1, 2))),
		raw("sctp", ip6(132, join(udp(1, 2), make([]byte, 4))), want6(flow.SCTP, 0, 52, ports(1, 2))),
		raw("icmp echo", ip4(flow.ICMP, icmp(8, 0)), want4(flow.ICMP, 0, 28, icmpFields(8, 0))),
		raw("icmpv6 neighbour", ip6(58, icmp(135, 0)), want6(flow.ICMPv6, 0, 48, icmpFields(135, 0))),
		raw("icmpv6 in ipv4", ip4(flow.ICMPv6, icmp(135, 0)), want4(flow.ICMPv6, 0, 28, nil)),
		raw("icmp in ipv6", ip6(1, icmp(8, 0)), want6(flow.ICMP, 0, 48, nil)),
		raw("gre", ip4(47, make([]byte, 8)), want4(47, 0, 28, nil)),
		raw("ip in ip", ip4(4, ip4(flow.UDP, udp(1, 2))), want4(4, 0, 48, nil)),
		raw("6in4", ip4(41, ip6(17, udp(1, 2))), want4(41, 0, 68, nil)),
		raw("esp", ip6(50, make([]byte, 16)), want6(50, 0, 56, nil)),
		raw("ah", ip6(51, make([]byte, 24)), want6(51, 0, 64, nil)),
		raw("no next header", ip6(59, nil), want6(59, 0, 40, nil)),
		raw("igmp", ip4(2, make([]byte, 8)), want4(2, 0, 28, nil)),
		raw("padding is no port", join(ip4(flow.UDP, nil), make([]byte, 26)), want4(flow.UDP, 0, 20, nil)),
	})
}

func TestDecodeIPv4(t *testing.T) {
	options := join(ip4(flow.UDP, nil, set16(2, 60+8), func(h []byte) { h[0] = 0x4f }), make([]byte, 40), udp(1, 2))
	segment := join(ip4(flow.TCP, tcp(40000, 443, ACK), set16(2, 0)), make([]byte, 70000))
	check(t, []golden{
		{name: "options", link: LinkRawIP, data: options, want: want4(flow.UDP, 0, 68, func(p *Packet) {
			p.TransportOffset = 60
			ports(1, 2)(p)
		})},
		{name: "total length 0", link: LinkEthernet, data: ethernet(0x0800, segment), want: want4(flow.TCP, 14, uint32(len(segment)), tcpFields(ACK))},
		{name: "total length 0, snapped", link: LinkEthernet, data: ethernet(0x0800, segment)[:96], length: 14 + uint32(len(segment)),
			want: want4(flow.TCP, 14, uint32(len(segment)), tcpFields(ACK))},
		{name: "do not fragment", link: LinkRawIP, data: ip4(flow.UDP, udp(1, 2), set16(6, 0x4000)), want: want4(flow.UDP, 0, 28, ports(1, 2))},
		{name: "first fragment", link: LinkRawIP, data: ip4(flow.UDP, udp(1, 2), set16(6, 0x2000)), want: want4(flow.UDP, 0, 28, func(p *Packet) {
			ports(1, 2)(p)
			p.FirstFragment, p.MoreFragments, p.FragmentID = true, true, 0x1234
		})},
		{name: "later fragment", link: LinkRawIP, data: ip4(flow.UDP, udp(1, 2), set16(6, 0x2001)), want: want4(flow.UDP, 0, 28, func(p *Packet) {
			p.Fragment, p.MoreFragments, p.FragmentOffset, p.FragmentID = true, true, 8, 0x1234
		})},
		{name: "last fragment", link: LinkRawIP, data: ip4(flow.TCP, tcp(1, 2, SYN), set16(6, 0x00b9)), want: want4(flow.TCP, 0, 40, func(p *Packet) {
			p.Fragment, p.FragmentOffset, p.FragmentID = true, 0xb9*8, 0x1234
		})},
		{name: "longer than the frame", link: LinkRawIP, data: ip4(flow.UDP, udp(1, 2), set16(2, 1500)), want: want4(flow.UDP, 0, 1500, ports(1, 2))},
	})
}

func TestDecodeIPv6(t *testing.T) {
	transport := func(offset uint32, f func(*Packet)) func(*Packet) {
		return func(p *Packet) {
			p.TransportOffset = offset
			if f != nil {
				f(p)
			}
		}
	}
	raw := func(name string, data []byte, want Packet) golden {
		return golden{name: name, link: LinkRawIP, data: data, want: want}
	}
	chain := join(extension(routing, 0), extension(destination, 2), extension(fragment, 0), fragment6(17, 0, false, 7), udp(1, 2))
	long := []byte{}
	for range maxExtensions - 1 {
		long = join(long, extension(destination, 0))
	}
	long = join(long, extension(17, 0), udp(1, 2))
	jumbo := join([]byte{6, 0, 0xc2, 4}, be32(70028), tcp(40000, 443, ACK), make([]byte, 70000))
	check(t, []golden{
		raw("hop by hop", ip6(hopByHop, join(extension(58, 0), icmp(143, 0))), want6(flow.ICMPv6, 0, 56, transport(48, func(p *Packet) {
			p.HasICMP, p.ICMPType = true, 143
		}))),
		raw("chain with atomic fragment", ip6(hopByHop, chain), want6(flow.UDP, 0, 40+48+8, transport(40+48, ports(1, 2)))),
		raw("longest chain", ip6(destination, long), want6(flow.UDP, 0, 40+8*maxExtensions+8, transport(40+8*maxExtensions, ports(1, 2)))),
		raw("first fragment", ip6(fragment, join(fragment6(17, 0, true, 0xdeadbeef), udp(1, 2))), want6(flow.UDP, 0, 56, transport(48, func(p *Packet) {
			ports(1, 2)(p)
			p.FirstFragment, p.MoreFragments, p.FragmentID = true, true, 0xdeadbeef
		}))),
		raw("later fragment", ip6(fragment, join(fragment6(17, 1448, false, 0xdeadbeef), udp(1, 2))), want6(flow.UDP, 0, 56, transport(48, func(p *Packet) {
			p.Fragment, p.FragmentOffset, p.FragmentID = true, 1448, 0xdeadbeef
		}))),
		raw("later fragment does not go on", ip6(fragment, join(fragment6(destination, 8, true, 1), []byte{6, 255})), want6(destination, 0, 50, transport(48, func(p *Packet) {
			p.Fragment, p.MoreFragments, p.FragmentOffset, p.FragmentID = true, true, 8, 1
		}))),
		raw("jumbogram", ip6(hopByHop, jumbo, set16(4, 0)), want6(flow.TCP, 0, uint32(40+len(jumbo)), transport(48, tcpFields(ACK)))),
		raw("length 0 and padding", ip6(6, make([]byte, 6), set16(4, 0)), want6(flow.TCP, 0, 40, nil)),
		raw("length 0 without jumbo", ip6(6, join(tcp(40000, 443, ACK), make([]byte, 70000)), set16(4, 0)), want6(flow.TCP, 0, 40+20+70000, tcpFields(ACK))),
	})
}

func TestDecodeQuote(t *testing.T) {
	// The error goes from server4 to client4 in the real world; here only the inner tuple is looked at.
	quote := func(p *Packet, kind, code uint8, q Quote) {
		p.HasICMP, p.ICMPType, p.ICMPCode = true, kind, code
		p.Quoted, p.Quote = true, q
	}
	q4 := Quote{Family: flow.IPv4, Source: address(client4), Destination: address(server4), Protocol: flow.UDP,
		HasPorts: true, SourcePort: 40000, DestinationPort: 53}
	q6 := Quote{Family: flow.IPv6, Source: address(client6), Destination: address(server6), Protocol: flow.TCP,
		HasPorts: true, SourcePort: 40000, DestinationPort: 443}
	echo := Quote{Family: flow.IPv4, Source: address(client4), Destination: address(server4), Protocol: flow.ICMP, HasICMP: true, ICMPType: 8}
	later := q4
	later.HasPorts, later.SourcePort, later.DestinationPort = false, 0, 0
	inner := ip4(flow.UDP, udp(40000, 53), set16(2, 1500))
	tests := []golden{
		{name: "port unreachable", data: ip4(flow.ICMP, icmp(3, 3, inner)), want: want4(flow.ICMP, 0, 56, func(p *Packet) { quote(p, 3, 3, q4) })},
		{name: "time exceeded", data: ip4(flow.ICMP, icmp(11, 0, inner)), want: want4(flow.ICMP, 0, 56, func(p *Packet) { quote(p, 11, 0, q4) })},
		{name: "quoted echo", data: ip4(flow.ICMP, icmp(3, 1, ip4(flow.ICMP, icmp(8, 0)))), want: want4(flow.ICMP, 0, 56, func(p *Packet) { quote(p, 3, 1, echo) })},
		{name: "quoted later fragment", data: ip4(flow.ICMP, icmp(11, 1, ip4(flow.UDP, udp(40000, 53), set16(6, 100)))),
			want: want4(flow.ICMP, 0, 56, func(p *Packet) { quote(p, 11, 1, later) })},
		{name: "ipv6 prohibited", data: ip6(58, icmp(1, 1, ip6(destination, join(extension(6, 0), tcp(40000, 443, SYN))))),
			want: want6(flow.ICMPv6, 0, 40+8+40+8+20, func(p *Packet) { quote(p, 1, 1, q6) })},
		{name: "quoted error is not followed", data: ip4(flow.ICMP, icmp(3, 1, ip4(flow.ICMP, icmp(3, 3, inner)))),
			want: want4(flow.ICMP, 0, 84, func(p *Packet) {
				q := echo
				q.ICMPType, q.ICMPCode = 3, 3
				quote(p, 3, 1, q)
			})},
		{name: "echo quotes nothing", data: ip4(flow.ICMP, icmp(8, 0, inner)), want: want4(flow.ICMP, 0, 56, func(p *Packet) { p.HasICMP, p.ICMPType = true, 8 })},
		{name: "nonsense quote", data: ip4(flow.ICMP, icmp(3, 3, []byte{0x41, 2, 3, 4})), want: want4(flow.ICMP, 0, 32, func(p *Packet) { p.HasICMP, p.ICMPType, p.ICMPCode = true, 3, 3 })},
		{name: "no quote", data: ip4(flow.ICMP, icmp(3, 3)), want: want4(flow.ICMP, 0, 28, func(p *Packet) { p.HasICMP, p.ICMPType, p.ICMPCode = true, 3, 3 })},
	}
	for i := range tests {
		tests[i].link = LinkRawIP
	}
	check(t, tests)
}

// TestQuotingTypes holds which ICMP messages quote a packet: RFC 792 and, for ICMPv6, RFC 4443.
func TestQuotingTypes(t *testing.T) {
	for kind := range 256 {
		for family, quotes := range map[flow.Family][]int{flow.IPv4: {3, 4, 5, 11, 12}, flow.IPv6: {1, 2, 3, 4}} {
			data := ip4(flow.ICMP, icmp(byte(kind), 0, ip4(flow.UDP, udp(1, 2))))
			if family == flow.IPv6 {
				data = ip6(58, icmp(byte(kind), 0, ip6(17, udp(1, 2))))
			}
			var p Packet
			if issue := Decode(LinkRawIP, data, uint32(len(data)), &p); issue != flow.IssueNone || p.Quoted != slices.Contains(quotes, kind) {
				t.Errorf("family %d type %d: %v, quoted %v", family, kind, issue, p.Quoted)
			}
		}
	}
}
