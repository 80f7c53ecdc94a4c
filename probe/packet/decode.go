package packet

import (
	"encoding/binary"

	"github.com/weirflow/weir/pkg/flow"
)

// Bounds of the work one frame can cause.
const (
	maxTags       = 16 // VLAN tags, and MPLS labels, in front of the IP header
	maxExtensions = 8  // IPv6 extension headers (RFC 8200 knows seven and an order for them)
)

// Decode decodes a frame of the given link layer. data are the bytes that were captured, length is the frame's
// length on the link in bytes (at least len(data)). It gives IssueNone and fills out, or the reason why there is
// nothing to meter; out holds nothing to rely on then. It neither keeps data nor reads past its length.
func Decode(link Link, data []byte, length uint32, out *Packet) flow.Issue {
	*out = Packet{}
	family, offset, issue := locate(link, data)
	if issue != flow.IssueNone {
		return issue
	}
	out.NetworkOffset = uint32(offset)
	body, issue := out.network(family, data[offset:], max(int(length), len(data))-offset)
	if issue != flow.IssueNone {
		return issue
	}
	out.TransportOffset += out.NetworkOffset
	out.transport(body)
	return flow.IssueNone
}

// The EtherTypes (IEEE 802 numbers) that lead to an IP header, or are known not to be decoded.
const (
	etherIPv4          = 0x0800
	etherIPv6          = 0x86dd
	etherVLAN          = 0x8100 // 802.1Q
	etherServiceVLAN   = 0x88a8 // 802.1ad
	etherOldQinQ       = 0x9100
	etherOldQinQ2      = 0x9200
	etherMPLS          = 0x8847
	etherMPLSUpstream  = 0x8848
	etherPPPoESession  = 0x8864
	etherMACsec        = 0x88e5
	etherBackboneTag   = 0x88e7 // 802.1ah
	etherServiceHeader = 0x894f // NSH
	etherSmallest      = 0x0600 // below it is the length of an 802.3 frame
)

// locate finds the first IP header of a frame: its family as the layer below says, and its offset.
func locate(link Link, data []byte) (flow.Family, int, flow.Issue) {
	switch link {
	case LinkEthernet:
		return typed(data, 12, 14)
	case LinkRawIP:
		return byVersion(data, 0, flow.IssueNotIP)
	case LinkNull:
		return null(data)
	case LinkSLL:
		return typed(data, 14, 16)
	case LinkSLL2:
		return typed(data, 0, 20)
	case LinkPPP:
		if len(data) >= 2 && data[0] == 0xff && data[1] == 0x03 {
			return ppp(data, 2)
		}
		return ppp(data, 0)
	case LinkPPPoE:
		return pppoe(data, 0)
	case LinkHDLC:
		return typed(data, 2, 4)
	}
	return 0, 0, flow.IssueUnknownLink
}

// typed is for link headers of fixed size that hold an EtherType.
func typed(data []byte, at, size int) (flow.Family, int, flow.Issue) {
	if len(data) < size {
		return 0, 0, flow.IssueTruncated
	}
	return byEtherType(binary.BigEndian.Uint16(data[at:]), data, size)
}

// byEtherType follows tags and encapsulations from the payload at offset, which has the given EtherType.
func byEtherType(etherType uint16, data []byte, offset int) (flow.Family, int, flow.Issue) {
	for range maxTags + 1 {
		switch etherType {
		case etherIPv4:
			return flow.IPv4, offset, flow.IssueNone
		case etherIPv6:
			return flow.IPv6, offset, flow.IssueNone
		case etherVLAN, etherServiceVLAN, etherOldQinQ, etherOldQinQ2:
			if len(data)-offset < 4 {
				return 0, 0, flow.IssueTruncated
			}
			etherType = binary.BigEndian.Uint16(data[offset+2:])
			offset += 4
		case etherMPLS, etherMPLSUpstream:
			return mpls(data, offset)
		case etherPPPoESession:
			return pppoe(data, offset)
		case etherMACsec, etherBackboneTag, etherServiceHeader:
			return 0, 0, flow.IssueUnknownLink
		default:
			if etherType >= etherSmallest || !isSNAP(data[offset:]) {
				return 0, 0, flow.IssueNotIP
			}
			etherType = binary.BigEndian.Uint16(data[offset+6:])
			offset += 8
		}
	}
	return 0, 0, flow.IssueTooDeep
}

// isSNAP says that an 802.3 payload starts with LLC and SNAP headers that hold an EtherType (RFC 1042).
func isSNAP(data []byte) bool {
	return len(data) >= 8 && data[0] == 0xaa && data[1] == 0xaa && data[2] == 0x03 &&
		data[3] == 0 && data[4] == 0 && data[5] == 0
}

// mpls skips a label stack (RFC 3032). What is below the last label is not said; 4 and 6 are taken for IP, as
// routers do (RFC 4928); a pseudowire is an encapsulation that is not decoded.
func mpls(data []byte, offset int) (flow.Family, int, flow.Issue) {
	for range maxTags {
		if len(data)-offset < 4 {
			return 0, 0, flow.IssueTruncated
		}
		last := data[offset+2]&1 != 0
		offset += 4
		if last {
			return byVersion(data, offset, flow.IssueUnknownLink)
		}
	}
	return 0, 0, flow.IssueTooDeep
}

// pppoe skips a PPPoE session header (RFC 2516).
func pppoe(data []byte, offset int) (flow.Family, int, flow.Issue) {
	if len(data)-offset < 6 {
		return 0, 0, flow.IssueTruncated
	}
	if data[offset] != 0x11 {
		return 0, 0, flow.IssueInvalidHeader
	}
	if data[offset+1] != 0 { // discovery, not a session
		return 0, 0, flow.IssueNotIP
	}
	return ppp(data, offset+6)
}

// ppp reads a PPP protocol number, one byte where it is compressed (RFC 1661 §2 and §6.5).
func ppp(data []byte, offset int) (flow.Family, int, flow.Issue) {
	if len(data)-offset < 2 {
		return 0, 0, flow.IssueTruncated
	}
	protocol := uint16(data[offset])
	offset++
	if protocol&1 == 0 {
		protocol = protocol<<8 | uint16(data[offset])
		offset++
	}
	switch protocol {
	case 0x0021:
		return flow.IPv4, offset, flow.IssueNone
	case 0x0057:
		return flow.IPv6, offset, flow.IssueNone
	case 0x0281, 0x0283:
		return mpls(data, offset)
	}
	return 0, 0, flow.IssueNotIP
}

// null reads the address family in front of frames of BSD loopback devices, in either byte order.
func null(data []byte) (flow.Family, int, flow.Issue) {
	if len(data) < 4 {
		return 0, 0, flow.IssueTruncated
	}
	family := binary.BigEndian.Uint32(data)
	if family > 0xffff {
		family = binary.LittleEndian.Uint32(data)
	}
	switch family {
	case 2:
		return flow.IPv4, 4, flow.IssueNone
	case 10, 24, 28, 30: // Linux; NetBSD and OpenBSD; FreeBSD; Darwin
		return flow.IPv6, 4, flow.IssueNone
	}
	return 0, 0, flow.IssueNotIP
}

// byVersion takes the family from the IP header itself; otherwise is the issue for other versions.
func byVersion(data []byte, offset int, otherwise flow.Issue) (flow.Family, int, flow.Issue) {
	if len(data) <= offset {
		return 0, 0, flow.IssueTruncated
	}
	switch family := flow.Family(data[offset] >> 4); family {
	case flow.IPv4, flow.IPv6:
		return family, offset, flow.IssueNone
	}
	return 0, 0, otherwise
}
