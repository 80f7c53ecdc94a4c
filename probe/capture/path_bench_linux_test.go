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
// slimcap's bare iteration, over the same frames in the same TPACKET_V3 blocks, on one core, in turn. The figures are
// nanoseconds a packet: of bare iteration, of reading our ring, of reading and decoding, and of the full way, each the
// tenth percentile of many runs of pathRun packets, so that what else the machine does counts little; ratio is full to bare.
// The blocks are larger than the cache next to the core, as the kernel's are.
func BenchmarkPath(b *testing.B) {
	for _, conversations := range []int{1000, 20_000, 200_000} {
		b.Run(fmt.Sprintf("flows=%d", conversations), func(b *testing.B) {
			benchPath(b, newRingOf(b, pathFrames(conversations, 60_000)))
		})
	}
}

const pathRun = 1024

func pathTimes() []time.Duration { return make([]time.Duration, 0, 1<<14) }

func benchPath(b *testing.B, memory benchRing) {
	flows := table.New(table.DefaultConfig())
	ring, frames := memory.source(b), make([]Frame, benchBatch)
	var p packet.Packet
	var read, decoded, full, bare = pathTimes(), pathTimes(), pathTimes(), pathTimes()
	stage := func(stage int) time.Duration {
		memory.handOver()
		begin := time.Now()
		for done := 0; done < pathRun; {
			n, err := ring.Read(frames)
			if err != nil {
				b.Fatal(err)
			}
			for i := range frames[:n] {
				if stage > 0 && packet.Decode(frames[i].Link, frames[i].Data, frames[i].Length, &p) != flow.IssueNone {
					b.Fatalf("% x", frames[i].Data)
				}
				if stage > 1 {
					flows.Add(&p, frames[i].Length, frames[i].Sent, frames[i].Time)
				}
			}
			done += n
		}
		return time.Since(begin)
	}
	iterate := func() time.Duration {
		memory.handOver()
		begin := time.Now()
		for range pathRun {
			if _, _, _, err := memory.mock.NextPayloadZeroCopy(); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(begin)
	}
	for range 60_000 / pathRun * 2 { // every conversation is known
		stage(2)
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(bare) == cap(bare) {
			continue // enough to know
		}
		bare = append(bare, iterate())
		full = append(full, stage(2))
		read = append(read, stage(0))
		decoded = append(decoded, stage(1))
	}
	perPacket := func(runs []time.Duration) float64 {
		slices.Sort(runs)
		return float64(runs[len(runs)/10].Nanoseconds()) / pathRun
	}
	b.ReportMetric(perPacket(bare), "bare-ns")
	b.ReportMetric(perPacket(read), "read-ns")
	b.ReportMetric(perPacket(decoded), "decoded-ns")
	b.ReportMetric(perPacket(full), "full-ns")
	b.ReportMetric(perPacket(full)/perPacket(bare), "ratio")
	b.ReportMetric(0, "ns/op")
}
