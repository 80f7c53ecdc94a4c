package packet

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
)

func vxlan(vni uint32, inner []byte) []byte {
	return join([]byte{8, 0, 0, 0}, be32(vni<<8), inner)
}

func geneve(vni uint32, protocol uint16, options int, inner []byte) []byte {
	return join([]byte{byte(options), 0}, be16(protocol), be32(vni<<8), make([]byte, 4*options), inner)
}

// layer is what one call of Inner finds.
type layer struct {
	Tunnel string
	Length uint32
	Issue  flow.Issue
	// Of the inner packet: what tells it from others.
	Family          flow.Family
	Protocol        flow.Protocol
	DestinationPort uint16
	VLAN            uint16
}

// tunnels follows the tunnels of a frame, MaxTunnels deep.
func tunnels(t testing.TB, link Link, data []byte) []layer {
	t.Helper()
	var p, inner Packet
	if issue := Decode(link, data, uint32(len(data)), &p); issue != flow.IssueNone {
		t.Fatal(issue)
	}
	var found []layer
	for range MaxTunnels {
		tunnel, length, issue := p.Inner(data, &inner)
		if tunnel.Kind == TunnelNone {
			return found
		}
		l := layer{Tunnel: tunnel.String(), Length: length, Issue: issue}
		if issue != flow.IssueNone {
			return append(found, l)
		}
		l.Family, l.Protocol, l.DestinationPort, l.VLAN = inner.Family, inner.Protocol, inner.DestinationPort, inner.VLAN[0]
		found = append(found, l)
		p = inner
	}
	return found
}

