package packet

// Link says how the bytes of a frame start: the link-layer header in front of the IP header. It is a numbering of
// its own; FromPcap and FromARPHRD translate those of trace files and of the kernel.
type Link uint16

// The link layers that are decoded. The zero value is unknown on purpose.
const (
	LinkUnknown  Link = iota
	LinkEthernet      // Ethernet II and 802.3 with LLC/SNAP
	LinkRawIP         // no link header: the IP header comes first
	LinkNull          // 4 bytes address family in either byte order (BSD null and loop)
	LinkSLL           // Linux cooked capture, version 1
	LinkSLL2          // Linux cooked capture, version 2
	LinkPPP           // PPP protocol number, with or without address and control bytes
	LinkPPPoE         // PPPoE session header without Ethernet in front
	LinkHDLC          // Cisco HDLC
	LinkFiltered      // not captured: the interface's filter leaves the frame out (IssueFiltered)
	linkCount
)

var linkNames = [linkCount]string{"unknown", "ethernet", "raw IP", "null/loopback", "linux cooked v1", "linux cooked v2",
	"PPP", "PPPoE", "cisco HDLC", "filtered"}

// String is the link layer's name in messages.
func (l Link) String() string {
	if l < linkCount {
		return linkNames[l]
	}
	return linkNames[LinkUnknown]
}

// FromPcap translates a link type of a pcap or pcapng file (https://www.tcpdump.org/linktypes.html); LinkUnknown
// for those that are not decoded.
func FromPcap(linkType uint32) Link {
	switch linkType {
	case 0, 108:
		return LinkNull
	case 1:
		return LinkEthernet
	case 9, 50:
		return LinkPPP
	case 12, 14, 101, 228, 229:
		return LinkRawIP
	case 51:
		return LinkPPPoE
	case 104:
		return LinkHDLC
	case 113:
		return LinkSLL
	case 276:
		return LinkSLL2
	}
	return LinkUnknown
}

// FromARPHRD translates a device type of the Linux kernel (linux/if_arp.h, /sys/class/net/NAME/type) to what a
// raw packet socket hands over for it; LinkUnknown for those that are not decoded. A PPP device hands over bare
// IP packets: the kernel takes the PPP header off before, and puts it on after, the socket sees the packet.
func FromARPHRD(hardware uint16) Link {
	switch hardware {
	case 1, 772: // ETHER, LOOPBACK
		return LinkEthernet
	case 513:
		return LinkHDLC
	case 256, 257, 258, 259: // SLIP, CSLIP, SLIP6, CSLIP6
		return LinkRawIP
	case 512, 519, 768, 769, 776, 778, 779, 823, 65534: // PPP, RAWIP, TUNNEL, TUNNEL6, SIT, IPGRE, PIMREG, IP6GRE, NONE
		return LinkRawIP
	}
	return LinkUnknown
}
