package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/probe/packet"
)

// kernelFrame is a frame as the kernel puts it into a block.
type kernelFrame struct {
	data      []byte
	length    uint32
	sec, nsec uint32
	status    uint32
	tag       uint32
	tagType   uint16
	hardware  uint16
	kind      byte
}

// align is TPACKET_ALIGN of linux/if_packet.h.
func align(n int) int { return (n + 15) &^ 15 }

// putBlock lays frames out in a block as the kernel does (tpacket_rcv and prb_fill_curr_block in
// net/packet/af_packet.c), and marks it as handed over.
func putBlock(t testing.TB, block []byte, frames ...kernelFrame) {
	t.Helper()
	const dataAt = 82 // behind the headers, so that the IP header behind 14 bytes Ethernet is aligned
	native := binary.NativeEndian
	native.PutUint32(block[blockFrames:], uint32(len(frames)))
	native.PutUint32(block[blockFirst:], blockHeaderSize)
	at := blockHeaderSize
	for i, f := range frames {
		size := align(dataAt + len(f.data))
		if at+size > len(block) {
			t.Fatalf("%d frames are too many for the block", len(frames))
		}
		header := block[at : at+size]
		clear(header)
		if i < len(frames)-1 {
			native.PutUint32(header[frameNext:], uint32(size))
		}
		native.PutUint32(header[frameSeconds:], f.sec)
		native.PutUint32(header[frameNanoseconds:], f.nsec)
		native.PutUint32(header[frameCaptured:], uint32(len(f.data)))
		native.PutUint32(header[frameLength:], f.length)
		native.PutUint32(header[frameStatus:], f.status|unix.TP_STATUS_USER)
		native.PutUint16(header[frameData:], dataAt)
		native.PutUint32(header[frameTag:], f.tag)
		native.PutUint16(header[frameTagType:], f.tagType)
		native.PutUint16(header[frameHardware:], f.hardware)
		header[frameKind] = f.kind
		copy(header[dataAt:], f.data)
		at += size
	}
	native.PutUint32(block[blockStatus:], unix.TP_STATUS_USER|unix.TP_STATUS_BLK_TMO)
}

// TestBlockLayout holds that the offsets are those of the kernel's structs.
func TestBlockLayout(t *testing.T) {
	var (
		block   unix.TpacketBlockDesc
		header  unix.TpacketHdrV1
		frame   unix.Tpacket3Hdr
		address unix.RawSockaddrLinklayer
	)
	inBlock, inFrame := unsafe.Offsetof(block.Hdr), unsafe.Sizeof(frame)
	want := []uintptr{
		inBlock + unsafe.Offsetof(header.Block_status), inBlock + unsafe.Offsetof(header.Num_pkts),
		inBlock + unsafe.Offsetof(header.Offset_to_first_pkt), unsafe.Sizeof(block),
		unsafe.Offsetof(frame.Next_offset), unsafe.Offsetof(frame.Sec), unsafe.Offsetof(frame.Nsec),
		unsafe.Offsetof(frame.Snaplen), unsafe.Offsetof(frame.Len), unsafe.Offsetof(frame.Status), unsafe.Offsetof(frame.Mac),
		unsafe.Offsetof(frame.Hv1) + unsafe.Offsetof(frame.Hv1.Vlan_tci), unsafe.Offsetof(frame.Hv1) + unsafe.Offsetof(frame.Hv1.Vlan_tpid),
		inFrame + unsafe.Offsetof(address.Hatype), inFrame + unsafe.Offsetof(address.Pkttype), inFrame + unsafe.Sizeof(address),
	}
	got := []uintptr{
		blockStatus, blockFrames, blockFirst, blockHeaderSize, frameNext, frameSeconds, frameNanoseconds, frameCaptured,
		frameLength, frameStatus, frameData, frameTag, frameTagType, frameHardware, frameKind, frameHeaderSize,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("offsets (-linux +ours):\n%s", diff)
	}
}