func TestInner(t *testing.T) {
	datagram4, datagram6 := ip4(flow.UDP, udp(40000, 53, make([]byte, 12)...)), ip6(17, udp(40000, 53, make([]byte, 12)...))
	overUDP := func(port uint16, payload []byte) []byte { return ip4(flow.UDP, udp(50000, port, payload...)) }
	plain4 := func(tunnel string, length uint32) []layer {
		return []layer{{Tunnel: tunnel, Length: length, Family: flow.IPv4, Protocol: flow.UDP, DestinationPort: 53}}
	}
	plain6 := func(tunnel string, length uint32) []layer {
		return []layer{{Tunnel: tunnel, Length: length, Family: flow.IPv6, Protocol: flow.UDP, DestinationPort: 53}}
	}
	broken := func(tunnel string, issue flow.Issue) []layer { return []layer{{Tunnel: tunnel, Issue: issue}} }
	gre := func(flags, protocol uint16, rest ...[]byte) []byte {
		return ip4(47, join(be16(flags), be16(protocol), join(rest...)))
	}
	ten := ip4(flow.UDP, udp(1, 2))
	for range 10 {
		ten = ip4(4, ten)
	}
	tests := []struct {
		name string
		data []byte
		want []layer
	}{
		{"ipip", ip4(4, datagram4), plain4("ipip", 40)},
		{"6in4", ip4(41, datagram6), plain6("6in4", 60)},
		{"4in6", ip6(4, datagram4), plain4("4in6", 40)},
		{"6in6", ip6(41, datagram6), plain6("6in6", 60)},
		{"4in6 behind the option of RFC 2473", ip6(destination, join(extension(4, 0), datagram4)), plain4("4in6", 40)},
		{"gre", gre(0, 0x0800, datagram4), plain4("gre", 40)},
		{"gre with checksum, key and sequence", gre(0xb000, 0x86dd, be32(0), be32(7), be32(1), datagram6), plain6("gre.7", 60)},
		{"gre with Ethernet", gre(0x2000, 0x6558, be32(0xffffffff), ethernet(0x8100, vlan(9, 0x0800), datagram4)),
			[]layer{{Tunnel: "gre.4294967295", Length: 58, Family: flow.IPv4, Protocol: flow.UDP, DestinationPort: 53, VLAN: 9}}},
		{"gre with MPLS", gre(0, 0x8847, label(3, true), datagram4), plain4("gre", 44)},
		{"pptp", gre(0x3081, 0x880b, be16(44), be16(5), be32(1), be32(1), []byte{0xff, 3, 0, 0x21}, datagram4), plain4("gre.5", 44)},
		{"pptp acknowledgement", gre(0x2081, 0x880b, be32(5), be32(1)), broken("gre.5", flow.IssueTruncated)},
		{"gre with routes", gre(0x4000, 0x0800, make([]byte, 8), datagram4), broken("gre", flow.IssueUnknownLink)},
		{"gre keepalive", gre(0, 0), broken("gre", flow.IssueNotIP)},
		{"gre cut", ip4(47, []byte{0x20, 0, 8, 0, 0}), broken("gre", flow.IssueTruncated)},
		{"gre cut behind the key", gre(0x3000, 0x0800, be32(7)), broken("gre.7", flow.IssueTruncated)},
		{"vxlan", overUDP(4789, vxlan(42, ethernet(0x0800, datagram4))), plain4("vxlan.42", 54)},
		{"vxlan, Linux's port", overUDP(8472, vxlan(0xffffff, ethernet(0x86dd, datagram6))), plain6("vxlan.16777215", 74)},
		{"vxlan with VLAN", overUDP(4789, vxlan(0, ethernet(0x8100, vlan(9, 0x0800), datagram4))),
			[]layer{{Tunnel: "vxlan.0", Length: 58, Family: flow.IPv4, Protocol: flow.UDP, DestinationPort: 53, VLAN: 9}}},
		{"vxlan with ARP", overUDP(4789, vxlan(42, ethernet(0x0806, make([]byte, 28)))), broken("vxlan.42", flow.IssueNotIP)},
		{"no vxlan on its port", overUDP(4789, make([]byte, 60)), nil},
		{"vxlan cut", overUDP(4789, []byte{8, 0}), broken("vxlan", flow.IssueTruncated)},
		{"geneve", overUDP(6081, geneve(42, 0x6558, 3, ethernet(0x0800, datagram4))), plain4("geneve.42", 54)},
		{"geneve with IP", overUDP(6081, geneve(1, 0x86dd, 0, datagram6)), plain6("geneve.1", 60)},
		{"geneve control", overUDP(6081, geneve(1, 0, 0, datagram6)), broken("geneve.1", flow.IssueNotIP)},
		{"geneve options cut", overUDP(6081, geneve(1, 0x0800, 5, nil)[:12]), broken("geneve.1", flow.IssueTruncated)},
		{"no geneve on its port", overUDP(6081, join([]byte{0x40}, make([]byte, 60))), nil},
		{"plain", overUDP(4790, vxlan(42, ethernet(0x0800, datagram4))), nil},
		{"esp", ip4(50, datagram4), nil},
		{"inner header broken", ip4(4, ip4(17, nil, func(h []byte) { h[0] = 0x44 })), broken("ipip", flow.IssueInvalidHeader)},
		{"nothing inside", ip4(4, nil), broken("ipip", flow.IssueTruncated)},
		{"inner packet longer than the outer", ip4(4, ip4(flow.UDP, udp(40000, 53), set16(2, 9000))), plain4("ipip", 28)},
		{"first fragment", ip4(4, ip4(flow.UDP, udp(40000, 53), set16(2, 9000)), set16(6, 0x2000)), plain4("ipip", 9000)},
		{"later fragment", ip4(4, datagram4, set16(6, 0x0001)), nil},
		{"vxlan in gre", gre(0, 0x0800, overUDP(4789, vxlan(3, ethernet(0x86dd, datagram6)))), []layer{
			{Tunnel: "gre", Length: 110, Family: flow.IPv4, Protocol: flow.UDP, DestinationPort: 4789},
			{Tunnel: "vxlan.3", Length: 74, Family: flow.IPv6, Protocol: flow.UDP, DestinationPort: 53}}},
		{"no deeper than is asked", ten, []layer{
			{Tunnel: "ipip", Length: 208, Family: flow.IPv4, Protocol: 4}, {Tunnel: "ipip", Length: 188, Family: flow.IPv4, Protocol: 4},
			{Tunnel: "ipip", Length: 168, Family: flow.IPv4, Protocol: 4}, {Tunnel: "ipip", Length: 148, Family: flow.IPv4, Protocol: 4}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for name, data := range map[string][]byte{"padded": join(test.data, make([]byte, 18)), "bare": exact(test.data)} {
				if diff := cmp.Diff(test.want, tunnels(t, LinkRawIP, data)); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		})
	}
}

// TestInnerOffsets holds that what Inner finds is placed in the outer frame.
func TestInnerOffsets(t *testing.T) {
	data := ethernet(0x0800, ip4(flow.UDP, udp(1, 4789, vxlan(1, ethernet(0x0800, ip4(flow.TCP, tcp(40000, 443, SYN))))...)))
	var p, inner Packet
	Decode(LinkEthernet, data, uint32(len(data)), &p)
	if _, _, issue := p.Inner(data, &inner); issue != flow.IssueNone {
		t.Fatal(issue)
	}
	const network = 14 + 20 + 8 + 8 + 14
	if diff := cmp.Diff(want4(flow.TCP, network, 40, tcpFields(SYN)), inner); diff != "" {
		t.Error(diff)
	}
}

// TestInnerCut cuts tunnels at every byte: nothing is read behind the cut, and a tunnel is a tunnel or cut off.
func TestInnerCut(t *testing.T) {
	for _, whole := range tunnelSeeds() {
		for cut := range whole.data {
			var p, inner Packet
			data := exact(whole.data[:cut])
			if Decode(whole.link, data, whole.length, &p) != flow.IssueNone {
				continue
			}
			if tunnel, _, issue := p.Inner(data, &inner); issue != flow.IssueNone && issue != flow.IssueTruncated {
				t.Errorf("%v cut at %d: %v", tunnel, cut, issue)
			}
		}
	}
}

func tunnelSeeds() []frame {
	inner := ethernet(0x8100, vlan(3, 0x86dd), ip6(hopByHop, join(extension(6, 0), tcp(1, 2, SYN))))
	list := []frame{
		{link: LinkRawIP, data: ip4(flow.UDP, udp(1, 4789, vxlan(77, inner)...))},
		{link: LinkRawIP, data: ip6(17, udp(1, 6081, geneve(77, 0x6558, 2, inner)...))},
		{link: LinkEthernet, data: ethernet(0x0800, ip4(47, join(be16(0xb000), be16(0x6558), make([]byte, 12), inner)))},
		{link: LinkRawIP, data: ip4(47, join(be16(0x3081), be16(0x880b), make([]byte, 12), be16(0x21), ip4(flow.UDP, udp(1, 2))))},
		{link: LinkRawIP, data: ip4(4, ip4(41, ip6(4, ip4(flow.UDP, udp(1, 2)))))},
	}
	for i := range list {
		list[i].length = uint32(len(list[i].data))
	}
	return list
}
