//go:build linux && !slimcap_nomock

package capture

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
	"github.com/weirflow/weir/probe/table"
)

// pathFrames are frames of so many conversations: two of three TCP, one of four IPv6, both directions, of the sizes of
// real traffic; some talk more than others.
func pathFrames(conversations, count int) [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	frames := make([][]byte, count)
	for i := range frames {
		n := int(float64(conversations) * random.Float64() * random.Float64())
		identity := rand.New(rand.NewPCG(3, uint64(n)))
		source, destination := uint16(identity.Uint32()), uint16(identity.Uint32())
		ports := [2]uint16{uint16(32768 + identity.IntN(28000)), 443}
		protocol := byte(6)
		if n%3 == 0 {
			protocol, ports[1] = 17, 53
		}
		if random.IntN(2) == 0 {
			source, destination, ports = destination, source, [2]uint16{ports[1], ports[0]}
		}
		head := append(portsOf(ports[0], ports[1]), make([]byte, []int{0, 40, 500, 1400}[random.IntN(4)])...)
		head[13] = packet.ACK
		if n%4 == 0 {
			frames[i] = etherFrame(0x86dd, packet6(source, destination, protocol, head)...)
		} else {
			frames[i] = etherFrame(0x0800, packet4(source, destination, protocol, 0, head)...)
		}
	}
	return frames
}

// BenchmarkPath is the way of a packet in a probe — read, decode, add to a table that knows its conversation — beside
// slimcap's bare iteration, over the same frames in the same TPACKET_V3 blocks, on one core, in turn. The blocks
// of flows=N are 4 of 1 MiB, more than the cache next to the core holds; those of blocks=10MiB are as in slimcap's own
// benchmark (BenchmarkCaptureMethods), 4 of 10 MiB, more than any cache holds, with 20,000 flows.
//
// Figures are nanoseconds a packet: zero-copy-ns, payload-ns, packet-ns are slimcap's iteration by NextPayloadZeroCopy,
// NextPayload and NextPacket into a buffer of the caller; read-ns is reading our ring, decoded-ns reading and decoding,
// full-ns all of it, meter-ns what decoding and the table take of it; ratio is full to each of slimcap's. Each is the
// hundredth part's quantile of many runs of pathRun packets, so that what else the machine does counts little.
func BenchmarkPath(b *testing.B) {
	for _, conversations := range []int{1000, 20_000, 200_000} {
		b.Run(fmt.Sprintf("flows=%d", conversations), func(b *testing.B) {
			benchPath(b, newRingOf(b, pathFrames(conversations, 60_000), benchBlockSize))
		})
	}
	b.Run("blocks=10MiB", func(b *testing.B) {
		benchPath(b, newRingOf(b, pathFrames(20_000, 60_000), 10<<20))
	})
}

const (
	pathRun  = 1024
	pathRuns = 1 << 13 // enough to know
)

// wayIn is a table and what is on its way there.
type wayIn struct {
	ring   *ring
	frames []Frame
	flows  *table.Table
	batch  table.Batch
	packet packet.Packet
	issues int
}

// read reads pathRun frames.
func (w *wayIn) read(b *testing.B, each func(f *Frame)) {
	for done := 0; done < pathRun; {
		n, err := w.ring.Read(w.frames)
		if err != nil {
			b.Fatal(err)
		}
		for i := range w.frames[:n] {
			each(&w.frames[i])
		}
		done += n
	}
	w.batch.Flush()
}

func (w *wayIn) nothing(*Frame) {}

func (w *wayIn) decode(f *Frame) {
	if packet.Decode(f.Link, f.Data, f.Length, &w.packet) != flow.IssueNone {
		w.issues++
	}
}

func (w *wayIn) add(f *Frame) {
	a := w.batch.Next()
	if packet.Decode(f.Link, f.Data, f.Length, &a.Packet) != flow.IssueNone {
		w.issues++
		return
	}
	a.Into, a.Length, a.Sent, a.Time = w.flows, f.Length, f.Sent, f.Time
	w.batch.Take()
}

func benchPath(b *testing.B, memory benchRing) {
	w := &wayIn{ring: memory.source(b), frames: make([]Frame, benchBatch), flows: table.New(table.DefaultConfig())}
	defer w.flows.Close()
	buffer := memory.mock.NewPacket()
	stages := []struct {
		unit string
		run  func()
	}{
		{"zero-copy-ns", func() {
			for range pathRun {
				if _, _, _, err := memory.mock.NextPayloadZeroCopy(); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{"payload-ns", func() {
			for range pathRun {
				if _, _, _, err := memory.mock.NextPayload(buffer.Payload()); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{"packet-ns", func() {
			for range pathRun {
				if _, err := memory.mock.NextPacket(buffer); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{"read-ns", func() { w.read(b, w.nothing) }},
		{"decoded-ns", func() { w.read(b, w.decode) }},
		{"full-ns", func() { w.read(b, w.add) }},
	}
	times := make([][]time.Duration, len(stages))
	for i := range times {
		times[i] = make([]time.Duration, 0, pathRuns)
	}
	for range len(memory.memory) / 176 / pathRun * 2 { // every conversation is known
		memory.handOver()
		w.read(b, w.add)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range stages {
			if len(times[i]) == pathRuns {
				break
			}
			memory.handOver()
			begin := time.Now()
			stages[i].run()
			times[i] = append(times[i], time.Since(begin))
		}
	}
	if w.issues > 0 {
		b.Fatalf("%d issues", w.issues)
	}
	reportPath(b, times, func(i int) string { return stages[i].unit })
}

func reportPath(b *testing.B, times [][]time.Duration, unit func(int) string) {
	figures := make([]float64, len(times))
	for i, runs := range times {
		slices.Sort(runs)
		figures[i] = float64(runs[len(runs)/100].Nanoseconds()) / pathRun
		b.ReportMetric(figures[i], unit(i))
	}
	read, full := figures[len(figures)-3], figures[len(figures)-1]
	b.ReportMetric(full-read, "meter-ns")
	for i, name := range []string{"zero-copy", "payload", "packet"} {
		b.ReportMetric(full/figures[i], name+"-ratio")
	}
	b.ReportMetric(0, "ns/op")
}
