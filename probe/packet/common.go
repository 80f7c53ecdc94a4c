package packet

import (
	"encoding/binary"

	"github.com/weirflow/weir/pkg/flow"
)

// common4 is for IPv4. head are the first bytes of data: an Ethernet header, an IPv4 header of 20 bytes, and the
// first 8 bytes behind it.
func (p *Packet) common4(head *[14 + 20 + 8]byte, data []byte) bool {
	const at = 14
	total := binary.BigEndian.Uint16(head[at+2:])
	if total < 20+14 || binary.BigEndian.Uint16(head[at+6:])&0x3fff != 0 {
		return false
	}
	switch flow.Protocol(head[at+9]) {
	case flow.TCP:
		if len(data) < at+20+14 {
			return false
		}
		p.commonTCP((*[14]byte)(data[at+20:]))
	case flow.UDP:
		p.Protocol = flow.UDP
	default:
		return false
	}
	p.Family = flow.IPv4
	p.HasPorts = true
	p.NetworkOffset, p.TransportOffset = at, at+20
	p.IPLength = uint32(total)
	// Words, because whoever looks at addresses loads words, and must not wait for the stores of smaller ones.
	binary.LittleEndian.PutUint64(p.Source[:], uint64(binary.LittleEndian.Uint32(head[at+12:])))
	binary.LittleEndian.PutUint64(p.Destination[:], uint64(binary.LittleEndian.Uint32(head[at+16:])))
	p.SourcePort = binary.BigEndian.Uint16(head[at+20:])
	p.DestinationPort = binary.BigEndian.Uint16(head[at+22:])
	return true
}

// common6 is for IPv6.
func (p *Packet) common6(data []byte) bool {
	const at = 14
	if len(data) < at+40+8 {
		return false
	}
	head := (*[at + 40 + 8]byte)(data)
	length := binary.BigEndian.Uint16(head[at+4:])
	if length < 14 {
		return false
	}
	switch flow.Protocol(head[at+6]) {
	case flow.TCP:
		if len(data) < at+40+14 {
			return false
		}
		p.commonTCP((*[14]byte)(data[at+40:]))
	case flow.UDP:
		p.Protocol = flow.UDP
	default:
		return false
	}
	p.Family = flow.IPv6
	p.HasPorts = true
	p.NetworkOffset, p.TransportOffset = at, at+40
	p.IPLength = 40 + uint32(length)
	binary.LittleEndian.PutUint64(p.Source[:], binary.LittleEndian.Uint64(head[at+8:]))
	binary.LittleEndian.PutUint64(p.Source[8:], binary.LittleEndian.Uint64(head[at+16:]))
	binary.LittleEndian.PutUint64(p.Destination[:], binary.LittleEndian.Uint64(head[at+24:]))
	binary.LittleEndian.PutUint64(p.Destination[8:], binary.LittleEndian.Uint64(head[at+32:]))
	p.SourcePort = binary.BigEndian.Uint16(head[at+40:])
	p.DestinationPort = binary.BigEndian.Uint16(head[at+42:])
	return true
}

func (p *Packet) commonTCP(head *[14]byte) {
	p.Protocol = flow.TCP
	p.HasTCP = true
	p.Sequence = binary.BigEndian.Uint32(head[4:])
	p.Acknowledgement = binary.BigEndian.Uint32(head[8:])
	p.TCPFlags = head[13]
}
