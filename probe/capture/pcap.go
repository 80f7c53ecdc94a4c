package capture

import (
	"encoding/binary"
	"fmt"

	"github.com/weirflow/weir/probe/packet"
)

const (
	pcapHeader = 24 // bytes of the file header
	pcapRecord = 16 // bytes of the header of a record
)

// pcap reads classic pcap files (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html): both byte
// orders, micro- and nanoseconds.
type pcap struct {
	order binary.ByteOrder
	unit  uint32 // nanoseconds of one tick of the sub-second part
	link  packet.Link
}

// openPcap reads the file header.
func openPcap(w *window) (*pcap, error) {
	magic, err := w.peek(4)
	if err != nil {
		return nil, fmt.Errorf("file header: %w", err)
	}
	p := &pcap{}
	switch binary.BigEndian.Uint32(magic) {
	case 0xa1b2c3d4:
		p.order, p.unit = binary.BigEndian, 1000
	case 0xd4c3b2a1:
		p.order, p.unit = binary.LittleEndian, 1000
	case 0xa1b23c4d:
		p.order, p.unit = binary.BigEndian, 1
	case 0x4d3cb2a1:
		p.order, p.unit = binary.LittleEndian, 1
	default:
		return nil, fmt.Errorf("it starts with % x: neither pcap nor pcapng, plain or gzip", magic)
	}
	header, err := w.peek(pcapHeader)
	if err != nil {
		return nil, fmt.Errorf("file header: %w", err)
	}
	if major, minor := p.order.Uint16(header[4:]), p.order.Uint16(header[6:]); major != 2 {
		return nil, fmt.Errorf("pcap version %d.%d is not known, only 2.x", major, minor)
	}
	linkType := p.order.Uint32(header[20:]) & 0xffff // above are flags about the frame check sequence
	if p.link = packet.FromPcap(linkType); p.link == packet.LinkUnknown {
		return nil, fmt.Errorf("%w: pcap link type %s", ErrUnsupportedLink, linkTypeName(linkType))
	}
	w.skip(pcapHeader)
	return p, nil
}

func (p *pcap) next(w *window, frame *Frame) error {
	header, err := w.peek(pcapRecord)
	if err != nil {
		return err
	}
	fraction, captured, length := p.order.Uint32(header[4:]), p.order.Uint32(header[8:]), p.order.Uint32(header[12:])
	if err := checkLengths(captured, length); err != nil {
		return err
	}
	if fraction >= 1e9/p.unit {
		return fmt.Errorf("record with a time stamp of %d parts of a second of %d", fraction, 1e9/p.unit)
	}
	record, err := w.peek(pcapRecord + int(captured))
	if err != nil {
		return err
	}
	*frame = Frame{
		Data:   record[pcapRecord:],
		Length: max(length, captured),
		Time:   int64(p.order.Uint32(record))*1e9 + int64(fraction)*int64(p.unit),
		Link:   p.link,
	}
	frame.Sent = outgoing(frame.Link, frame.Data)
	w.skip(len(record))
	return nil
}

// checkLengths refuses what no capture writes, before anything is allocated or counted by it.
func checkLengths(captured, length uint32) error {
	if captured > maxCaptured {
		return fmt.Errorf("record claims %d captured bytes, more than %d", captured, maxCaptured)
	}
	if length > maxLength {
		return fmt.Errorf("record claims a frame of %d bytes, more than %d", length, maxLength)
	}
	return nil
}

// linkTypeName is the number of a link type with its name where it is one that people meet.
func linkTypeName(linkType uint32) string {
	names := map[uint32]string{105: "IEEE 802.11", 127: "IEEE 802.11 radiotap", 119: "IEEE 802.11 Prism", 163: "IEEE 802.11 AVS",
		117: "PFLOG", 122: "IP over Fibre Channel", 147: "USER0", 187: "Bluetooth HCI", 189: "Linux USB", 195: "IEEE 802.15.4",
		220: "Linux USB, padded", 227: "CAN", 239: "NFLOG", 249: "USBPcap", 253: "netlink", 271: "vsock"}
	if name, ok := names[linkType]; ok {
		return fmt.Sprintf("%d (%s)", linkType, name)
	}
	return fmt.Sprint(linkType)
}