func TestBlockHandsOverFrames(t *testing.T) {
	const tagged = unix.TP_STATUS_VLAN_VALID | unix.TP_STATUS_VLAN_TPID_VALID
	memory := make([]byte, 4096)
	putBlock(t, memory,
		kernelFrame{data: ramp(60, 1), length: 60, sec: 1700000000, nsec: 999999999, hardware: unix.ARPHRD_ETHER},
		kernelFrame{data: ramp(96, 2), length: 1514, sec: 1700000001, hardware: unix.ARPHRD_ETHER, kind: unix.PACKET_OUTGOING},
		kernelFrame{data: ramp(20, 3), length: 20, hardware: unix.ARPHRD_NONE, kind: unix.PACKET_MULTICAST},
		kernelFrame{data: nil, length: 0, hardware: unix.ARPHRD_CAN, kind: unix.PACKET_OTHERHOST},
		kernelFrame{data: ramp(60, 4), length: 60, hardware: unix.ARPHRD_ETHER, status: unix.TP_STATUS_VLAN_VALID, tag: 0xe123, tagType: 0xffff},
		kernelFrame{data: ramp(60, 5), length: 60, hardware: unix.ARPHRD_ETHER, status: tagged, tag: 0xe000, tagType: 0x88a8},
		kernelFrame{data: ramp(60, 6), length: 10, hardware: unix.ARPHRD_LOOPBACK, tag: 7, tagType: 0x8100},
		kernelFrame{data: ramp(60, 7), length: 60, sec: 1<<32 - 1, nsec: 1<<32 - 1, hardware: unix.ARPHRD_ETHER},
	)
	want := []Frame{
		{Data: ramp(60, 1), Length: 60, Time: 1700000000_999999999, Link: packet.LinkEthernet},
		{Data: ramp(96, 2), Length: 1514, Time: 1700000001_000000000, Sent: true, Link: packet.LinkEthernet},
		{Data: ramp(20, 3), Length: 20, Link: packet.LinkRawIP},
		{Data: []byte{}, Link: packet.LinkUnknown},
		{Data: ramp(60, 4), Length: 60, Link: packet.LinkEthernet, VLAN: 0x123, VLANType: 0x8100},
		{Data: ramp(60, 5), Length: 60, Link: packet.LinkEthernet, VLAN: 0, VLANType: 0x88a8},
		{Data: ramp(60, 6), Length: 60, Link: packet.LinkEthernet},
		{Data: ramp(60, 7), Length: 60, Time: (1<<32-1)*1e9 + 1<<32 - 1, Link: packet.LinkEthernet},
	}
	for batch := 1; batch <= len(want)+1; batch++ {
		var walk ringBlock
		if err := walk.open(memory); err != nil {
			t.Fatal(err)
		}
		var got []Frame
		frames := make([]Frame, batch)
		for walk.left > 0 {
			for i := range frames { // what the last batch left behind must not show through
				frames[i] = Frame{VLAN: 99, VLANType: 99, Sent: true, Time: 99, Length: 99}
			}
			n, err := walk.read(frames)
			if err != nil || n == 0 {
				t.Fatalf("batch of %d: %d, %v", batch, n, err)
			}
			got = append(got, frames[:n]...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("batch of %d (-want +got):\n%s", batch, diff)
		}
		for _, f := range got {
			if cap(f.Data) != len(f.Data) {
				t.Error("an append to the data would run into the next frame")
			}
		}
		if n, err := walk.read(frames); n != 0 || err != nil {
			t.Errorf("behind the end: %d, %v", n, err)
		}
	}
}

// TestBlockMalformed holds that frames in front of a malformed one are handed over, and then the block is refused.
func TestBlockMalformed(t *testing.T) {
	const size = 1024
	second := blockHeaderSize + align(82+60)
	for _, test := range []struct {
		name   string
		at     int
		value  uint32
		frames int // that are handed over first; -1: the block is refused when it is opened
	}{
		{"first frame within the block header", blockFirst, blockHeaderSize - 1, -1},
		{"first frame at 0", blockFirst, 0, -1},
		{"first frame behind the block", blockFirst, size + 1, -1},
		{"first frame at the end", blockFirst, size, 0},
		{"first frame half in the block", blockFirst, size - frameHeaderSize + 1, 0},
		{"more frames than there are", blockFrames, 4, 3},
		{"very many frames", blockFrames, 1<<32 - 1, 3},
		{"next frame is this one", second + frameNext, 0, 2},
		{"next frame within this one's header", second + frameNext, frameHeaderSize - 1, 2},
		{"next frame behind the block", second + frameNext, size, 2},
		{"next frame far away", second + frameNext, 1<<32 - 1, 2},
		{"more data than the block has", second + frameCaptured, uint32(size - second - 82 + 1), 1},
		{"very much data", second + frameCaptured, 1<<32 - 1, 1},
		{"data behind the block", second + frameData, 65535, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			memory := make([]byte, size)
			f := kernelFrame{data: ramp(60, 1), length: 60, hardware: unix.ARPHRD_ETHER}
			putBlock(t, memory, f, f, f)
			binary.NativeEndian.PutUint32(memory[test.at:], test.value)
			var walk ringBlock
			err := walk.open(memory)
			if test.frames < 0 {
				if !errors.Is(err, errBlock) {
					t.Errorf("open: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			frames := make([]Frame, 8)
			if test.frames > 0 {
				if n, err := walk.read(frames); n != test.frames || err != nil {
					t.Fatalf("%d frames, %v; want %d", n, err, test.frames)
				}
			}
			for range 2 {
				if n, err := walk.read(frames); n != 0 || !errors.Is(err, errBlock) {
					t.Errorf("%d frames, %v", n, err)
				}
			}
		})
	}
	var walk ringBlock
	if err := walk.open(make([]byte, blockHeaderSize-1)); !errors.Is(err, errBlock) {
		t.Errorf("a block without a header: %v", err)
	}
	if err := walk.open(make([]byte, blockHeaderSize)); err != nil || walk.left != 0 {
		t.Errorf("a block without frames: %v, %d", err, walk.left)
	}
}

// FuzzBlock holds that a hostile block is never read out of its bounds, gives frames that lie behind one another
// within it, and comes to an end.
func FuzzBlock(f *testing.F) {
	seed := make([]byte, 512)
	putBlock(f, seed,
		kernelFrame{data: ramp(60, 1), length: 60, hardware: unix.ARPHRD_ETHER},
		kernelFrame{data: ramp(20, 2), length: 1500, hardware: unix.ARPHRD_NONE, status: unix.TP_STATUS_VLAN_VALID, tag: 5})
	f.Add(seed, uint8(1))
	f.Add(seed[:blockHeaderSize+frameHeaderSize], uint8(7))
	f.Add(seed[:blockHeaderSize], uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, batch uint8) {
		// The block stands in the middle of memory that it must not reach.
		memory := bytes.Repeat([]byte{0xaa}, len(data)+512)
		inside := memory[256 : 256+len(data)]
		copy(inside, data)
		var walk ringBlock
		if walk.open(inside) != nil {
			return
		}
		low, high := uintptr(unsafe.Pointer(&memory[0]))+256, uintptr(unsafe.Pointer(&memory[0]))+256+uintptr(len(data))
		frames, total := make([]Frame, int(batch)+1), 0
		for walk.left > 0 {
			at := walk.at
			n, err := walk.read(frames)
			if err != nil {
				if n != 0 || !errors.Is(err, errBlock) {
					t.Fatalf("%d frames with %v", n, err)
				}
				break
			}
			if n == 0 || n > len(frames) || walk.at <= at {
				t.Fatalf("%d frames from %d to %d", n, at, walk.at)
			}
			total += n
			for _, frame := range frames[:n] {
				start := uintptr(unsafe.Pointer(unsafe.SliceData(frame.Data)))
				if len(frame.Data) > 0 && (start < low || start+uintptr(cap(frame.Data)) > high) {
					t.Fatal("data outside of the block")
				}
				if int64(frame.Length) < int64(len(frame.Data)) || frame.VLAN > vlanMask {
					t.Fatalf("%+v", frame)
				}
			}
		}
		if total > len(data)/frameHeaderSize+1 {
			t.Fatalf("%d frames in %d bytes", total, len(data))
		}
		if !bytes.Equal(inside, data) {
			t.Fatal("the block was written to")
		}
	})
}
