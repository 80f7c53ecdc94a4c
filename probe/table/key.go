package table

import (
	"encoding/binary"
	"math/bits"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// key identifies a conversation. The two end points stand in their numerical order, so that packets of both
// directions give the same key; addresses as big-endian words.
type key struct {
	lowHead, lowTail, highHead, highTail uint64
	// meta holds, from the top: the low end's port (16 bits), the high end's port (16), the protocol (8), the
	// family (8) and which end initiated by definition (8, a fixedX). It is never 0: a family is not 0.
	meta uint64
}

// What the last byte of meta says. ICMP messages say themselves who asked whom, and both ends may ask the same at
// the same time: these are two conversations.
const (
	fixedNot  = 0 // the entry's orientation says who initiated
	fixedLow  = 1
	fixedHigh = 2
)

const lowestByte = 0xff

func (k *key) lowPort() uint16         { return uint16(k.meta >> 48) }
func (k *key) highPort() uint16        { return uint16(k.meta >> 32) }
func (k *key) protocol() flow.Protocol { return flow.Protocol(k.meta >> 16) }
func (k *key) family() flow.Family     { return flow.Family(k.meta >> 8) }
func (k *key) fixed() uint64           { return k.meta & lowestByte }

// keyOf sets k to the key of a packet's conversation and says whether the packet's source is the high end.
func keyOf(k *key, p *packet.Packet) (swapped bool) {
	k.lowHead, k.lowTail, k.highHead, k.highTail, k.meta, swapped = keyWords(p)
	return swapped
}

// keyWords are the words of a packet's key, in registers, and what keyOf says. (Copies of a key would wait for the stores of
// its words. The ends are exchanged without a branch: no processor foresees which way the next packet goes.)
func keyWords(p *packet.Packet) (lowHead, lowTail, highHead, highTail, meta uint64, swapped bool) {
	sourceHead, sourceTail := binary.BigEndian.Uint64(p.Source[0:8]), binary.BigEndian.Uint64(p.Source[8:16])
	destinationHead, destinationTail := binary.BigEndian.Uint64(p.Destination[0:8]), binary.BigEndian.Uint64(p.Destination[8:16])
	_, less := bits.Sub64(destinationTail, sourceTail, 0)
	_, less = bits.Sub64(destinationHead, sourceHead, less)
	if sourceHead == destinationHead && sourceTail == destinationTail && p.SourcePort > p.DestinationPort {
		less = 1
	}
	head, tail := (sourceHead^destinationHead)&-less, (sourceTail^destinationTail)&-less
	ports := uint32(p.SourcePort)<<16 | uint32(p.DestinationPort)
	ports = bits.RotateLeft32(ports, int(less)*16)
	meta = uint64(ports)<<32 | uint64(p.Protocol)<<16 | uint64(p.Family)<<8
	swapped = less != 0
	if p.HasICMP {
		swapped = swapped || isReplyToSelf(p)
		port, fixed := icmpKey(p, swapped)
		meta = meta&0x0000ffff_ffffffff | uint64(port)<<48 | fixed
	}
	return sourceHead ^ head, sourceTail ^ tail, destinationHead ^ head, destinationTail ^ tail, meta, swapped
}

// equal is ==, which would be a call, with one branch.
func (k *key) equal(o *key) bool {
	return k.lowHead^o.lowHead|k.highHead^o.highHead|k.meta^o.meta|k.lowTail^o.lowTail|k.highTail^o.highTail == 0
}

// isReplyToSelf says that a host answers itself: the addresses are the same, so that the reply stands for the packet
// of the other end.
func isReplyToSelf(p *packet.Packet) bool {
	if p.Source != p.Destination {
		return false
	}
	_, _, reply := icmpRequest(p)
	return reply
}

// icmpKey gives what stands for the port in the key of an ICMP conversation, and the end that initiated.
func icmpKey(p *packet.Packet, swapped bool) (port uint16, fixed uint64) {
	kind, code, reply := icmpRequest(p)
	port, fixed = uint16(kind)<<8|uint16(code), fixedLow
	if swapped != reply {
		fixed = fixedHigh
	}
	return port, fixed
}

// flowKey is the key of the flow the conversation counts for, given which end initiated.
func (k *key) flowKey(highInitiated bool) flow.Key {
	f := flow.Key{Protocol: k.protocol(), Family: k.family()}
	source, destination := f.Source[:], f.Destination[:]
	f.DestinationPort = k.highPort()
	if highInitiated {
		source, destination = destination, source
		f.DestinationPort = k.lowPort()
	}
	if k.fixed() != fixedNot {
		f.DestinationPort = k.lowPort()
	}
	binary.BigEndian.PutUint64(source[0:8], k.lowHead)
	binary.BigEndian.PutUint64(source[8:16], k.lowTail)
	binary.BigEndian.PutUint64(destination[0:8], k.highHead)
	binary.BigEndian.PutUint64(destination[8:16], k.highTail)
	return f
}
