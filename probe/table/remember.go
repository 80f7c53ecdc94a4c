package table

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// What a table remembers of a conversation, and may outlive it: direction, and the attempt that is open. Integers are
// little-endian; the bytes are private to the probe and its version:
//
//	conversation = family uint8 (4 or 6), protocol uint8, marks uint8, last seen int64 (the table's clock, ns), attempt
//	               if the marks say so, low and high address (4 or 16 bytes each), low and high port uint16
//	attempt      = stage uint8 with 128 added where it was repeated, since int64 (the table's clock, ns), initial
//	               sequence number uint32
//	marks        = evidence (3 bits), end that initiated by definition (2 bits), 1 bit that is 0, 64 where an attempt is
//	               there, 128 where the high end initiated
const (
	evidenceMask = 7
	fixedShift   = 3
	fixedMask    = 3
	openMark     = 64
	highMark     = 128
	repeatedMark = 128
)

// remember appends what is known of a conversation, with its open attempt if that is wanted and there is one.
func (t *Table) remember(dst []byte, e *entry, withAttempt bool) []byte {
	marks := byte(e.evidence) | byte(e.key.fixed())<<fixedShift
	if e.reversed {
		marks |= highMark
	}
	withAttempt = withAttempt && e.attempt != 0
	if withAttempt {
		marks |= openMark
	}
	dst = append(dst, byte(e.key.family()), byte(e.key.protocol()), marks)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.lastSeen))
	if withAttempt {
		stage := byte(e.stage)
		if e.repeated {
			stage |= repeatedMark
		}
		dst = binary.LittleEndian.AppendUint64(append(dst, stage), uint64(t.attempts.at(e.attempt).since()))
		dst = binary.LittleEndian.AppendUint32(dst, e.initial)
	}
	f := e.key.flowKey(false)
	n := addressLength(f.Family)
	dst = append(append(dst, f.Source[:n]...), f.Destination[:n]...)
	dst = binary.LittleEndian.AppendUint16(dst, e.key.lowPort())
	return binary.LittleEndian.AppendUint16(dst, e.key.highPort())
}

// remembered is a conversation that was written down; since is 0 where no attempt is open.
type remembered struct {
	entry
	since int64
}

// recalled decodes the first conversation of b and says how many bytes it has, 0 if it is none.
func recalled(b []byte) (r remembered, n int) {
	if len(b) < 11 || b[0] != byte(flow.IPv4) && b[0] != byte(flow.IPv6) {
		return r, 0
	}
	marks, fixed := b[2], uint64(b[2]>>fixedShift)&fixedMask
	size := addressLength(flow.Family(b[0]))
	n = 11 + 2*size + 4
	if marks&openMark != 0 {
		n += 13
	}
	if evidence(marks&evidenceMask) > evidenceSyn || fixed > fixedHigh || len(b) < n {
		return r, 0
	}
	r.evidence, r.reversed = evidence(marks&evidenceMask), marks&highMark != 0
	r.lastSeen = int64(binary.LittleEndian.Uint64(b[3:]))
	rest := b[11:n]
	if marks&openMark != 0 {
		r.stage, r.repeated = stage(rest[0]&^repeatedMark), rest[0]&repeatedMark != 0
		r.since, r.initial = int64(binary.LittleEndian.Uint64(rest[1:])), binary.LittleEndian.Uint32(rest[9:])
		if r.stage != stageWaiting && r.stage != stageTiming {
			return r, 0
		}
		rest = rest[13:]
	}
	var low, high flow.Address
	copy(low[:], rest[:size])
	copy(high[:], rest[size:2*size])
	ports := rest[2*size:]
	r.key = key{
		lowHead: binary.BigEndian.Uint64(low[0:8]), lowTail: binary.BigEndian.Uint64(low[8:16]),
		highHead: binary.BigEndian.Uint64(high[0:8]), highTail: binary.BigEndian.Uint64(high[8:16]),
		meta: uint64(binary.LittleEndian.Uint16(ports))<<48 | uint64(binary.LittleEndian.Uint16(ports[2:]))<<32 |
			uint64(b[1])<<16 | uint64(b[0])<<8 | fixed,
	}
	return r, n
}

// Resume takes in the attempts that were open when a picture was taken of another table, before the first packet: open
// is what Conversation.Open held, one behind the other, saved that table's clock at the time, now this one's. The time
// between does not count: nobody looked whether they were answered. A round trip is not measured over it. Those for whose
// ends mine says no are left out. It says how many attempts it took; after an error it took none.
func (t *Table) Resume(open []byte, saved, now int64, mine func(*packet.Packet) bool) (n int, err error) {
	var all []remembered
	for len(open) > 0 {
		r, size := recalled(open)
		if size == 0 || r.stage == stageNone {
			return 0, errMemory
		}
		open = open[size:]
		f := r.key.flowKey(false)
		if !mine(&packet.Packet{Source: f.Source, Destination: f.Destination, HasPorts: hasPorts(f.Protocol),
			SourcePort: r.key.lowPort(), DestinationPort: r.key.highPort()}) {
			continue
		}
		r.since = now - min(max(saved-r.since, 0), int64(maxAttemptTimeout))
		r.lastSeen = now - min(max(saved-r.lastSeen, 0), int64(maxAttemptTimeout))
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b remembered) int { return cmp.Compare(a.since, b.since) })
	for i := range all {
		r := &all[i]
		id, e := t.place(&r.entry)
		if e == nil || e.attempt != 0 {
			continue
		}
		t.open(id, e, r.since)
		e.stage, e.initial, e.repeated, e.changed = r.stage, r.initial, true, true
		n++
	}
	return n, nil
}

func hasPorts(protocol flow.Protocol) bool {
	return protocol == flow.TCP || protocol == flow.UDP || protocol == flow.UDPLite || protocol == flow.SCTP
}

// place returns the entry of a remembered conversation, which it makes if there is none; nil where there is no room.
func (t *Table) place(r *entry) (uint32, *entry) {
	h := t.index.hash(&r.key)
	if id, e := t.index.find(h, &r.key, &t.slab); e != nil {
		return id, e
	}
	if t.budget.live >= t.budget.most {
		return 0, nil
	}
	t.budget.live++
	id, e := t.slab.take()
	*e = entry{key: r.key, lastSeen: r.lastSeen, evidence: r.evidence, reversed: r.reversed, pass: t.pass}
	t.index.insert(h, id)
	return id, e
}
