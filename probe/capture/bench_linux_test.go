//go:build linux && !slimcap_nomock

package capture

import (
	"encoding/binary"
	"reflect"
	"sync/atomic"
	"testing"
	"unsafe"

	slimcap "github.com/fako1024/slimcap/capture"
	"github.com/fako1024/slimcap/capture/afpacket/afring"
	"github.com/fako1024/slimcap/filter"
	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// benchFrames is a realistic mix of frames, as the kernel would hand them over.
func benchFrames() [][]byte {
	frames := make([][]byte, 256)
	for i := range frames {
		address := "10.0.0.1"
		if i%4 == 0 {
			address = "2001:db8::1"
		}
		f := ethernetFrom(address)
		next, ports := 14+9, []byte{byte(i), 1, 1, 187}
		if i%4 == 0 {
			next = 14 + 6
		}
		f[next] = 6
		f = append(f, append(ports, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 16, 4, 0, 0, 0, 0, 0)...)
		if i%4 == 0 {
			f[14+5] = 20
		} else {
			f[14+3] = 40
		}
		frames[i] = f
	}
	return frames
}

const (
	benchBlocks    = 4
	benchBlockSize = 1 << 20
	benchBatch     = 64  // frames of one Read
	benchHandOver  = 512 // frames between handing the blocks over
)

// benchRing is slimcap's mock of a ring with all blocks filled, and its memory, which our ring reads as well.
type benchRing struct {
	mock      *afring.MockSourceNoDrain
	memory    []byte
	blockSize int
}

func newBenchRing(b testing.TB) benchRing { return newRingOf(b, benchFrames(), benchBlockSize) }

func newRingOf(b testing.TB, frames [][]byte, blockSize int) benchRing {
	b.Helper()
	mock, err := afring.NewMockSourceNoDrain("mock",
		afring.CaptureLength(filter.CaptureLengthFixed(96)), afring.BufferSize(blockSize, benchBlocks))
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; mock.CanAddPackets(); i++ {
		data := frames[i%len(frames)]
		if err := mock.AddPacket(slimcap.NewIPPacket(nil, data, slimcap.PacketType(i%5), len(data), 14)); err != nil {
			b.Fatal(err)
		}
	}
	mock.FinalizeBlock(false)
	memory := reflect.ValueOf(mock.Source).Elem().FieldByName("ringBuffer").FieldByName("ring").Bytes()
	ring := benchRing{mock, memory, blockSize}
	ring.setHardware()
	ring.handOver()
	return ring
}

// setHardware completes the mock's frames by the device type, as the kernel gives it.
func (r benchRing) setHardware() {
	for start := 0; start < len(r.memory); start += r.blockSize {
		block := r.memory[start : start+r.blockSize]
		at := blockHeaderSize
		for range binary.NativeEndian.Uint32(block[blockFrames:]) {
			binary.NativeEndian.PutUint16(block[at+frameHardware:], unix.ARPHRD_ETHER)
			at += int(binary.NativeEndian.Uint32(block[at+frameNext:]))
		}
	}
}

// handOver makes all blocks the reader's again, in the kernel's place. Called every benchHandOver frames, both rings always have
// one at hand and never wait.
func (r benchRing) handOver() {
	for start := 0; start < len(r.memory); start += r.blockSize {
		atomic.StoreUint32((*uint32)(unsafe.Pointer(&r.memory[start+blockStatus])), unix.TP_STATUS_USER)
	}
}

// source is our ring over the same memory.
func (r benchRing) source(b testing.TB) *ring {
	ours := memoryRing(b, r.blockSize, benchBlocks, false)
	ours.memory = r.memory
	return ours
}

// BenchmarkCaptureLoop sets iteration over a ring and the loop of a probe (read and decode) beside each other: ours
// (ring-bare, ring) and that of slimcap (slimcap-bare, weir), over the same blocks in memory.
func BenchmarkCaptureLoop(b *testing.B) {
	ring := newBenchRing(b)
	b.Run("ring-bare", func(b *testing.B) { benchBatches(b, ring, ring.source(b), false) })
	b.Run("slimcap-bare", func(b *testing.B) {
		bytes := uint64(0)
		b.ReportAllocs()
		for i := range b.N {
			if i%benchHandOver == 0 {
				ring.handOver()
			}
			_, _, length, err := ring.mock.NextPayloadZeroCopy()
			if err != nil {
				b.Fatal(err)
			}
			bytes += uint64(length)
		}
		perPacket(b, bytes)
	})
	b.Run("ring", func(b *testing.B) { benchBatches(b, ring, ring.source(b), true) })
	b.Run("weir", func(b *testing.B) {
		benchBatches(b, ring, NewSlimcap(ring.mock, "mock", packet.LinkEthernet), true)
	})
}

// benchBatches reads, and decodes if it is said so, b.N frames.
func benchBatches(b *testing.B, ring benchRing, source Source, decode bool) {
	frames := make([]Frame, benchBatch)
	var p packet.Packet
	bytes, issues := uint64(0), 0
	ring.handOver()
	b.ReportAllocs()
	b.ResetTimer()
	for done, handed := 0, 0; done < b.N; {
		n, err := source.Read(frames)
		if err != nil {
			b.Fatal(err)
		}
		for i := range frames[:n] {
			f := &frames[i]
			if decode && packet.Decode(f.Link, f.Data, f.Length, &p) != flow.IssueNone {
				issues++
			}
			bytes += uint64(f.Length)
		}
		if done += n; done >= handed+benchHandOver {
			handed = done
			ring.handOver()
		}
	}
	perPacket(b, bytes)
	if issues > 0 {
		b.Fatalf("%d issues", issues)
	}
}

func perPacket(b *testing.B, bytes uint64) {
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/packet")
	if bytes == 0 {
		b.Fatal("nothing was read")
	}
}

// TestRingAllocatesNothing holds it for the whole way of a frame through Read.
func TestRingAllocatesNothing(t *testing.T) {
	ring := newBenchRing(t)
	source, frames := ring.source(t), make([]Frame, benchBatch)
	if n := testing.AllocsPerRun(100, func() {
		if n, err := source.Read(frames); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		ring.handOver()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestRingReadsSlimcapsBlocks holds that both iterate over the same frames, so that comparing their cost means something.
func TestRingReadsSlimcapsBlocks(t *testing.T) {
	ring := newBenchRing(t)
	source, frames := ring.source(t), make([]Frame, 100)
	blocks := map[uintptr]bool{}
	for range 20_000 / len(frames) {
		n, err := source.Read(frames)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames[:n] {
			data, kind, length, err := ring.mock.NextPayloadZeroCopy()
			if err != nil {
				t.Fatal(err)
			}
			if unsafe.SliceData(data) != unsafe.SliceData(f.Data) || len(data) != len(f.Data) || length != f.Length ||
				f.Sent != (kind == slimcap.PacketOutgoing) || f.Link != packet.LinkEthernet {
				t.Fatalf("ring %p %d %+v, slimcap %p %d %v", f.Data, len(f.Data), f, data, length, kind)
			}
			blocks[(uintptr(unsafe.Pointer(unsafe.SliceData(f.Data)))-uintptr(unsafe.Pointer(&ring.memory[0])))/benchBlockSize] = true
		}
		ring.handOver()
	}
	if len(blocks) < 3 {
		t.Errorf("only blocks %v were read", blocks)
	}
}
