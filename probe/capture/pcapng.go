package capture

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/weirflow/weir/probe/packet"
)

// The blocks of pcapng that are looked at (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html).
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 2 // obsolete, still written by some
	blockSimple    = 3
	blockEnhanced  = 6
)

const maxInterfaces = 1 << 16

// pcapng reads pcapng files: any number of sections, each in its own byte order with its own interfaces.
type pcapng struct {
	order      binary.ByteOrder // nil in front of the first section
	interfaces []pcapngInterface
}

// pcapngInterface is what an interface description says about the frames that refer to it.
type pcapngInterface struct {
	link   packet.Link
	snap   uint32
	ticks  uint64 // clock ticks per second
	offset int64  // seconds to add
}

func (p *pcapng) next(w *window, frame *Frame) error {
	for {
		header, err := w.peek(12)
		if err != nil {
			return err
		}
		if binary.BigEndian.Uint32(header) == blockSection {
			if err := p.section(w); err != nil {
				return err
			}
			continue
		}
		kind, size := p.order.Uint32(header), p.order.Uint32(header[4:])
		if size < 12 || size%4 != 0 {
			return fmt.Errorf("block of type %d claims a length of %d bytes", kind, size)
		}
		done, err := p.block(w, kind, size, frame)
		if done || err != nil {
			return err
		}
	}
}

// block reads or skips a block; it says whether it held a frame.
func (p *pcapng) block(w *window, kind, size uint32, frame *Frame) (bool, error) {
	switch kind {
	case blockInterface, blockPacket, blockSimple, blockEnhanced:
	default:
		return false, p.skipBlock(w, kind, size)
	}
	body, err := p.body(w, kind, size)
	if err != nil {
		return false, err
	}
	switch kind {
	case blockInterface:
		err = p.describe(body)
	case blockSimple:
		err = p.simple(body, frame)
	default:
		err = p.enhanced(kind, body, frame)
	}
	if err != nil {
		return false, err
	}
	w.skip(int(size))
	return kind != blockInterface, nil
}

// section reads a section header: byte order and version; interfaces are described anew behind it.
func (p *pcapng) section(w *window) error {
	header, err := w.peek(16)
	if err != nil {
		return err
	}
	var order binary.ByteOrder = binary.BigEndian
	switch binary.BigEndian.Uint32(header[8:]) {
	case 0x1a2b3c4d:
	case 0x4d3c2b1a:
		order = binary.LittleEndian
	default:
		return fmt.Errorf("section header with the byte-order mark % x", header[8:12])
	}
	if major, minor := order.Uint16(header[12:]), order.Uint16(header[14:]); major != 1 {
		return fmt.Errorf("pcapng version %d.%d is not known, only 1.x", major, minor)
	}
	size := order.Uint32(header[4:])
	if size < 28 || size%4 != 0 {
		return fmt.Errorf("section header claims a length of %d bytes", size)
	}
	before := p.order
	p.order = order
	if _, err := p.body(w, blockSection, size); err != nil {
		p.order = before
		return err
	}
	p.interfaces = p.interfaces[:0]
	w.skip(int(size))
	return nil
}

// body returns what stands between the two lengths of a block, and compares the two.
func (p *pcapng) body(w *window, kind, size uint32) ([]byte, error) {
	if size > maxBlock {
		return nil, fmt.Errorf("block of type %d claims %d bytes, more than %d", kind, size, maxBlock)
	}
	block, err := w.peek(int(size))
	if err != nil {
		return nil, err
	}
	if again := p.order.Uint32(block[size-4:]); again != size {
		return nil, fmt.Errorf("block of type %d has two lengths: %d and %d", kind, size, again)
	}
	return block[8 : size-4], nil
}

// skipBlock skips a block of any size that is not looked at, piece by piece. Its trailing length is not compared
// where the block is larger than what is looked at.
func (p *pcapng) skipBlock(w *window, kind, size uint32) error {
	if size <= maxBlock {
		if _, err := p.body(w, kind, size); err != nil {
			return err
		}
		w.skip(int(size))
		return nil
	}
	if w.pinned {
		return errPinned
	}
	for size > 0 {
		piece := min(size, windowSize)
		if _, err := w.peek(int(piece)); err != nil {
			return unexpected(err)
		}
		w.skip(int(piece))
		size -= piece
	}
	return nil
}

