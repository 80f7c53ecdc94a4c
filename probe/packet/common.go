package packet

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/weirflow/weir/pkg/flow"
)

// What a frame of the common kind looks like.
const (
	commonNetwork = 14                 // offset of the IP header
	commonHead4   = commonNetwork + 20 // of what is behind that of IPv4
	commonHead6   = commonNetwork + 40 // and of IPv6
	commonBody    = 14                 // bytes behind the IP header: of TCP up to its flags, of UDP some of its payload
)

// Decode decodes a frame of the given link layer. data are the bytes that were captured, length is the frame's
// length on the link in bytes (at least len(data)). It gives IssueNone and fills p, or the reason why there is
// nothing to meter; p holds nothing to rely on then. It neither keeps data nor reads past its length.
//
// What nearly every frame is, it decodes itself: Ethernet, then IPv4 without options and fragments or IPv6 without extension
// headers, then TCP or UDP. It sets every field to what uncommon would give, in a fraction of the steps, or leaves the frame to that.
//
// This is the hot path of the probe. Addresses are stored in words, because whoever looks at them next loads words, and
// would wait for stores of another size; neighbours that are constant are set together, and become few stores.
func Decode(link Link, data []byte, length uint32, p *Packet) flow.Issue {
	if link != LinkEthernet || len(data) < commonHead4+commonBody {
		return p.uncommon(link, data, length)
	}
	head := (*[commonHead4 + commonBody]byte)(data)
	kind := binary.BigEndian.Uint64(head[12:]) // type, version, header or class, length; next header where it is of IPv6
	var body *[commonBody]byte
	if kind>>40 == etherIPv4<<8|0x45 {
		const fragment, protocol, source = commonNetwork + 6, commonNetwork + 9, commonNetwork + 12
		if uint16(kind>>16) < 20+commonBody || binary.BigEndian.Uint16(head[fragment:])&0x3fff != 0 {
			return p.uncommon(link, data, length)
		}
		ends := binary.BigEndian.Uint64(head[source:])
		p.Protocol, p.Family = flow.Protocol(head[protocol]), flow.IPv4
		// The bytes are turned around and back, lest the compiler knows which are zero and stores them one by one.
		binary.LittleEndian.PutUint64(p.Source[:], bits.ReverseBytes64(ends&^0xffffffff))
		binary.LittleEndian.PutUint64(p.Source[8:], 0)
		binary.LittleEndian.PutUint64(p.Destination[:], bits.ReverseBytes64(ends<<32))
		binary.LittleEndian.PutUint64(p.Destination[8:], 0)
		p.IPLength, p.NetworkOffset, p.TransportOffset = uint32(uint16(kind>>16)), commonNetwork, commonHead4
		body = (*[commonBody]byte)(head[commonHead4:])
	} else {
		const length, next, source = commonNetwork + 4, commonNetwork + 6, commonNetwork + 8
		if kind>>44 != etherIPv6<<4|6 || len(data) < commonHead6+commonBody {
			return p.uncommon(link, data, length)
		}
		head := (*[commonHead6 + commonBody]byte)(data)
		size := binary.BigEndian.Uint16(head[length:])
		if size < commonBody {
			return p.uncommon(link, data, length)
		}
		p.Protocol, p.Family = flow.Protocol(head[next]), flow.IPv6
		binary.LittleEndian.PutUint64(p.Source[:], binary.LittleEndian.Uint64(head[source:]))
		binary.LittleEndian.PutUint64(p.Source[8:], binary.LittleEndian.Uint64(head[source+8:]))
		binary.LittleEndian.PutUint64(p.Destination[:], binary.LittleEndian.Uint64(head[source+16:]))
		binary.LittleEndian.PutUint64(p.Destination[8:], binary.LittleEndian.Uint64(head[source+24:]))
		p.IPLength, p.NetworkOffset, p.TransportOffset = 40+uint32(size), commonNetwork, commonHead6
		body = (*[commonBody]byte)(head[commonHead6:])
	}
	if p.Quoted { // seldom, and else it is zero
		p.Quoted, p.Quote = false, Quote{}
	}
	p.SourcePort, p.DestinationPort = binary.BigEndian.Uint16(body[0:]), binary.BigEndian.Uint16(body[2:])
	p.VLAN[0], p.VLAN[1], p.FragmentOffset, p.FragmentID = 0, 0, 0, 0
	// Neither whether it is TCP can be foreseen: no branch.
	p.HasPorts, p.HasICMP, p.HasTCP, p.Fragment, p.FirstFragment, p.MoreFragments, p.Tags, p.ICMPType = true, false, false, false, false, false, 0, 0
	p.HasTCP = p.Protocol == flow.TCP
	mask := uint32(0)
	if p.HasTCP {
		mask = math.MaxUint32
	}
	p.ICMPCode, p.TCPFlags = 0, body[13]&uint8(mask)
	p.Sequence, p.Acknowledgement = binary.BigEndian.Uint32(body[4:])&mask, binary.BigEndian.Uint32(body[8:])&mask
	if uint32(p.Protocol^flow.TCP)*uint32(p.Protocol^flow.UDP) != 0 {
		return p.uncommon(link, data, length)
	}
	return flow.IssueNone
}
