package capture

import "golang.org/x/net/bpf"

// The kernel's own symmetric hash (PACKET_FANOUT_HASH) looks into tunnels, so that the packets of one outer flow are
// spread over the rings, and sends ICMP errors elsewhere than the flow they quote. This one does neither.

// fanoutProgram picks a ring for a packet, by a hash of the addresses, and of the ports of TCP, UDP, UDP-Lite and SCTP,
// that is the same for both directions. ICMP errors go with the packet they quote. All fragments of a packet go by their
// addresses, since only the first has ports: they meet each other, though maybe not the rest of their conversation.
// So do packets with IPv6 extension headers. Up to two VLAN tags in band, PPPoE and two MPLS labels are passed over;
// what is not IP is for the first ring.
//
// It is relative to the network header, which the kernel has found: that is the same for frames sent and received.
func fanoutProgram() ([]bpf.RawInstruction, error) {
	p := &fanout{}
	ip4, ip6, byVersion, other := p.label(), p.label(), p.label(), p.label()
	p.link(ip4, ip6, byVersion, other)
	p.at(byVersion)
	p.add(p.load(0, 1), bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4})
	p.jump(bpf.JumpEqual, 4, ip4, 0)
	p.jump(bpf.JumpEqual, 6, ip6, other)
	p.at(other)
	p.add(bpf.RetConstant{Val: 0})
	p.at(ip4)
	p.ip4(true)
	p.at(ip6)
	p.ip6(true)
	return p.assemble()
}

// fanout writes the program. The index register holds where the header at hand begins, counted from the network
// header; the scratch memory holds what the names of its words say.
type fanout struct{ assembler }

const (
	networkHeader = 0xfff00000 // SKF_NET_OFF
	typeInFront   = 0xfffffffe // the two bytes in front of the header at hand, which say what it is

	scratchStart, scratchOperand, scratchHash = 0, 1, 2
)

// load loads from the header at hand.
func (p *fanout) load(offset uint32, size int) bpf.Instruction {
	return bpf.LoadIndirect{Off: networkHeader + offset, Size: size} // typeInFront is -2
}

// advance moves on to the header that stands so many bytes behind; the accumulator is lost.
func (p *fanout) advance(bytes uint32) {
	p.add(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: bytes}, bpf.TAX{})
}

// link finds the IP header.
func (p *fanout) link(ip4, ip6, byVersion, other label) {
	const tags = 2
	p.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 0}, bpf.LoadExtension{Num: bpf.ExtProto})
	pppoe, mpls := p.label(), p.label()
	for depth := range tags + 1 {
		tagged, next := p.label(), p.label()
		p.jump(bpf.JumpEqual, 0x0800, ip4, 0)
		p.jump(bpf.JumpEqual, 0x86dd, ip6, 0)
		p.jump(bpf.JumpEqual, 0x8864, pppoe, 0)
		p.jump(bpf.JumpEqual, 0x8847, mpls, 0)
		if depth == tags {
			p.goTo(other)
			break
		}
		p.jump(bpf.JumpEqual, 0x8100, tagged, 0)
		p.jump(bpf.JumpEqual, 0x88a8, tagged, other)
		p.at(tagged)
		// A frame that is sent may be tagged by its type, and its network header be that of IP all the same.
		p.add(p.load(2, 2))
		for _, etherType := range []uint32{0x0800, 0x86dd, 0x8864, 0x8847, 0x8100} {
			p.jump(bpf.JumpEqual, etherType, next, 0)
		}
		p.jump(bpf.JumpEqual, 0x88a8, next, byVersion)
		p.at(next)
		p.advance(4)
		p.add(p.load(typeInFront, 2))
	}
	p.at(pppoe)
	p.advance(8)
	p.goTo(byVersion)
	p.at(mpls)
	bottom := p.label()
	p.add(p.load(2, 1))
	p.jump(bpf.JumpBitsSet, 1, bottom, 0)
	p.advance(4)
	p.at(bottom)
	p.advance(4)
	p.goTo(byVersion)
}

