package packet

import (
	"testing"

	"github.com/weirflow/weir/pkg/flow"
)

// mix is a realistic mix of frames: mostly TCP over IPv4, some IPv6, UDP, VLAN and ICMP.
func mix() []frame {
	frames := make([]frame, 0, 1024)
	for i := range cap(frames) {
		source, dest := uint16(1024+i*37), uint16(443)
		var data []byte
		switch {
		case i%16 == 15:
			data = ethernet(0x0800, ip4(flow.ICMP, icmp(8, 0)))
		case i%16 >= 13:
			data = ethernet(0x8100, vlan(12, 0x0800), ip4(flow.UDP, udp(source, 53)))
		case i%16 >= 8:
			data = ethernet(0x86dd, ip6(6, tcp(source, dest, ACK)))
		default:
			data = ethernet(0x0800, ip4(flow.TCP, tcp(source, dest, ACK)))
		}
		frames = append(frames, frame{link: LinkEthernet, data: data, length: uint32(len(data))})
	}
	return frames
}

func BenchmarkDecode(b *testing.B) {
	frames := mix()
	var p Packet
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		f := &frames[i&(len(frames)-1)]
		if Decode(f.link, f.data, f.length, &p) != flow.IssueNone {
			b.Fatal("not decoded")
		}
		i++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/packet")
}

func TestDecodeAllocatesNothing(t *testing.T) {
	frames := append(mix(), seeds()...)
	var p Packet
	if n := testing.AllocsPerRun(10, func() {
		for i := range frames {
			Decode(frames[i].link, frames[i].data, frames[i].length, &p)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