// describe adds an interface.
func (p *pcapng) describe(body []byte) error {
	if len(body) < 8 {
		return fmt.Errorf("interface description of %d bytes", len(body))
	}
	if len(p.interfaces) >= maxInterfaces {
		return fmt.Errorf("more than %d interfaces", maxInterfaces)
	}
	i := pcapngInterface{link: packet.FromPcap(uint32(p.order.Uint16(body))), snap: p.order.Uint32(body[4:]), ticks: 1e6}
	if value := p.option(body[8:], 9); len(value) >= 1 { // if_tsresol
		var ok bool
		if i.ticks, ok = resolution(value[0]); !ok {
			return fmt.Errorf("interface with the time resolution %#x", value[0])
		}
	}
	if value := p.option(body[8:], 14); len(value) >= 8 { // if_tsoffset
		i.offset = int64(p.order.Uint64(value))
	}
	p.interfaces = append(p.interfaces, i)
	return nil
}

// resolution is the number of ticks per second: a power of ten, or of two where the highest bit is set.
func resolution(value byte) (uint64, bool) {
	exponent := value & 0x7f
	if value&0x80 != 0 {
		return 1 << exponent, exponent < 64
	}
	ticks := uint64(1)
	for range min(exponent, 19) {
		ticks *= 10
	}
	return ticks, exponent <= 19
}

// simple reads a simple packet block: of the first interface, without a time stamp.
func (p *pcapng) simple(body []byte, frame *Frame) error {
	from, err := p.from(0)
	if err != nil {
		return err
	}
	if len(body) < 4 {
		return fmt.Errorf("simple packet block of %d bytes", len(body))
	}
	length := p.order.Uint32(body)
	captured := min(length, uint32(len(body)-4))
	if from.snap > 0 {
		captured = min(captured, from.snap)
	}
	if err := checkLengths(captured, length); err != nil {
		return err
	}
	end := 4 + captured
	*frame = Frame{Data: body[4:end:end], Length: length, Link: from.link}
	frame.Sent = outgoing(frame.Link, frame.Data)
	return nil
}

// enhanced reads an enhanced packet block, or an obsolete packet block, which differs in the first four bytes.
func (p *pcapng) enhanced(kind uint32, body []byte, frame *Frame) error {
	const fixed = 20
	if len(body) < fixed {
		return fmt.Errorf("packet block of %d bytes", len(body))
	}
	number := p.order.Uint32(body)
	if kind == blockPacket {
		number = uint32(p.order.Uint16(body)) // the other half counts drops
	}
	from, err := p.from(number)
	if err != nil {
		return err
	}
	captured, length := p.order.Uint32(body[12:]), p.order.Uint32(body[16:])
	if err := checkLengths(captured, length); err != nil {
		return err
	}
	end := fixed + int(captured)
	if end > len(body) {
		return fmt.Errorf("frame of %d captured bytes in a packet block of %d", captured, len(body))
	}
	time, err := from.time(uint64(p.order.Uint32(body[4:]))<<32 | uint64(p.order.Uint32(body[8:])))
	if err != nil {
		return err
	}
	*frame = Frame{Data: body[fixed:end:end], Length: max(length, captured), Time: time, Link: from.link}
	frame.Sent = outgoing(frame.Link, frame.Data)
	options := min((end+3)&^3, len(body))
	if flags := p.option(body[options:], 2); len(flags) >= 4 { // epb_flags, pack_flags: 1 inbound, 2 outbound
		frame.Sent = frame.Sent || p.order.Uint32(flags)&3 == 2
	}
	return nil
}

func (p *pcapng) from(number uint32) (*pcapngInterface, error) {
	if uint64(number) >= uint64(len(p.interfaces)) {
		return nil, fmt.Errorf("frame of interface %d, but only %d are described", number, len(p.interfaces))
	}
	return &p.interfaces[number], nil
}

// time is a time stamp in Unix nanoseconds.
func (i *pcapngInterface) time(ticks uint64) (int64, error) {
	seconds, rest := ticks/i.ticks, ticks%i.ticks
	high, low := bits.Mul64(rest, 1e9)
	nanoseconds, _ := bits.Div64(high, low, i.ticks) // rest < ticks, so the quotient is below 1e9
	const limit = math.MaxInt64/1_000_000_000 - 1
	if seconds > limit || i.offset > limit || i.offset < -limit {
		return 0, fmt.Errorf("time stamp of %d ticks at %d per second is out of range", ticks, i.ticks)
	}
	sum := int64(seconds) + i.offset
	if sum < 0 || sum > limit {
		return 0, fmt.Errorf("time stamp of %d s from %d s is out of range", seconds, i.offset)
	}
	return sum*1_000_000_000 + int64(nanoseconds), nil
}

// option finds the value of the first option with a code; options that do not fit end the search.
func (p *pcapng) option(options []byte, code uint16) []byte {
	for len(options) >= 4 {
		c, size := p.order.Uint16(options), int(p.order.Uint16(options[2:]))
		if c == 0 || size > len(options)-4 {
			return nil
		}
		if c == code {
			return options[4 : 4+size]
		}
		options = options[min(4+(size+3)&^3, len(options)):]
	}
	return nil
}
