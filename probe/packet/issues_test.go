package packet

import (
	"fmt"
	"testing"

	"github.com/weirflow/weir/pkg/flow"
)

func TestDecodeIssues(t *testing.T) {
	v4 := ip4(flow.UDP, udp(1, 2))
	labels, tags, extensions := []byte{}, []byte{}, []byte{}
	for range maxTags + 1 {
		labels = join(labels, label(1, false))
		tags = join(tags, vlan(1, 0x8100))
	}
	for range maxExtensions + 1 {
		extensions = join(extensions, extension(destination, 0))
	}
	tests := []struct {
		name string
		link Link
		data []byte
		want flow.Issue
	}{
		{"arp", LinkEthernet, ethernet(0x0806, make([]byte, 28)), flow.IssueNotIP},
		{"lldp", LinkEthernet, ethernet(0x88cc), flow.IssueNotIP},
		{"spanning tree", LinkEthernet, ethernet(38, []byte{0x42, 0x42, 3}, make([]byte, 35)), flow.IssueNotIP},
		{"empty 802.3", LinkEthernet, ethernet(0), flow.IssueNotIP},
		{"macsec", LinkEthernet, ethernet(0x88e5, make([]byte, 60)), flow.IssueUnknownLink},
		{"pseudowire", LinkEthernet, ethernet(0x8847, label(1, true), make([]byte, 60)), flow.IssueUnknownLink},
		{"pppoe discovery", LinkEthernet, ethernet(0x8864, []byte{0x11, 9, 0, 0, 0, 0}), flow.IssueNotIP},
		{"pppoe version", LinkEthernet, ethernet(0x8864, []byte{0x21, 0, 0, 0, 0, 0}), flow.IssueInvalidHeader},
		{"ppp lcp", LinkPPP, be16(0xc021), flow.IssueNotIP},
		{"null other family", LinkNull, []byte{7, 0, 0, 0, 1}, flow.IssueNotIP},
		{"raw other version", LinkRawIP, []byte{0x50}, flow.IssueNotIP},
		{"unknown link", LinkUnknown, v4, flow.IssueUnknownLink},
		{"link out of range", linkCount, v4, flow.IssueUnknownLink},
		{"fifteen bytes", LinkEthernet, ethernet(0x0800, []byte{0x45}), flow.IssueTruncated},
		{"no ip header", LinkEthernet, ethernet(0x86dd), flow.IssueTruncated},
		{"version 6 as ipv4", LinkEthernet, ethernet(0x0800, ip6(17, udp(1, 2))), flow.IssueInvalidHeader},
		{"version 4 as ipv6", LinkEthernet, ethernet(0x86dd, v4), flow.IssueInvalidHeader},
		{"header length 16", LinkRawIP, ip4(17, nil, func(h []byte) { h[0] = 0x44 }), flow.IssueInvalidHeader},
		{"header length over total", LinkRawIP, join(ip4(17, nil, func(h []byte) { h[0] = 0x4f }), make([]byte, 40)), flow.IssueInvalidHeader},
		{"options cut", LinkRawIP, ip4(17, nil, func(h []byte) { h[0] = 0x4f }, set16(2, 100)), flow.IssueTruncated},
		{"total length 19", LinkRawIP, ip4(17, nil, set16(2, 19)), flow.IssueInvalidHeader},
		{"tags", LinkEthernet, ethernet(0x8100, tags, v4), flow.IssueTooDeep},
		{"labels", LinkEthernet, ethernet(0x8847, labels, v4), flow.IssueTooDeep},
		{"extensions", LinkRawIP, ip6(destination, extensions), flow.IssueTooDeep},
		{"extension cut", LinkRawIP, ip6(destination, extension(6, 2)[:16], set16(4, 24)), flow.IssueTruncated},
		{"extension cut to a byte", LinkRawIP, ip6(destination, []byte{6}, set16(4, 24)), flow.IssueTruncated},
		{"extension over payload", LinkRawIP, ip6(destination, extension(6, 2)[:16]), flow.IssueInvalidHeader},
		{"fragment cut", LinkRawIP, ip6(fragment, make([]byte, 7), set16(4, 8)), flow.IssueTruncated},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var p Packet
			if got := Decode(test.link, exact(test.data), uint32(len(test.data)), &p); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestDecodeDepth holds that as many tags and labels as are allowed are followed.
func TestDecodeDepth(t *testing.T) {
	labels, tags := []byte{}, []byte{}
	for range maxTags - 1 {
		labels = join(labels, label(1, false))
		tags = join(tags, vlan(1, 0x8100))
	}
	for name, data := range map[string][]byte{
		"tags":            ethernet(0x8100, tags, vlan(1, 0x0800), ip4(flow.UDP, udp(1, 2))),
		"labels":          ethernet(0x8847, labels, label(1, true), ip4(flow.UDP, udp(1, 2))),
		"tags and labels": ethernet(0x8100, tags, vlan(1, 0x8847), labels, label(1, true), ip4(flow.UDP, udp(1, 2))),
	} {
		var p Packet
		if issue := Decode(LinkEthernet, data, uint32(len(data)), &p); issue != flow.IssueNone || p.DestinationPort != 2 {
			t.Errorf("%s: %v, %+v", name, issue, p)
		}
	}
}

// TestDecodeCut cuts a frame of every kind at every byte: nothing may be read behind the cut (the slice has no
// capacity left, so that would panic), and a cut in front of the end of the IP header is never metered.
func TestDecodeCut(t *testing.T) {
	inner := ip6(destination, join(extension(6, 0), tcp(1, 2, SYN)))
	frames := map[Link][]byte{
		LinkEthernet: ethernet(0x88a8, vlan(1, 0x8100), vlan(2, 0x8847), label(1, false), label(2, true), ip6(hopByHop, join(extension(58, 1), icmp(1, 0, inner)))),
		LinkPPPoE:    join([]byte{0x11, 0, 0, 1, 0, 30}, be16(0x21), ip4(flow.ICMP, icmp(3, 3, ip4(flow.TCP, tcp(1, 2, SYN))))),
		LinkRawIP:    ip4(flow.TCP, tcp(1, 2, SYN)),
		LinkNull:     join([]byte{0, 0, 0, 2}, ip4(flow.SCTP, udp(1, 2))),
		LinkSLL:      join(make([]byte, 14), be16(0x86dd), inner),
		LinkSLL2:     join(be16(0x86dd), make([]byte, 18), inner),
		LinkPPP:      join([]byte{0xff, 3, 0, 0x57}, inner),
		LinkHDLC:     join([]byte{0x0f, 0, 8, 0}, ip4(flow.UDP, udp(1, 2))),
	}
	for link, whole := range frames {
		var full Packet
		if issue := Decode(link, whole, uint32(len(whole)), &full); issue != flow.IssueNone {
			t.Fatalf("%v: %v", link, issue)
		}
		for cut := range whole {
			var p Packet
			issue := Decode(link, exact(whole[:cut:cut]), uint32(len(whole)), &p)
			metered := cut >= int(full.TransportOffset)
			if metered != (issue == flow.IssueNone) {
				t.Errorf("%v cut at %d: %v", link, cut, issue)
			} else if !metered && issue != flow.IssueTruncated && issue != flow.IssueNotIP {
				t.Errorf("%v cut at %d: %v", link, cut, issue)
			}
			if metered && (p.Source != full.Source || p.Protocol != full.Protocol) {
				t.Errorf("%v cut at %d: another packet", link, cut)
			}
		}
	}
}

func TestLinkNumbers(t *testing.T) {
	for pcap, want := range map[uint32]Link{0: LinkNull, 108: LinkNull, 1: LinkEthernet, 9: LinkPPP, 50: LinkPPP, 51: LinkPPPoE,
		12: LinkRawIP, 14: LinkRawIP, 101: LinkRawIP, 228: LinkRawIP, 229: LinkRawIP, 104: LinkHDLC, 113: LinkSLL, 276: LinkSLL2, 105: LinkUnknown} {
		if got := FromPcap(pcap); got != want {
			t.Errorf("pcap %d: %v, want %v", pcap, got, want)
		}
	}
	for hardware, want := range map[uint16]Link{1: LinkEthernet, 772: LinkEthernet, 65534: LinkRawIP, 776: LinkRawIP, 801: LinkUnknown} {
		if got := FromARPHRD(hardware); got != want {
			t.Errorf("device type %d: %v, want %v", hardware, got, want)
		}
	}
	if got := fmt.Sprint(LinkSLL2, linkCount); got != "linux cooked v2 unknown" {
		t.Error(got)
	}
}
