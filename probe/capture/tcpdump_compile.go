package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// node is a filter or a part of one. compile writes code that goes to yes or no.
type node interface {
	compile(c *filterCompiler, yes, no label)
}

// The operators.
type (
	both   struct{ left, right node }
	either struct{ left, right node }
	not    struct{ node }
)

// side says which of a packet's two ends a value is compared with; 0 is either.
type side uint8

const (
	sourceSide side = 1 + iota
	destinationSide
	bothSides
	eitherSide
)

// The terms.
type (
	etherTypeIs uint16
	protocolIs  namedProtocol
	addressIn   struct {
		network netip.Prefix
		side    side
	}
	portIn struct {
		protocols   []uint8
		first, last uint16
		side        side
	}
	hardwareIs struct {
		address [6]byte
		side    side
	}
	groupIs  struct{ broadcast bool }
	lengthIs struct {
		limit uint32
		less  bool // else greater; both include the limit
	}
	vlanIs uint32
	sentIs bool
)

const anyVLAN = 0xffff

// filterCompiler knows how the frames of the interface start.
type filterCompiler struct {
	assembler
	ethernet bool
	typeAt   uint32 // offset of the EtherType
	ip       uint32 // and of the IP header behind it
	fault    error
}

// compileFilter compiles a filter to a program that returns 0 for the frames it leaves out. The kernel has taken the
// outermost VLAN tag out of a frame; a frame with another one is none of IP, as to tcpdump.
func compileFilter(text string, link packet.Link) ([]bpf.RawInstruction, error) {
	if text == "" {
		return nil, nil
	}
	n, err := parseFilter(text)
	if err != nil {
		return nil, err
	}
	c := &filterCompiler{}
	switch link {
	case packet.LinkEthernet:
		c.ethernet, c.typeAt, c.ip = true, 12, 14
	case packet.LinkHDLC:
		c.typeAt, c.ip = 2, 4
	case packet.LinkRawIP:
	default:
		return nil, fmt.Errorf("no filter for an interface with %s", link)
	}
	yes, no := c.label(), c.label()
	n.compile(c, yes, no)
	c.at(yes)
	c.add(bpf.RetConstant{Val: 1})
	c.at(no)
	c.add(bpf.RetConstant{Val: 0})
	if c.fault != nil {
		return nil, c.fault
	}
	return c.assemble()
}

// test goes to yes or no, however far they are.
func (c *filterCompiler) test(condition bpf.JumpTest, value uint32, yes, no label) {
	c.add(bpf.JumpIf{Cond: condition, Val: value, SkipFalse: 1})
	c.goTo(yes)
	c.goTo(no)
}

// need goes on where the comparison holds, else to no.
func (c *filterCompiler) need(condition bpf.JumpTest, value uint32, no label) {
	here := c.label()
	c.test(condition, value, here, no)
	c.at(here)
}

// load loads from the frame, or goes to no where the frame is shorter: the kernel would leave it out, uncounted.
func (c *filterCompiler) load(offset uint32, size int, no label) {
	c.add(bpf.LoadExtension{Num: bpf.ExtLen})
	c.need(bpf.JumpGreaterOrEqual, offset+uint32(size), no)
	c.add(bpf.LoadAbsolute{Off: offset, Size: size})
}

// loadPort loads two bytes from behind the IP header, whose length the index register holds.
func (c *filterCompiler) loadPort(offset uint32, no label) {
	move := func(op bpf.ALUOp) {
		c.add(bpf.TXA{}, bpf.ALUOpConstant{Op: op, Val: offset + 2}, bpf.TAX{})
	}
	move(bpf.ALUOpAdd)
	c.add(bpf.LoadExtension{Num: bpf.ExtLen}, bpf.JumpIfX{Cond: bpf.JumpGreaterOrEqual, SkipTrue: 1})
	c.goTo(no)
	move(bpf.ALUOpSub)
	c.add(bpf.LoadIndirect{Off: offset, Size: 2})
}

// refuse notes a term that frames of this kind have nothing for.
func (c *filterCompiler) refuse(what string) {
	c.fault = fmt.Errorf("%s: frames of this interface have no Ethernet header", what)
}

func (n both) compile(c *filterCompiler, yes, no label) {
	also := c.label()
	n.left.compile(c, also, no)
	c.at(also)
	n.right.compile(c, yes, no)
}

func (n either) compile(c *filterCompiler, yes, no label) {
	otherwise := c.label()
	n.left.compile(c, yes, otherwise)
	c.at(otherwise)
	n.right.compile(c, yes, no)
}

func (n not) compile(c *filterCompiler, yes, no label) { n.node.compile(c, no, yes) }

func (n etherTypeIs) compile(c *filterCompiler, yes, no label) {
	if c.typeAt > 0 {
		c.load(c.typeAt, 2, no)
		c.test(bpf.JumpEqual, uint32(n), yes, no)
		return
	}
	version := map[etherTypeIs]uint32{0x0800: 0x40, 0x86dd: 0x60}[n]
	if version == 0 {
		c.goTo(no)
		return
	}
	c.load(c.ip, 1, no)
	c.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0})
	c.test(bpf.JumpEqual, version, yes, no)
}

