package packet

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
)

// FuzzDecode holds for any bytes: nothing outside the slice is read (it has no spare capacity, so that would panic;
// and with capacity, what stands there changes nothing), what is reported lies within the frame, decoding is a function
// of the bytes and not of what out held, the short way of common frames gives what the long one gives, and a packet
// with its addresses and ports exchanged decodes to the exchanged tuple. All of it holds for what tunnels carry, too.
func FuzzDecode(f *testing.F) {
	for _, seed := range append(seeds(), tunnelSeeds()...) {
		f.Add(uint16(seed.link), seed.data, seed.length)
	}
	// Traces are welcome where they are; fuzzing does not skip where they are not.
	traces, _ := filepath.Glob(filepath.Join(testenv.SharedDir(), "pcaps", "*.pcap"))
	for _, path := range traces {
		frames := readTrace(f, path)
		for n := 0; n < len(frames); n += 1 + len(frames)/8 {
			data := frames[n].data[:min(len(frames[n].data), 512)]
			f.Add(uint16(frames[n].link), data, frames[n].length)
		}
	}
	f.Fuzz(func(t *testing.T, link uint16, data []byte, length uint32) {
		data = exact(data)
		length = max(length, uint32(len(data)))
		var p, again, long Packet
		issue := Decode(Link(link), data, length, &p)
		for _, b := range []byte{0, 0xff} {
			again = Packet{Quoted: true, Quote: Quote{SourcePort: 1}, Tags: 9, HasTCP: true}
			if Decode(Link(link), guarded(data, b), length, &again) != issue || issue == flow.IssueNone && p != again {
				t.Fatal("what stands behind the frame, or was decoded before, is seen")
			}
		}
		if long.decode(Link(link), data, 0, max(int(length), len(data))) != issue || issue == flow.IssueNone && p != long {
			t.Fatalf("the short way gives %+v, the long one %+v", p, long)
		}
		if issue >= flow.IssueCount {
			t.Fatalf("issue %d", issue)
		}
		if issue != flow.IssueNone {
			return
		}
		consistent(t, data, &p)
		within(t, data, p)
		reversed(t, Link(link), data, length, &p)
	})
}

// guarded is data with capacity left, in which b stands.
func guarded(data []byte, b byte) []byte {
	longer := append(slices.Clone(data), bytes.Repeat([]byte{b}, 128)...)
	return longer[:len(data)]
}

// within looks into the tunnels of a packet.
func within(t *testing.T, data []byte, p Packet) {
	for range MaxTunnels {
		var inner, again Packet
		tunnel, length, issue := p.Inner(data, &inner)
		for _, b := range []byte{0, 0xff} {
			tunnelAgain, lengthAgain, issueAgain := p.Inner(guarded(data, b), &again)
			if tunnelAgain != tunnel || lengthAgain != length || issueAgain != issue || issue == flow.IssueNone && inner != again {
				t.Fatal("what stands behind the frame is seen")
			}
		}
		if tunnel.Kind == TunnelNone || issue != flow.IssueNone {
			return
		}
		consistent(t, data, &inner)
		if inner.NetworkOffset < p.TransportOffset || length == 0 || !p.FirstFragment && length > p.IPLength {
			t.Fatalf("an inner packet at %d, of %d bytes, in %+v", inner.NetworkOffset, length, p)
		}
		p = inner
	}
}

func consistent(t *testing.T, data []byte, p *Packet) {
	header, word := uint32(20), 4
	if p.Family == flow.IPv6 {
		header, word = 40, 16
	} else if p.Family != flow.IPv4 {
		t.Fatalf("family %d", p.Family)
	}
	if p.TransportOffset < p.NetworkOffset+header || int(p.TransportOffset) > len(data) {
		t.Fatalf("offsets %d and %d in %d bytes", p.NetworkOffset, p.TransportOffset, len(data))
	}
	for _, b := range append(p.Source[word:], p.Destination[word:]...) {
		if b != 0 {
			t.Fatal("an IPv4 address is longer than 4 bytes")
		}
	}
	if (p.Fragment || p.FirstFragment) != (p.MoreFragments || p.FragmentOffset > 0) || p.Fragment != (p.FragmentOffset > 0) {
		t.Fatalf("contradiction: %+v", p)
	}
	if p.Fragment && (p.FirstFragment || p.HasPorts || p.HasTCP || p.HasICMP) || p.HasPorts && p.HasICMP || p.HasTCP && !p.HasPorts {
		t.Fatalf("contradiction: %+v", p)
	}
	if !p.HasPorts && (p.SourcePort != 0 || p.DestinationPort != 0) || p.Quoted && !p.HasICMP {
		t.Fatalf("contradiction: %+v", p)
	}
}

// reversed exchanges addresses and ports in the frame and in the packet, and expects both to agree.
func reversed(t *testing.T, link Link, data []byte, length uint32, p *Packet) {
	size, at := 4, p.NetworkOffset+12
	if p.Family == flow.IPv6 {
		size, at = 16, p.NetworkOffset+8
	}
	swap(data, int(at), size)
	want := *p
	want.Source, want.Destination = p.Destination, p.Source
	if p.HasPorts {
		swap(data, int(p.TransportOffset), 2)
		want.SourcePort, want.DestinationPort = p.DestinationPort, p.SourcePort
	}
	var got Packet
	if issue := Decode(link, data, length, &got); issue != flow.IssueNone || got != want {
		t.Fatalf("reversed: %v %+v, want %+v", issue, got, want)
	}
}

// swap exchanges two neighbours of size bytes.
func swap(data []byte, at, size int) {
	for i := at; i < at+size; i++ {
		data[i], data[i+size] = data[i+size], data[i]
	}
}

func seeds() []frame {
	inner := ip6(destination, join(extension(6, 0), tcp(1, 2, SYN)))
	list := []frame{
		{link: LinkEthernet, data: ethernet(0x0800, ip4(flow.TCP, tcp(40000, 443, SYN)))},
		{link: LinkEthernet, data: ethernet(0x88a8, vlan(1, 0x8100), vlan(2, 0x8847), label(1, false), label(2, true), ip6(hopByHop, join(extension(58, 1), icmp(1, 0, inner))))},
		{link: LinkEthernet, data: ethernet(0x8864, []byte{0x11, 0, 0, 1, 0, 30}, be16(0x21), ip4(flow.ICMP, icmp(3, 3, ip4(flow.TCP, tcp(1, 2, SYN)))))},
		{link: LinkRawIP, data: ip6(fragment, join(fragment6(17, 0, true, 1), udp(1, 2)))},
		{link: LinkRawIP, data: ip4(flow.UDP, udp(1, 2), set16(6, 0x2001))},
		{link: LinkNull, data: join([]byte{0, 0, 0, 2}, ip4(flow.SCTP, udp(1, 2)))},
		{link: LinkSLL2, data: join(be16(0x86dd), make([]byte, 18), inner)},
		{link: LinkPPP, data: join([]byte{0xff, 3, 0, 0x57}, inner)},
	}
	for i := range list {
		list[i].length = uint32(len(list[i].data))
	}
	return list
}
