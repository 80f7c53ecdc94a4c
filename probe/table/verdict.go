package table

import (
	"math"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// stage is how far the latest attempt of a conversation has come. docs/METERING.md says what counts as an attempt and
// what as its outcome.
type stage uint8

const (
	stageNone    stage = iota // no attempt was seen
	stageWaiting              // open: nothing has answered
	stageTiming               // open: accepted, and the initiator's first ACK ends the round trip
	stageSettled              // closed: the outcome is booked
)

// outcome is what became of an attempt.
type outcome uint8

const (
	accepted outcome = iota
	rejected
	unanswered
	outcomeCount
)

const (
	// copyTime is how close upon each other two sightings of a segment are one segment: the loopback interface shows
	// each twice. Nobody retransmits so soon.
	copyTime = 10 * time.Millisecond
	// answerWindow bounds how much data a SYN may have carried when its answer acknowledges it (RFC 7413).
	answerWindow = 1 << 16
)

// handshakeFlags are those that tell the segments of a handshake apart.
const handshakeFlags = packet.SYN | packet.ACK | packet.RST

// follow takes a packet of a conversation that may begin, answer or end an attempt. It comes before the entry's
// lastSeen moves.
func (t *Table) follow(id uint32, e *entry, p *packet.Packet, swapped bool, now int64) {
	initiator := swapped == e.reversed
	switch {
	case e.key.protocol() != flow.TCP:
		if !initiator && e.stage == stageWaiting {
			t.settle(e, accepted)
		}
	case initiator:
		t.followInitiator(id, e, p, now)
	default:
		t.followResponder(e, p, now)
	}
}

// followInitiator takes a TCP segment of the initiator.
func (t *Table) followInitiator(id uint32, e *entry, p *packet.Packet, now int64) {
	switch p.TCPFlags & handshakeFlags {
	case packet.SYN:
		t.syn(id, e, p.Sequence, now)
	case packet.ACK:
		switch {
		case e.stage == stageWaiting && int32(p.Sequence-e.initial) > 0:
			t.settle(e, accepted) // it was answered, on a way that does not lead past here
		case e.stage == stageTiming:
			t.roundTrip(e, now-t.attempts.at(e.attempt).since())
			t.closeAttempt(e)
		}
	}
}

// syn takes a SYN of the initiator: a new attempt, unless it repeats one.
func (t *Table) syn(id uint32, e *entry, sequence uint32, now int64) {
	same := e.stage != stageNone && e.initial == sequence && now-e.lastSeen < int64(silence)
	if same {
		if e.attempt != 0 && now-t.attempts.at(e.attempt).since() > int64(copyTime) {
			e.repeated = true
		}
		return
	}
	switch e.stage {
	case stageWaiting:
		t.settle(e, unanswered) // given up: the initiator tries anew
	case stageTiming:
		t.closeAttempt(e)
	}
	t.open(id, e, now)
	e.initial = sequence
}

// followResponder takes a TCP segment of the responder. What does not acknowledge the SYN is no answer to it, for the
// initiator neither (RFC 9293 §3.10.7.3): such as the ACK of an end that still holds an old connection.
func (t *Table) followResponder(e *entry, p *packet.Packet, now int64) {
	if p.TCPFlags&packet.ACK == 0 || p.Acknowledgement-e.initial-1 >= answerWindow {
		return
	}
	switch p.TCPFlags & handshakeFlags {
	case packet.RST | packet.ACK:
		if e.stage == stageWaiting {
			t.settle(e, rejected)
		}
	case packet.SYN | packet.ACK:
		switch e.stage {
		case stageWaiting:
			e.stage = stageTiming
			t.book(e, accepted)
		case stageTiming:
			e.repeated = e.repeated || now-e.lastSeen > int64(copyTime)
		}
	}
}

// begins says that the first packet of a conversation without handshake is an attempt: the initiator's, to one
// receiver that could answer it and whose answer could be told.
func begins(p *packet.Packet, e *entry, swapped bool) bool {
	k := &e.key
	if swapped != e.reversed {
		return false
	}
	switch k.protocol() {
	case flow.TCP: // begins with a SYN
		return false
	case flow.UDP, flow.UDPLite, flow.SCTP:
		if !p.HasPorts || k.lowPort() == k.highPort() && k.lowHead == k.highHead && k.lowTail == k.highTail {
			return false
		}
	case flow.ICMP, flow.ICMPv6:
		if !p.HasICMP || !hasReply(p) {
			return false
		}
	}
	receiver := k.highHead
	if swapped {
		receiver = k.lowHead
	}
	return !isGroup(receiver, k.family())
}

// hasReply says that the ICMP message asks for one.
func hasReply(p *packet.Packet) bool {
	if p.Family == flow.IPv6 {
		switch p.ICMPType {
		case 128, 133, 135, 139, 144, 146, 160:
			return true
		}
		return false
	}
	switch p.ICMPType {
	case 8, 10, 13, 15, 17, 42:
		return true
	}
	return false
}

// refuse books what an ICMP error says about the conversation it quotes: that a packet of the initiator did not reach
// the responder and will not.
func (t *Table) refuse(p *packet.Packet) {
	q := &p.Quote
	if !isRefusal(p) || !q.HasPorts && !q.HasICMP && hasHeading(q.Protocol) {
		return // of a later fragment, or cut off: whose it is cannot be told
	}
	quoted := packet.Packet{Source: q.Source, Destination: q.Destination,
		SourcePort: q.SourcePort, DestinationPort: q.DestinationPort, Protocol: q.Protocol, Family: q.Family,
		HasPorts: q.HasPorts, HasICMP: q.HasICMP, ICMPType: q.ICMPType, ICMPCode: q.ICMPCode}
	var k key
	swapped := keyOf(&k, &quoted)
	id, e := t.index.find(t.index.hash(&k), &k, &t.slab)
	if e == nil || e.stage != stageWaiting || swapped != e.reversed {
		return
	}
	t.touch(id, e)
	t.settle(e, rejected)
}

// hasHeading says that the protocol has ports, or type and code, by which conversations are told apart.
func hasHeading(protocol flow.Protocol) bool {
	switch protocol {
	case flow.TCP, flow.UDP, flow.UDPLite, flow.SCTP, flow.ICMP, flow.ICMPv6:
		return true
	}
	return false
}

// isRefusal tells errors that end an attempt from advice to send smaller packets, slower, or another way.
func isRefusal(p *packet.Packet) bool {
	if p.Family == flow.IPv6 {
		return p.ICMPType != 2 // too big
	}
	switch p.ICMPType {
	case 3:
		return p.ICMPCode != 4 // fragmentation needed
	case 11, 12: // time exceeded, parameter problem
		return true
	}
	return false
}

// open begins an attempt.
func (t *Table) open(id uint32, e *entry, now int64) {
	e.attempt = t.attempts.add(id, now)
	e.stage, e.repeated = stageWaiting, t.untimed
}

// settle books the outcome of an open attempt and closes it.
func (t *Table) settle(e *entry, o outcome) {
	t.book(e, o)
	t.closeAttempt(e)
}

// closeAttempt forgets an open attempt but for what tells its repetitions.
func (t *Table) closeAttempt(e *entry) {
	t.attempts.remove(e.attempt)
	e.attempt, e.stage, e.changed = 0, stageSettled, true
}

// book counts an outcome in the current interval. The pass under way has seen the entry.
func (t *Table) book(e *entry, o outcome) {
	if e.outcomes[o] < math.MaxUint16 {
		e.outcomes[o]++
	}
	e.changed = true
	t.booked++
}

// roundTrip counts a handshake's, where it can be told.
func (t *Table) roundTrip(e *entry, took int64) {
	if took <= 0 || e.repeated || t.untimed || e.roundTrips == math.MaxUint16 {
		return
	}
	e.roundTripSum = saturate(e.roundTripSum, uint64(took))
	e.roundTrips++
}

// Expire books up to limit attempts that nothing has answered for the configured time as unanswered; now is on the
// same clock as the times given to Add. Where no packets arrive, it tells the table how time goes on. It says whether
// there are more. Its work is bounded by limit.
func (t *Table) Expire(now int64, limit int) (more bool) {
	t.latest = max(t.latest, now)
	for t.attempts.oldest != 0 {
		a := t.attempts.at(t.attempts.oldest)
		// A time far ahead is of a clock that has since been set back.
		if age := time.Duration(now - a.since()); age < t.cfg.AttemptTimeout && age > -t.cfg.AttemptTimeout {
			return false
		}
		if limit--; limit < 0 {
			return true
		}
		e := t.slab.at(a.conversation)
		t.touch(a.conversation, e)
		if e.stage == stageWaiting {
			t.settle(e, unanswered)
		} else {
			t.closeAttempt(e)
		}
	}
	return false
}

// NextExpiry is when the oldest open attempt expires, false if there is none.
func (t *Table) NextExpiry() (at int64, ok bool) {
	if t.attempts.oldest == 0 {
		return 0, false
	}
	return t.attempts.at(t.attempts.oldest).since() + int64(t.cfg.AttemptTimeout), true
}

// Booked is the number of outcomes since New. It grows with every change that Add or Expire make to a row besides its
// packets.
func (t *Table) Booked() uint64 { return t.booked }

// MeasureRoundTrips says whether the times given to Add from here on are the packets' own; if they are only those at
// which the packets were read, which New does not assume, round trips cannot be told and are not counted.
func (t *Table) MeasureRoundTrips(yes bool) { t.untimed = !yes }
