package packet

import (
	"github.com/weirflow/weir/pkg/flow"
)

// Bounds of the work one frame can cause.
const (
	maxTags       = 16 // VLAN tags, and MPLS labels, in front of the IP header
	maxExtensions = 8  // IPv6 extension headers (RFC 8200 knows seven and an order for them)
)

// uncommon decodes a frame of any kind, whatever is in p before.
//
//go:noinline
func (p *Packet) uncommon(link Link, data []byte, length uint32) flow.Issue {
	*p = Packet{}
	return p.decode(link, data, 0, max(int(length), len(data)))
}

// decode decodes the frame that starts at the given offset of data and ends, on the link, at end, which may lie
// behind what was captured. p is zero.
func (p *Packet) decode(link Link, data []byte, at, end int) flow.Issue {
	family, at, issue := p.locate(link, data, at)
	if issue != flow.IssueNone {
		return issue
	}
	return p.internet(family, data, at, end)
}

// internet decodes the packet whose IP header is at the given offset.
func (p *Packet) internet(family flow.Family, data []byte, at, end int) flow.Issue {
	body, issue := p.network(family, data[at:], end-at)
	if issue != flow.IssueNone {
		return issue
	}
	p.NetworkOffset = uint32(at)
	p.TransportOffset += uint32(at)
	p.transport(body)
	return flow.IssueNone
}
