package packet

import (
	"encoding/binary"

	"github.com/weirflow/weir/pkg/flow"
)

// The IPv6 extension headers that are skipped (RFC 8200 §4). AH and ESP, mobility, HIP and shim6 are taken as the
// protocol of the flow.
const (
	hopByHop    = 0
	routing     = 43
	fragment    = 44
	destination = 60
)

// network decodes the IP header at the start of data. length is what is left of the frame on the link, in bytes.
// It returns the captured part of the IP payload, which starts at p.TransportOffset of data.
func (p *Packet) network(family flow.Family, data []byte, length int) ([]byte, flow.Issue) {
	if len(data) > 0 && flow.Family(data[0]>>4) != family {
		return nil, flow.IssueInvalidHeader
	}
	if family == flow.IPv4 {
		return p.ipv4(data, length)
	}
	return p.ipv6(data, length)
}

// ipv4 decodes an IPv4 header (RFC 791). A total length of 0 stands for the rest of the frame: segmentation
// offload and BIG TCP do not fit 16 bits.
func (p *Packet) ipv4(data []byte, length int) ([]byte, flow.Issue) {
	if len(data) < 20 {
		return nil, flow.IssueTruncated
	}
	header := int(data[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(data[2:]))
	if total == 0 {
		total = length
	}
	if header < 20 || total < header {
		return nil, flow.IssueInvalidHeader
	}
	if len(data) < header {
		return nil, flow.IssueTruncated
	}
	p.Family = flow.IPv4
	p.Protocol = flow.Protocol(data[9])
	p.IPLength = uint32(total)
	p.TransportOffset = uint32(header)
	copy(p.Source[:4], data[12:16])
	copy(p.Destination[:4], data[16:20])
	if bits := binary.BigEndian.Uint16(data[6:]); bits&0x3fff != 0 {
		p.fragmented(bits&0x1fff<<3, bits&0x2000 != 0, uint32(binary.BigEndian.Uint16(data[4:])))
	}
	return data[header:min(len(data), total)], flow.IssueNone
}

// ipv6 decodes an IPv6 header and skips its extension headers. A payload length of 0 stands for the rest of the
// frame: jumbograms (RFC 2675), BIG TCP with and without their option, and segmentation offload. What is shorter than
// a TCP header is taken for the padding of the link.
func (p *Packet) ipv6(data []byte, length int) ([]byte, flow.Issue) {
	if len(data) < 40 {
		return nil, flow.IssueTruncated
	}
	total := 40 + int(binary.BigEndian.Uint16(data[4:]))
	if total == 40 && length >= 40+20 {
		total = length
	}
	p.Family = flow.IPv6
	p.IPLength = uint32(total)
	copy(p.Source[:], data[8:24])
	copy(p.Destination[:], data[24:40])
	return p.extensions(data[:min(len(data), total)], total)
}

// extensions walks from the fixed IPv6 header to the first header that is not an extension. data is the captured
// part of the packet, total the packet's length.
func (p *Packet) extensions(data []byte, total int) ([]byte, flow.Issue) {
	next, at := data[6], 40
	for range maxExtensions + 1 {
		if !isExtension(next) || p.Fragment {
			p.Protocol = flow.Protocol(next)
			p.TransportOffset = uint32(at)
			return data[at:], flow.IssueNone
		}
		size := 8
		if next != fragment && len(data) >= at+2 {
			size = (int(data[at+1]) + 1) * 8
		}
		if at+size > total {
			return nil, flow.IssueInvalidHeader
		}
		if at+size > len(data) {
			return nil, flow.IssueTruncated
		}
		if next == fragment {
			if bits := binary.BigEndian.Uint16(data[at+2:]); bits&0xfff9 != 0 {
				p.fragmented(bits&0xfff8, bits&1 != 0, binary.BigEndian.Uint32(data[at+4:]))
			}
		}
		next = data[at]
		at += size
	}
	return nil, flow.IssueTooDeep
}

func isExtension(header byte) bool {
	return header == hopByHop || header == routing || header == fragment || header == destination
}

func (p *Packet) fragmented(offset uint16, more bool, id uint32) {
	p.Fragment, p.FirstFragment, p.MoreFragments = offset != 0, offset == 0, more
	p.FragmentOffset, p.FragmentID = offset, id
}
