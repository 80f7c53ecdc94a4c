// Package packet decodes the first bytes of a frame to what the flow table needs: the outer (first) IP header's
// addresses and protocol, ports or ICMP type, the TCP fields of a handshake, and the VLANs in front of it. It is
// floor 1: pure functions over bytes, no I/O, no state but that of Fragments, which its owner holds.
//
// Invariants: Decode reads nothing outside data, whatever the bytes say; its work is bounded by constants, not by
// the packet; it allocates nothing. A frame either gives a Packet (IssueNone) or is counted by one reason.
// A packet whose IP header is whole is metered even if its transport header is cut off: ports are 0 then.
// Tunnels (GRE, IP in IP, VXLAN, Geneve) are flows of the outer header, as ESP and AH are; Inner looks into them,
// once per call, for those who ask.
package packet

import "github.com/weirflow/weir/pkg/flow"

// Packet is what Decode found. It holds no pointers into the frame, so it may outlive it.
type Packet struct {
	Source, Destination         flow.Address
	SourcePort, DestinationPort uint16 // 0 unless HasPorts
	Protocol                    flow.Protocol
	Family                      flow.Family

	HasPorts bool // ports were read (TCP, UDP, UDP-Lite, SCTP)
	HasICMP  bool // ICMPType and ICMPCode were read (ICMP in IPv4, ICMPv6 in IPv6)
	HasTCP   bool // TCPFlags, Sequence and Acknowledgement were read

	// Fragment says that this is a later fragment: the transport header is not in it. FirstFragment says that
	// the transport header is here and more fragments follow. Both carry the FragmentID that joins them, which
	// Fragments does. MoreFragments says that this is not the last one, FragmentOffset where it belongs, in bytes.
	Fragment, FirstFragment, MoreFragments bool

	// Tags is how many VLANs (802.1Q, 802.1ad and what came before it) the frame is in, VLAN the ids of the two
	// outermost, outermost first. Tags that carry only a priority (id 0) are no VLAN. The tag that the kernel takes
	// out of a frame is not among them before PushVLAN.
	Tags uint8

	ICMPType, ICMPCode uint8
	TCPFlags           uint8 // FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32

	VLAN           [2]uint16
	FragmentOffset uint16
	FragmentID     uint32

	// IPLength is the length of the IP packet in bytes as its header says; of what is left of the frame where
	// the header says 0 (segmentation offload, jumbograms).
	IPLength uint32
	// NetworkOffset and TransportOffset are where the IP header and the header behind it (and behind IPv6
	// extension headers) start in the frame.
	NetworkOffset, TransportOffset uint32

	Sequence, Acknowledgement uint32

	// Quote is the head of the packet an ICMP error speaks about; Quoted says that there is one.
	Quoted bool
	Quote  Quote
}

// PushVLAN puts a VLAN around those that Decode found: the one whose tag the kernel took out of the frame.
func (p *Packet) PushVLAN(id uint16) {
	if id == 0 {
		return
	}
	p.VLAN[0], p.VLAN[1] = id, p.VLAN[0]
	p.Tags = min(p.Tags, maxTags) + 1
}

// addVLAN notes the next tag inwards.
func (p *Packet) addVLAN(id uint16) {
	if id == 0 {
		return
	}
	if int(p.Tags) < len(p.VLAN) {
		p.VLAN[p.Tags] = id
	}
	p.Tags++
}

// Quote is the tuple of a packet quoted by an ICMP error, as its sender sent it.
type Quote struct {
	Source, Destination         flow.Address
	SourcePort, DestinationPort uint16 // 0 unless HasPorts
	Protocol                    flow.Protocol
	Family                      flow.Family
	HasPorts                    bool
	// ICMPType and ICMPCode are those of a quoted ICMP message (HasICMP), such as an echo request.
	HasICMP            bool
	ICMPType, ICMPCode uint8
}

// The TCP flags.
const (
	FIN uint8 = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)
