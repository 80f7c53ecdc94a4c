package table

import (
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// evidence is what the orientation of a conversation rests on, weakest first. Stronger evidence corrects weaker;
// what is known of a conversation stands against evidence of the same strength.
type evidence uint8

const (
	evidenceFirst       evidence = iota // whoever was seen first
	evidenceSmallerPort                 // the responder has the smaller port
	evidenceService                     // the responder's port is a service's, the initiator's is not
	evidenceMulticast                   // a group or broadcast address answers nobody
	evidenceICMP                        // the message's type says it
	evidenceSynAck                      // half a handshake: a SYN+ACK answers the initiator
	evidenceSyn                         // a SYN initiates
)

// silence is how long a conversation must have been silent for a SYN of the other end to be a new connection on the
// same ports; within it the two ends open simultaneously (RFC 9293 §3.5) and the first stands.
const silence = time.Minute

// orient gives the orientation of a conversation whose first packet is p, and what it rests on; reversed says that
// the high end initiated.
func (s servicePorts) orient(p *packet.Packet, k *key, swapped bool) (reversed bool, by evidence) {
	switch {
	case k.fixed() != fixedNot:
		return k.fixed() == fixedHigh, evidenceICMP
	case p.TCPFlags&packet.SYN != 0:
		return synOrientation(p.TCPFlags, swapped)
	}
	if reversed, by, known := s.stateless(k); known {
		return reversed, by
	}
	return swapped, evidenceFirst
}

// synOrientation is what a TCP segment with SYN says.
func synOrientation(flags uint8, swapped bool) (reversed bool, by evidence) {
	if flags&packet.ACK != 0 {
		return !swapped, evidenceSynAck
	}
	return swapped, evidenceSyn
}

// handshake corrects the orientation by a TCP segment with SYN.
func (e *entry) handshake(flags uint8, swapped bool, now int64) {
	reversed, by := synOrientation(flags, swapped)
	if by > e.evidence || by == e.evidence && now-e.lastSeen > int64(silence) {
		e.reversed, e.evidence = reversed, by
	}
}

// stateless is the orientation that every packet of the conversation gives by itself, in either direction; known
// says that there is one.
func (s servicePorts) stateless(k *key) (reversed bool, by evidence, known bool) {
	switch {
	case k.fixed() != fixedNot:
		return k.fixed() == fixedHigh, evidenceICMP, true
	case isGroup(k.highHead, k.family()):
		return false, evidenceMulticast, true
	case isGroup(k.lowHead, k.family()):
		return true, evidenceMulticast, true
	}
	low, high := k.lowPort(), k.highPort()
	lowRank, highRank := s.rank(low), s.rank(high)
	switch {
	case lowRank != highRank:
		return lowRank > highRank, evidenceService, true
	case low != high:
		return low < high, evidenceSmallerPort, true
	}
	return false, evidenceFirst, false
}

// derivable says that the next packet of the conversation, whichever it is, would give the same orientation if all
// memory of it were gone.
func (s servicePorts) derivable(e *entry) bool {
	reversed, _, known := s.stateless(&e.key)
	return known && reversed == e.reversed
}

// isGroup says that the address that starts so is one of many receivers: multicast, or the limited broadcast of IPv4. The
// broadcast address of a subnet cannot be told without its prefix length.
func isGroup(head uint64, family flow.Family) bool {
	if family == flow.IPv6 {
		return head>>56 == 0xff
	}
	return head>>60 == 0xe || head>>32 == 0xffffffff
}

// icmpRequest gives type and code of the message with which the initiator began, as far as they can be told, and
// whether p goes back to the initiator. A reply joins its request (whose code is 0). An error goes back to whoever
// sent what it is about, and keeps its own type and code: it is a flow beside the one it quotes.
func icmpRequest(p *packet.Packet) (kind, code uint8, reply bool) {
	if p.Family == flow.IPv6 {
		return icmp6Request(p)
	}
	switch p.ICMPType {
	case 0: // echo reply
		return 8, 0, true
	case 14, 16, 18: // timestamp, information and address mask reply
		return p.ICMPType - 1, 0, true
	case 43: // extended echo reply (RFC 8335)
		return 42, 0, true
	case 9: // router advertisement: on demand, unless it goes to a group (RFC 1256)
		if p.Destination[0]>>4 != 0xe && p.Destination[0] != 0xff {
			return 10, 0, true
		}
	case 3, 4, 5, 11, 12: // unreachable, source quench, redirect, time exceeded, parameter problem
		return p.ICMPType, p.ICMPCode, true
	}
	return p.ICMPType, p.ICMPCode, false
}

func icmp6Request(p *packet.Packet) (kind, code uint8, reply bool) {
	if p.Destination[0] == 0xff { // what goes to a group answers nobody, advertisements of neighbours included
		return p.ICMPType, p.ICMPCode, false
	}
	switch p.ICMPType {
	case 129, 134, 136: // echo reply, router and neighbour advertisement
		return p.ICMPType - 1, 0, true
	case 145, 147, 161: // home agent address, mobile prefix, extended echo
		return p.ICMPType - 1, 0, true
	case 140: // node information (RFC 4620)
		return 139, 0, true
	case 1, 2, 3, 4: // unreachable, too big, time exceeded, parameter problem
		return p.ICMPType, p.ICMPCode, true
	}
	return p.ICMPType, p.ICMPCode, false
}
