package capture

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/probe/packet"
)

// memoryRing is a ring over memory that the test fills in the kernel's place; an event counter stands for its socket,
// which is readable where promising is set.
func memoryRing(t testing.TB, blockSize, blocks int, promising bool) *ring {
	t.Helper()
	r := &ring{name: "mock", latency: Latency, blockSize: blockSize, memory: make([]byte, blockSize*blocks)}
	initial := uint(0)
	if promising {
		initial = 1
	}
	var err error
	if r.socket, err = unix.Eventfd(initial, unix.EFD_CLOEXEC); err == nil {
		r.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.memory = nil // it is not mapped
		if err := r.release(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *ring) blockAt(i int) []byte { return r.memory[i*r.blockSize:][:r.blockSize] }

// statusOf is the status word of a block, as the kernel looks at it.
func (r *ring) statusOf(i int) *uint32 {
	return (*uint32)(unsafe.Pointer(&r.memory[i*r.blockSize+blockStatus]))
}

func numbered(from, count int) []kernelFrame {
	frames := make([]kernelFrame, count)
	for i := range frames {
		frames[i] = kernelFrame{data: ramp(60, byte(from+i)), length: 60, hardware: unix.ARPHRD_ETHER}
	}
	return frames
}

// TestRingKeepsABatchUntilTheNextRead holds that a block is given back by the Read after its last frame, not by the
// one that hands it over: the data of a batch is the reader's until then, at block borders too.
func TestRingKeepsABatchUntilTheNextRead(t *testing.T) {
	for batch := 1; batch <= 12; batch++ {
		const perBlock, blocks, rounds = 5, 3, 4
		r := memoryRing(t, 4096, blocks, false)
		for i := range blocks {
			putBlock(t, r.blockAt(i), numbered(i*perBlock, perBlock)...)
		}
		frames, filled := make([]Frame, batch), [blocks]int{} // how often a block was filled again
		for seen := 0; seen < perBlock*blocks*rounds; {
			n, err := r.Read(frames)
			if err != nil || n == 0 {
				t.Fatalf("batch of %d, frame %d: %d, %v", batch, seen, n, err)
			}
			at := seen / perBlock % blocks
			if atomic.LoadUint32(r.statusOf(at)) == unix.TP_STATUS_KERNEL {
				t.Fatalf("batch of %d, frame %d: its block is the kernel's already", batch, seen)
			}
			for i, f := range frames[:n] {
				if want := ramp(60, byte((seen+i)%256)); !slices.Equal(f.Data, want) || f.Link != packet.LinkEthernet {
					t.Fatalf("batch of %d, frame %d: %+v", batch, seen+i, f)
				}
			}
			// The kernel fills every block that it has got back.
			for i := range blocks {
				if atomic.LoadUint32(r.statusOf(i)) == unix.TP_STATUS_KERNEL {
					filled[i]++
					putBlock(t, r.blockAt(i), numbered((filled[i]*blocks+i)*perBlock, perBlock)...)
				}
			}
			seen += n
		}
	}
}

func TestRingPassesOverEmptyBlocks(t *testing.T) {
	r := memoryRing(t, 4096, 3, false)
	putBlock(t, r.blockAt(0))
	putBlock(t, r.blockAt(1))
	putBlock(t, r.blockAt(2), numbered(7, 1)...)
	frames := make([]Frame, 4)
	if n, err := r.Read(frames); n != 1 || err != nil || frames[0].Data[0] != 7 {
		t.Fatalf("%d, %v", n, err)
	}
	for i, want := range []uint32{unix.TP_STATUS_KERNEL, unix.TP_STATUS_KERNEL, unix.TP_STATUS_USER | unix.TP_STATUS_BLK_TMO} {
		if got := atomic.LoadUint32(r.statusOf(i)); got != want {
			t.Errorf("block %d: status %#x, want %#x", i, got, want)
		}
	}
	r.Wake()
	if n, err := r.Read(frames); n != 0 || err != nil {
		t.Errorf("woken: %d, %v", n, err)
	}
	if got := atomic.LoadUint32(r.statusOf(2)); got != unix.TP_STATUS_KERNEL {
		t.Errorf("the last block was not given back before the wait: %#x", got)
	}
}

// TestRingWakesAreRemembered holds that a wake before a Read ends it, that several are taken as one, and that frames
// at hand come first.
func TestRingWakesAreRemembered(t *testing.T) {
	r := memoryRing(t, 4096, 2, false)
	frames := make([]Frame, 4)
	for range 3 {
		r.Wake()
	}
	putBlock(t, r.blockAt(0), numbered(1, 1)...)
	if n, err := r.Read(frames); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if n, err := r.Read(frames); n != 0 || err != nil {
		t.Fatalf("woken: %d, %v", n, err)
	}
	events := []unix.PollFd{{Fd: int32(r.event), Events: unix.POLLIN}}
	if n, err := unix.Poll(events, 0); n != 0 || err != nil {
		t.Errorf("a wake is left over: %d, %v", n, err)
	}
	if n, err := r.Read(nil); n != 0 || err != nil {
		t.Errorf("no room for frames: %d, %v", n, err)
	}
}

func TestRingFaultsAreFinal(t *testing.T) {
	t.Run("malformed", func(t *testing.T) {
		r := memoryRing(t, 4096, 2, false)
		putBlock(t, r.blockAt(0), numbered(1, 2)...)
		r.memory[blockFrames]++
		frames := make([]Frame, 4)
		if n, err := r.Read(frames); n != 2 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		for range 2 {
			if n, err := r.Read(frames); n != 0 || !errors.Is(err, errBlock) {
				t.Errorf("%d, %v", n, err)
			}
		}
	})
	t.Run("malformed from the start", func(t *testing.T) {
		r := memoryRing(t, 4096, 2, false)
		putBlock(t, r.blockAt(0), numbered(1, 2)...)
		r.memory[blockFirst] = 1
		if n, err := r.Read(make([]Frame, 4)); n != 0 || !errors.Is(err, errBlock) {
			t.Errorf("%d, %v", n, err)
		}
	})
	t.Run("out of step", func(t *testing.T) {
		r := memoryRing(t, 4096, 2, true)
		putBlock(t, r.blockAt(1), numbered(1, 2)...)
		if n, err := r.Read(make([]Frame, 4)); n != 0 || !errors.Is(err, errOutOfStep) {
			t.Errorf("%d, %v", n, err)
		}
	})
}

// TestBehind: a reader is behind where the block half a ring ahead of its own waits to be read.
func TestBehind(t *testing.T) {
	const blockSize, blocks = 4096, 8
	r := &ring{memory: make([]byte, blocks*blockSize), blockSize: blockSize}
	set := func(block int, status uint32) {
		binary.NativeEndian.PutUint32(r.memory[block*blockSize+blockStatus:], status)
	}
	for block := range blocks {
		for ahead := range blocks {
			r.current = block * blockSize
			set((block+ahead)%blocks, unix.TP_STATUS_USER)
			if behind := r.Behind(); behind != (ahead == blocks/2) {
				t.Errorf("block %d: behind %t by %d blocks of %d", block, behind, ahead, blocks)
			}
			set((block+ahead)%blocks, unix.TP_STATUS_KERNEL)
		}
	}
	if (&ring{}).Behind() {
		t.Error("a closed ring is behind")
	}
}
