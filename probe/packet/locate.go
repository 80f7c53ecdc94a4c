package packet

import (
	"encoding/binary"

	"github.com/weirflow/weir/pkg/flow"
)

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

// locate finds the first IP header of the frame that starts at the given offset: its family as the layer below says,
// and where it is. It notes the VLANs on the way.
func (p *Packet) locate(link Link, data []byte, at int) (flow.Family, int, flow.Issue) {
	switch link {
	case LinkEthernet:
		return p.typed(data, at+12, at+14)
	case LinkRawIP:
		return byVersion(data, at, flow.IssueNotIP)
	case LinkNull:
		return null(data, at)
	case LinkSLL:
		return p.typed(data, at+14, at+16)
	case LinkSLL2:
		return p.typed(data, at, at+20)
	case LinkPPP:
		if len(data)-at >= 2 && data[at] == 0xff && data[at+1] == 0x03 {
			return ppp(data, at+2)
		}
		return ppp(data, at)
	case LinkPPPoE:
		return pppoe(data, at)
	case LinkHDLC:
		return p.typed(data, at+2, at+4)
	case LinkFiltered:
		return 0, 0, flow.IssueFiltered
	}
	return 0, 0, flow.IssueUnknownLink
}

// typed is for link headers that end at a fixed offset and hold an EtherType.
func (p *Packet) typed(data []byte, at, end int) (flow.Family, int, flow.Issue) {
	if len(data) < end {
		return 0, 0, flow.IssueTruncated
	}
	return p.byEtherType(binary.BigEndian.Uint16(data[at:]), data, end)
}

// byEtherType follows tags and encapsulations from the payload at offset, which has the given EtherType.
func (p *Packet) byEtherType(etherType uint16, data []byte, offset int) (flow.Family, int, flow.Issue) {
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
			p.addVLAN(binary.BigEndian.Uint16(data[offset:]) & 0x0fff)
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
func null(data []byte, at int) (flow.Family, int, flow.Issue) {
	if len(data)-at < 4 {
		return 0, 0, flow.IssueTruncated
	}
	family := binary.BigEndian.Uint32(data[at:])
	if family > 0xffff {
		family = binary.LittleEndian.Uint32(data[at:])
	}
	switch family {
	case 2:
		return flow.IPv4, at + 4, flow.IssueNone
	case 10, 24, 28, 30: // Linux; NetBSD and OpenBSD; FreeBSD; Darwin
		return flow.IPv6, at + 4, flow.IssueNone
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
