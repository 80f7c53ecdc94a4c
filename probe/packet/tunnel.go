package packet

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
)

// TunnelKind is an encapsulation that carries packets.
type TunnelKind uint8

// The tunnels that Inner looks into.
const (
	TunnelNone   TunnelKind = iota
	TunnelIPIP              // IPv4 in IPv4 (RFC 2003)
	Tunnel6in4              // IPv6 in IPv4 (RFC 4213)
	Tunnel4in6              // IPv4 in IPv6 (RFC 2473)
	Tunnel6in6              // IPv6 in IPv6 (RFC 2473)
	TunnelGRE               // RFC 2784, RFC 2890, and PPTP's (RFC 2637)
	TunnelVXLAN             // RFC 7348
	TunnelGeneve            // RFC 8926
	tunnelCount
)

var tunnelNames = [tunnelCount]string{"none", "ipip", "6in4", "4in6", "6in6", "gre", "vxlan", "geneve"}

// String is the name of the kind.
func (k TunnelKind) String() string {
	if k < tunnelCount {
		return tunnelNames[k]
	}
	return tunnelNames[TunnelNone]
}

// Tunnel says what carries an inner packet. It is comparable: packets with the same Tunnel belong together.
type Tunnel struct {
	Kind  TunnelKind
	HasID bool   // VXLAN and Geneve always have an ID, GRE where there is a key
	ID    uint32 // VNI or key
}

// String is the tunnel's name as part of the name of an interface: "vxlan.42", "gre", "gre.7".
func (t Tunnel) String() string {
	if !t.HasID {
		return t.Kind.String()
	}
	return t.Kind.String() + "." + strconv.FormatUint(uint64(t.ID), 10)
}

// MaxTunnels is how many tunnels within each other a caller of Inner should look into: enough for an overlay within
// a VPN, and for a bound.
const MaxTunnels = 4

// The UDP ports of tunnels (IANA; 8472 is what Linux used for VXLAN before there was one, and still does by default).
const (
	portVXLAN      = 4789
	portVXLANLinux = 8472
	portGeneve     = 6081
)

// The IP protocols of tunnels.
const (
	protocolIPv4 flow.Protocol = 4
	protocolIPv6 flow.Protocol = 41
	protocolGRE  flow.Protocol = 47
)

// The EtherTypes that only tunnels carry.
const (
	etherBridging = 0x6558 // Ethernet frames (transparent Ethernet bridging)
	etherPPP      = 0x880b
)

// Inner decodes the packet that p carries, if p is of a tunnel. p and data are the packet and the frame of Decode, or
// p is the out of an earlier Inner over the same data: that way it looks one tunnel deeper. It says what tunnel it is,
// TunnelNone if none, and the length in bytes of the inner frame, from its own link header (VXLAN and its like carry
// Ethernet) or else from its IP header. Where the issue is not IssueNone, there is a tunnel but nothing in it to meter.
//
// Only the first fragment of an outer packet shows what is inside; the length is that of the whole inner packet then,
// so later fragments, which are of no tunnel, add nothing.
func (p *Packet) Inner(data []byte, out *Packet) (Tunnel, uint32, flow.Issue) {
	*out = Packet{}
	if p.Fragment {
		return Tunnel{}, 0, flow.IssueNone
	}
	end := int(p.NetworkOffset) + int(p.IPLength)
	data = data[:min(len(data), end)]
	at := int(p.TransportOffset)
	if at > len(data) {
		return Tunnel{}, 0, flow.IssueNone
	}
	var tunnel Tunnel
	var start int
	var issue flow.Issue
	switch {
	case p.Protocol == protocolIPv4 || p.Protocol == protocolIPv6:
		tunnel, start, issue = p.innerIP(data, at, end, out)
	case p.Protocol == protocolGRE:
		tunnel, start, issue = innerGRE(data, at, end, out)
	case p.Protocol != flow.UDP || !p.HasPorts:
	case p.DestinationPort == portVXLAN || p.DestinationPort == portVXLANLinux:
		tunnel, start, issue = innerVXLAN(data, at+8, end, out)
	case p.DestinationPort == portGeneve:
		tunnel, start, issue = innerGeneve(data, at+8, end, out)
	}
	if tunnel.Kind == TunnelNone || issue != flow.IssueNone {
		return tunnel, 0, issue
	}
	length := end - start
	if p.FirstFragment {
		length = max(length, int(out.NetworkOffset)+int(out.IPLength)-start)
	}
	return tunnel, uint32(length), flow.IssueNone
}

