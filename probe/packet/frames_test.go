package packet

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/weirflow/weir/pkg/flow"
)

// The helpers of this file build frames from the inside out; all values are given, nothing is computed that a
// test wants to check.

var (
	client4 = netip.MustParseAddr("192.0.2.1")
	server4 = netip.MustParseAddr("198.51.100.7")
	client6 = netip.MustParseAddr("2001:db8::1")
	server6 = netip.MustParseAddr("2001:db8:ffff::7")
)

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func ethernet(etherType uint16, payload ...[]byte) []byte {
	return join([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, be16(etherType), join(payload...))
}

func vlan(id, etherType uint16) []byte { return join(be16(id), be16(etherType)) }

func label(n uint32, bottom bool) []byte {
	v := n<<12 | 64
	if bottom {
		v |= 1 << 8
	}
	return be32(v)
}

// ip4 is an IPv4 packet from client4 to server4; edit changes the header before it is joined with the payload.
func ip4(protocol flow.Protocol, payload []byte, edit ...func([]byte)) []byte {
	src, dst := client4.As4(), server4.As4()
	h := join([]byte{0x45, 0}, be16(uint16(20+len(payload))), []byte{0x12, 0x34, 0, 0, 64, byte(protocol), 0, 0}, src[:], dst[:])
	for _, e := range edit {
		e(h)
	}
	return join(h, payload)
}

func ip6(next byte, payload []byte, edit ...func([]byte)) []byte {
	src, dst := client6.As16(), server6.As16()
	h := join([]byte{0x60, 0, 0, 0}, be16(uint16(len(payload))), []byte{next, 64}, src[:], dst[:])
	for _, e := range edit {
		e(h)
	}
	return join(h, payload)
}

func set16(at int, v uint16) func([]byte) {
	return func(h []byte) { binary.BigEndian.PutUint16(h[at:], v) }
}

// extension is an IPv6 extension header of 8 × (extra + 1) bytes.
func extension(next byte, extra int) []byte {
	return join([]byte{next, byte(extra), 1, 4}, make([]byte, 4+8*extra))
}

func fragment6(next byte, offset uint16, more bool, id uint32) []byte {
	bits := offset
	if more {
		bits |= 1
	}
	return join([]byte{next, 0}, be16(bits), be32(id))
}

func tcp(source, dest uint16, flags uint8) []byte {
	return join(be16(source), be16(dest), be32(0x01020304), be32(0x05060708), []byte{0x50, flags}, be16(1024), make([]byte, 4))
}

func udp(source, dest uint16, payload ...byte) []byte {
	return join(be16(source), be16(dest), be16(uint16(8+len(payload))), be16(0), payload)
}

func icmp(kind, code byte, rest ...[]byte) []byte {
	return join([]byte{kind, code, 0, 0, 0, 0, 0, 0}, join(rest...))
}