func (n protocolIs) compile(c *filterCompiler, yes, no label) {
	six := c.label()
	if n.family != flow.IPv6 {
		four := c.label()
		etherTypeIs(0x0800).compile(c, four, six)
		c.at(four)
		c.load(c.ip+9, 1, no)
		c.test(bpf.JumpEqual, uint32(n.number), yes, no)
	}
	c.at(six)
	if n.family == flow.IPv4 {
		c.goTo(no)
		return
	}
	here := c.label()
	etherTypeIs(0x86dd).compile(c, here, no)
	c.at(here)
	c.load(c.ip+6, 1, no)
	c.test(bpf.JumpEqual, uint32(n.number), yes, no)
}

// sides compiles a comparison for the ends that side names.
func (c *filterCompiler) sides(s side, yes, no label, compare func(destination bool, yes, no label)) {
	switch s {
	case sourceSide, destinationSide:
		compare(s == destinationSide, yes, no)
	case bothSides:
		also := c.label()
		compare(false, also, no)
		c.at(also)
		compare(true, yes, no)
	default:
		otherwise := c.label()
		compare(false, yes, otherwise)
		c.at(otherwise)
		compare(true, yes, no)
	}
}

func (n addressIn) compile(c *filterCompiler, yes, no label) {
	etherType, at := etherTypeIs(0x0800), c.ip+12
	if n.network.Addr().Is6() {
		etherType, at = 0x86dd, c.ip+8
	}
	here := c.label()
	etherType.compile(c, here, no)
	c.at(here)
	address := n.network.Addr().AsSlice()
	c.sides(n.side, yes, no, func(destination bool, yes, no label) {
		from := at
		if destination {
			from += uint32(len(address))
		}
		for word := 0; word < len(address) && word*8 < n.network.Bits(); word += 4 {
			mask := ^uint32(0)
			if rest := n.network.Bits() - word*8; rest < 32 {
				mask <<= 32 - rest
			}
			c.load(from+uint32(word), 4, no)
			if mask != ^uint32(0) {
				c.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask})
			}
			c.need(bpf.JumpEqual, binary.BigEndian.Uint32(address[word:])&mask, no)
		}
		c.goTo(yes)
	})
}

func (n portIn) compile(c *filterCompiler, yes, no label) {
	four, six, here := c.label(), c.label(), c.label()
	oneOf := func(yes label) {
		for _, protocol := range n.protocols {
			otherwise := c.label()
			c.test(bpf.JumpEqual, uint32(protocol), yes, otherwise)
			c.at(otherwise)
		}
		c.goTo(no)
	}
	etherTypeIs(0x0800).compile(c, four, six)
	c.at(four)
	c.load(c.ip+6, 2, no)
	c.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x1fff}) // later fragments have no ports
	c.need(bpf.JumpEqual, 0, no)
	c.load(c.ip+9, 1, no)
	known := c.label()
	oneOf(known)
	c.at(known)
	c.add(bpf.LoadMemShift{Off: c.ip})
	c.goTo(here)
	c.at(six)
	here6 := c.label()
	etherTypeIs(0x86dd).compile(c, here6, no)
	c.at(here6)
	c.load(c.ip+6, 1, no)
	known = c.label()
	oneOf(known)
	c.at(known)
	c.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 40})
	c.at(here)
	c.sides(n.side, yes, no, func(destination bool, yes, no label) {
		at := c.ip
		if destination {
			at += 2
		}
		c.loadPort(at, no)
		c.need(bpf.JumpGreaterOrEqual, uint32(n.first), no)
		c.test(bpf.JumpLessOrEqual, uint32(n.last), yes, no)
	})
}

func (n hardwareIs) compile(c *filterCompiler, yes, no label) {
	if !c.ethernet {
		c.refuse("ether host")
		return
	}
	c.sides(n.side, yes, no, func(destination bool, yes, no label) {
		at := uint32(6)
		if destination {
			at = 0
		}
		c.load(at, 4, no)
		c.need(bpf.JumpEqual, binary.BigEndian.Uint32(n.address[:]), no)
		c.load(at+4, 2, no)
		c.test(bpf.JumpEqual, uint32(binary.BigEndian.Uint16(n.address[4:])), yes, no)
	})
}

func (n groupIs) compile(c *filterCompiler, yes, no label) {
	if !c.ethernet {
		c.refuse("broadcast and multicast")
		return
	}
	if n.broadcast {
		hardwareIs{[6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, destinationSide}.compile(c, yes, no)
		return
	}
	c.load(0, 1, no)
	c.test(bpf.JumpBitsSet, 1, yes, no)
}

func (n lengthIs) compile(c *filterCompiler, yes, no label) {
	c.add(bpf.LoadExtension{Num: bpf.ExtLen})
	condition := bpf.JumpGreaterOrEqual
	if n.less {
		condition = bpf.JumpLessOrEqual
	}
	c.test(condition, n.limit, yes, no)
}

func (n vlanIs) compile(c *filterCompiler, yes, no label) {
	c.add(bpf.LoadExtension{Num: bpf.ExtVLANTagPresent})
	if n == anyVLAN {
		c.test(bpf.JumpNotEqual, 0, yes, no)
		return
	}
	c.need(bpf.JumpNotEqual, 0, no)
	c.add(bpf.LoadExtension{Num: bpf.ExtVLANTag}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0fff})
	c.test(bpf.JumpEqual, uint32(n), yes, no)
}

func (n sentIs) compile(c *filterCompiler, yes, no label) {
	const outgoing = 4 // PACKET_OUTGOING
	c.add(bpf.LoadExtension{Num: bpf.ExtType})
	condition := bpf.JumpNotEqual
	if n {
		condition = bpf.JumpEqual
	}
	c.test(condition, outgoing, yes, no)
}