// innerIP is for IP right behind IP.
func (p *Packet) innerIP(data []byte, at, end int, out *Packet) (Tunnel, int, flow.Issue) {
	family, kind := flow.IPv4, TunnelIPIP
	switch {
	case p.Protocol == protocolIPv6 && p.Family == flow.IPv4:
		family, kind = flow.IPv6, Tunnel6in4
	case p.Protocol == protocolIPv6:
		family, kind = flow.IPv6, Tunnel6in6
	case p.Family == flow.IPv6:
		kind = Tunnel4in6
	}
	return Tunnel{Kind: kind}, at, out.internet(family, data, at, end)
}

// innerGRE is for GRE version 0, and for version 1, which carries PPP and has a call's number in its key.
func innerGRE(data []byte, at, end int, out *Packet) (Tunnel, int, flow.Issue) {
	const checksum, route, key, sequence, acknowledgement, version = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080, 7
	tunnel := Tunnel{Kind: TunnelGRE}
	if len(data)-at < 4 {
		return tunnel, 0, flow.IssueTruncated
	}
	flags, etherType := binary.BigEndian.Uint16(data[at:]), binary.BigEndian.Uint16(data[at+2:])
	if flags&version > 1 || flags&route != 0 {
		return tunnel, 0, flow.IssueUnknownLink
	}
	at += 4
	if flags&checksum != 0 {
		at += 4
	}
	if flags&key != 0 {
		if len(data)-at < 4 {
			return tunnel, 0, flow.IssueTruncated
		}
		tunnel.HasID, tunnel.ID = true, binary.BigEndian.Uint32(data[at:])
		at += 4
	}
	if flags&sequence != 0 {
		at += 4
	}
	if flags&version == 1 {
		tunnel.ID &= 0xffff // above it stands the length of the payload
		if flags&acknowledgement != 0 {
			at += 4
		}
	}
	if etherType == etherPPP {
		return tunnel, at, out.decode(LinkPPP, data, at, end)
	}
	return tunnel, at, out.typedPayload(etherType, data, at, end)
}

// innerVXLAN is for what stands behind a UDP header.
func innerVXLAN(data []byte, at, end int, out *Packet) (Tunnel, int, flow.Issue) {
	if len(data)-at < 8 {
		return Tunnel{Kind: TunnelVXLAN}, 0, flow.IssueTruncated
	}
	if data[at]&0x08 == 0 { // no VNI: something else on this port
		return Tunnel{}, 0, flow.IssueNone
	}
	tunnel := Tunnel{Kind: TunnelVXLAN, HasID: true, ID: binary.BigEndian.Uint32(data[at+4:]) >> 8}
	return tunnel, at + 8, out.decode(LinkEthernet, data, at+8, end)
}

// innerGeneve is for what stands behind a UDP header.
func innerGeneve(data []byte, at, end int, out *Packet) (Tunnel, int, flow.Issue) {
	if len(data)-at < 8 {
		return Tunnel{Kind: TunnelGeneve}, 0, flow.IssueTruncated
	}
	if data[at]>>6 != 0 { // another version: something else on this port
		return Tunnel{}, 0, flow.IssueNone
	}
	tunnel := Tunnel{Kind: TunnelGeneve, HasID: true, ID: binary.BigEndian.Uint32(data[at+4:]) >> 8}
	etherType := binary.BigEndian.Uint16(data[at+2:])
	at += 8 + int(data[at]&0x3f)*4
	return tunnel, at, out.typedPayload(etherType, data, at, end)
}

// typedPayload decodes the payload at the given offset, which is an Ethernet frame or what the EtherType says.
func (p *Packet) typedPayload(etherType uint16, data []byte, at, end int) flow.Issue {
	switch {
	case at > len(data):
		return flow.IssueTruncated
	case etherType == etherBridging:
		return p.decode(LinkEthernet, data, at, end)
	case etherType < etherSmallest:
		return flow.IssueNotIP
	}
	family, at, issue := p.byEtherType(etherType, data, at)
	if issue != flow.IssueNone {
		return issue
	}
	return p.internet(family, data, at, end)
}

// ParseTunnel is the inverse of Tunnel.String.
func ParseTunnel(name string) (Tunnel, bool) {
	kind, id, hasID := strings.Cut(name, ".")
	t := Tunnel{Kind: TunnelKind(max(slices.Index(tunnelNames[:], kind), 0)), HasID: hasID}
	if hasID {
		number, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return Tunnel{}, false
		}
		t.ID = uint32(number)
	}
	return t, t.Kind != TunnelNone && t.String() == name
}
