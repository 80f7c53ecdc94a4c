package packet

import (
	"encoding/binary"

	"github.com/weirflow/weir/pkg/flow"
)

// transport decodes what follows the IP header, as far as it was captured. Fields that are not there stay zero
// and unflagged: the IP header alone makes the packet countable.
func (p *Packet) transport(body []byte) {
	if p.Fragment {
		return
	}
	p.heading(body)
	switch {
	case p.Protocol == flow.TCP && len(body) >= 14:
		p.HasTCP = true
		p.Sequence = binary.BigEndian.Uint32(body[4:])
		p.Acknowledgement = binary.BigEndian.Uint32(body[8:])
		p.TCPFlags = body[13]
	case p.HasICMP && p.isError() && len(body) > 8:
		p.quote(body[8:])
	}
}

// heading reads the first four bytes behind the IP header: ports, or type and code.
func (p *Packet) heading(body []byte) {
	if len(body) < 4 {
		return
	}
	switch p.Protocol {
	case flow.TCP, flow.UDP, flow.UDPLite, flow.SCTP:
		p.HasPorts = true
		p.SourcePort = binary.BigEndian.Uint16(body)
		p.DestinationPort = binary.BigEndian.Uint16(body[2:])
	case flow.ICMP, flow.ICMPv6:
		if (p.Protocol == flow.ICMP) == (p.Family == flow.IPv4) {
			p.HasICMP = true
			p.ICMPType, p.ICMPCode = body[0], body[1]
		}
	}
}

// isError says that the ICMP message quotes the packet that caused it: unreachable, source quench, redirect, time
// exceeded and parameter problem (RFC 792); types below 128 in ICMPv6, and its redirect does not start with the
// quote (RFC 4443, RFC 4861).
func (p *Packet) isError() bool {
	if p.Family == flow.IPv6 {
		return p.ICMPType >= 1 && p.ICMPType <= 4
	}
	switch p.ICMPType {
	case 3, 4, 5, 11, 12:
		return true
	}
	return false
}

// quote decodes the head of the packet an ICMP error quotes. A quote that makes no sense is left out: the error
// itself is a packet like any other. Quotes within quotes are not followed.
func (p *Packet) quote(data []byte) {
	var inner Packet
	body, issue := inner.network(p.Family, data, len(data))
	if issue != flow.IssueNone {
		return
	}
	if !inner.Fragment {
		inner.heading(body)
	}
	p.Quoted = true
	p.Quote = Quote{
		Source: inner.Source, Destination: inner.Destination,
		SourcePort: inner.SourcePort, DestinationPort: inner.DestinationPort,
		Protocol: inner.Protocol, Family: inner.Family, HasPorts: inner.HasPorts,
		HasICMP: inner.HasICMP, ICMPType: inner.ICMPType, ICMPCode: inner.ICMPCode,
	}
}
