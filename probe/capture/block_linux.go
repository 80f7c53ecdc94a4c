package capture

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/probe/packet"
)

// The kernel's layout (linux/if_packet.h) of a block: struct tpacket_block_desc, then the frames, each a struct
// tpacket3_hdr and a struct sockaddr_ll in front of its data; all in the machine's byte order.
const (
	blockStatus     = 8  // block_status: who owns the block
	blockFrames     = 12 // num_pkts
	blockFirst      = 16 // offset_to_first_pkt
	blockHeaderSize = 48

	frameNext        = 0  // tp_next_offset: from this frame to the next, 0 in the last
	frameSeconds     = 4  // tp_sec
	frameNanoseconds = 8  // tp_nsec
	frameCaptured    = 12 // tp_snaplen
	frameLength      = 16 // tp_len
	frameStatus      = 20 // tp_status
	frameData        = 24 // tp_mac: from this frame to its data
	frameTag         = 32 // hv1.tp_vlan_tci
	frameTagType     = 36 // hv1.tp_vlan_tpid
	frameHardware    = 56 // sll_hatype
	frameKind        = 58 // sll_pkttype
	frameHeaderSize  = 68
)

const (
	vlanMask    = 0x0fff // the VLAN id within a tag
	defaultVLAN = 0x8100 // the type of a tag where an old kernel does not say
)

// errBlock says that a block of the ring is not what the kernel promises.
var errBlock = errors.New("block of the ring is malformed")

// ringBlock walks the frames of one block. Whatever the block says, it reads nothing outside of it and ends: every frame
// lies behind the one before.
type ringBlock struct {
	data     []byte
	at       int    // where the next frame starts
	left     uint32 // frames that are not handed over yet
	hardware uint16 // device type of the last frame
	link     packet.Link
	filtered bool // frames that the filter leaves out are marked
}

// open starts on a block that is owned by the reader.
func (b *ringBlock) open(data []byte) error {
	if len(data) < blockHeaderSize {
		return errBlock
	}
	frames, first := binary.NativeEndian.Uint32(data[blockFrames:]), binary.NativeEndian.Uint32(data[blockFirst:])
	if frames > 0 && (first < blockHeaderSize || uint64(first) > uint64(len(data))) {
		return errBlock
	}
	b.data, b.at, b.left = data, int(first), frames
	return nil
}

// read hands over the block's next frames, none if there are none left. Frames in front of a malformed one are
// handed over first; the error comes with the next call.
func (b *ringBlock) read(frames []Frame) (int, error) {
	frames = frames[:min(uint64(len(frames)), uint64(b.left))]
	rest := b.data[b.at:len(b.data):len(b.data)] // from the frame at hand on
	for i := range frames {
		if len(rest) < frameHeaderSize {
			return b.stop(i, len(rest))
		}
		header := (*[frameHeaderSize]byte)(rest)
		captured, start := binary.NativeEndian.Uint32(header[frameCaptured:]), binary.NativeEndian.Uint16(header[frameData:])
		end := uint(start) + uint(captured)
		if end > uint(len(rest)) {
			return b.stop(i, len(rest))
		}
		if hardware := binary.NativeEndian.Uint16(header[frameHardware:]); hardware != b.hardware {
			b.relink(hardware)
		}
		f := &frames[i]
		f.Data = rest[start:end:end]
		f.Length = max(binary.NativeEndian.Uint32(header[frameLength:]), captured)
		f.Time = int64(binary.NativeEndian.Uint32(header[frameSeconds:]))*1e9 +
			int64(binary.NativeEndian.Uint32(header[frameNanoseconds:]))
		f.Sent = header[frameKind] == unix.PACKET_OUTGOING
		f.Link = b.link
		f.VLAN, f.VLANType = 0, 0
		if captured == filteredMark || binary.NativeEndian.Uint32(header[frameStatus:])&unix.TP_STATUS_VLAN_VALID != 0 {
			b.unusual(f, header)
		}
		// Where there is no next frame go to the end of the block: who asks for one more fails.
		next := uint(binary.NativeEndian.Uint32(header[frameNext:]))
		if next < frameHeaderSize || next > uint(len(rest)) {
			next = uint(len(rest))
		}
		rest = rest[next:]
	}
	b.at = len(b.data) - len(rest)
	b.left -= uint32(len(frames))
	return len(frames), nil
}

// relink notes that frames are of another device type from here on.
//
//go:noinline
func (b *ringBlock) relink(hardware uint16) {
	b.hardware, b.link = hardware, packet.FromARPHRD(hardware)
}

// unusual completes a frame that was filtered, or whose tag the kernel took out.
func (b *ringBlock) unusual(f *Frame, header *[frameHeaderSize]byte) {
	if b.filtered && len(f.Data) == filteredMark && f.Length > filteredMark {
		f.Link = packet.LinkFiltered
	}
	if status := binary.NativeEndian.Uint32(header[frameStatus:]); status&unix.TP_STATUS_VLAN_VALID != 0 {
		f.VLAN, f.VLANType = tag(header, status)
	}
}

// stop ends a batch of n frames at a malformed one, behind which so many bytes are left.
func (b *ringBlock) stop(n, left int) (int, error) {
	b.at = len(b.data) - left
	b.left -= uint32(n)
	if n > 0 {
		return n, nil
	}
	return 0, errBlock
}

// tag is the VLAN id and type of the tag the kernel took out.
func tag(header *[frameHeaderSize]byte, status uint32) (id, etherType uint16) {
	id, etherType = uint16(binary.NativeEndian.Uint32(header[frameTag:])), defaultVLAN
	if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		etherType = binary.NativeEndian.Uint16(header[frameTagType:])
	}
	return id & vlanMask, etherType
}