// fold is the sum of words of the header at hand, which is the same whichever end is named first. (So is the exclusive
// or, but hosts of two networks that talk in pairs, 10.1.0.7 with 10.2.0.7, would all have the same.)
func (p *fanout) fold(size int, offsets ...uint32) {
	p.add(bpf.StoreScratch{Src: bpf.RegX, N: scratchStart}, p.load(offsets[0], size))
	for _, offset := range offsets[1:] {
		p.add(bpf.StoreScratch{Src: bpf.RegA, N: scratchOperand}, p.load(offset, size),
			bpf.LoadScratch{Dst: bpf.RegX, N: scratchOperand}, bpf.ALUOpX{Op: bpf.ALUOpAdd},
			bpf.LoadScratch{Dst: bpf.RegX, N: scratchStart})
	}
}

// portProtocols begin with two ports.
var portProtocols = [...]uint32{6, 17, 132, 136}

// ip4 ends the program for the IPv4 header at hand; follow says that what ICMP errors quote counts.
func (p *fanout) ip4(follow bool) {
	p.fold(4, 12, 16)
	p.add(bpf.StoreScratch{Src: bpf.RegA, N: scratchHash})
	whole, ports, icmp, done := p.label(), p.label(), p.label(), p.label()
	p.add(p.load(6, 2))
	p.jump(bpf.JumpBitsSet, 0x3fff, done, whole)
	p.at(whole)
	// Where the header behind this one begins is kept, and what it is decides.
	p.add(p.load(0, 1), bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 15}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.StoreScratch{Src: bpf.RegA, N: scratchOperand},
		p.load(9, 1), bpf.LoadScratch{Dst: bpf.RegX, N: scratchOperand})
	for _, protocol := range portProtocols {
		p.jump(bpf.JumpEqual, protocol, ports, 0)
	}
	if follow {
		p.jump(bpf.JumpEqual, 1, icmp, done)
		p.at(icmp)
		quoting := p.label()
		p.add(p.load(0, 1))
		p.jump(bpf.JumpEqual, 3, quoting, 0)
		p.jump(bpf.JumpEqual, 4, quoting, 0)
		p.jump(bpf.JumpEqual, 5, quoting, 0)
		p.jump(bpf.JumpEqual, 11, quoting, 0)
		p.jump(bpf.JumpEqual, 12, quoting, done)
		p.at(quoting)
		p.advance(8)
		p.ip4(false)
	} else {
		p.goTo(done)
	}
	p.at(ports)
	p.ports()
	p.at(done)
	p.finish()
}

// ip6 does the same for an IPv6 header.
func (p *fanout) ip6(follow bool) {
	p.fold(4, 8, 12, 16, 20, 24, 28, 32, 36)
	p.add(bpf.StoreScratch{Src: bpf.RegA, N: scratchHash}, p.load(6, 1), bpf.StoreScratch{Src: bpf.RegA, N: scratchOperand})
	p.advance(40)
	p.add(bpf.LoadScratch{Dst: bpf.RegA, N: scratchOperand})
	ports, icmp, done := p.label(), p.label(), p.label()
	for _, protocol := range portProtocols {
		p.jump(bpf.JumpEqual, protocol, ports, 0)
	}
	if follow {
		p.jump(bpf.JumpEqual, 58, icmp, done)
		p.at(icmp)
		quoting := p.label()
		p.add(p.load(0, 1))
		p.jump(bpf.JumpEqual, 0, done, 0)
		p.jump(bpf.JumpGreaterThan, 4, done, quoting)
		p.at(quoting)
		p.advance(8)
		p.ip6(false)
	} else {
		p.goTo(done)
	}
	p.at(ports)
	p.ports()
	p.at(done)
	p.finish()
}

// ports adds the ports of the header at hand to the hash.
func (p *fanout) ports() {
	p.fold(2, 0, 2)
	p.add(bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: fanoutPorts}, bpf.LoadScratch{Dst: bpf.RegX, N: scratchHash},
		bpf.ALUOpX{Op: bpf.ALUOpXor}, bpf.StoreScratch{Src: bpf.RegA, N: scratchHash})
}

// finish mixes the hash, so that every bit of it counts, and returns it.
func (p *fanout) finish() {
	p.add(bpf.LoadScratch{Dst: bpf.RegA, N: scratchHash}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 16},
		bpf.LoadScratch{Dst: bpf.RegX, N: scratchHash}, bpf.ALUOpX{Op: bpf.ALUOpXor},
		bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: fanoutMix}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: fanoutShift}, bpf.RetA{})
}
