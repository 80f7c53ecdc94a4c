package packet

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// decoded decodes a raw IP packet that is none of the faulty ones.
func decoded(t testing.TB, data []byte) *Packet {
	t.Helper()
	p := &Packet{}
	if issue := Decode(LinkRawIP, data, uint32(len(data)), p); issue != flow.IssueNone {
		t.Fatal(issue)
	}
	return p
}

// id4 is an edit for ip4: an identification and the bits of a fragment.
func id4(id, bits uint16) func([]byte) {
	return func(h []byte) {
		binary.BigEndian.PutUint16(h[4:], id)
		binary.BigEndian.PutUint16(h[6:], bits)
	}
}

func TestFragmentsJoin(t *testing.T) {
	first4 := ip4(flow.UDP, udp(40000, 53), id4(1, 0x2000))
	later4 := ip4(flow.UDP, make([]byte, 16), id4(1, 0x2001))
	turned := func(h []byte) { swap(h, 12, 4) }
	first6 := ip6(fragment, join(fragment6(destination, 0, true, 7), extension(17, 0), udp(40000, 53)))
	later6 := ip6(fragment, join(fragment6(17, 8, false, 7), make([]byte, 8)))
	ping := ip4(flow.ICMP, icmp(8, 0), id4(1, 0x2000))
	tests := []struct {
		name         string
		first, later []byte
		after        time.Duration
		joined       bool
	}{
		{"ipv4", first4, later4, 0, true},
		{"ipv4, last fragment", first4, ip4(flow.UDP, make([]byte, 16), id4(1, 0x0001)), 0, true},
		{"ipv6, another next header", first6, later6, 0, true},
		{"ping", ping, ip4(flow.ICMP, make([]byte, 16), id4(1, 0x2001)), 0, true},
		{"in time", first4, later4, FragmentLifetime - 1, true},
		{"too late", first4, later4, FragmentLifetime, false},
		{"another id", first4, ip4(flow.UDP, make([]byte, 16), id4(2, 0x2001)), 0, false},
		{"another protocol", first4, ip4(flow.TCP, make([]byte, 16), id4(1, 0x2001)), 0, false},
		{"the other way", first4, ip4(flow.UDP, make([]byte, 16), id4(1, 0x2001), turned), 0, false},
		{"the other family", first4, later6, 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var f Fragments
			first, later := decoded(t, test.first), decoded(t, test.later)
			before := *first
			if f.Join(first, 1) || *first != before {
				t.Error("the first fragment was changed")
			}
			alone := *later
			if got := f.Join(later, 1+int64(test.after)); got != test.joined {
				t.Fatalf("joined %v", got)
			}
			want := alone
			if test.joined {
				want.Protocol, want.HasPorts, want.HasICMP = first.Protocol, first.HasPorts, first.HasICMP
				want.SourcePort, want.DestinationPort = first.SourcePort, first.DestinationPort
				want.ICMPType, want.ICMPCode = first.ICMPType, first.ICMPCode
			}
			if *later != want {
				t.Errorf("got %+v, want %+v", later, want)
			}
			stats := FragmentStats{Orphans: 1}
			if test.joined {
				stats = FragmentStats{Joined: 1}
			}
			if f.Stats() != stats {
				t.Errorf("stats %+v", f.Stats())
			}
		})
	}
}

// TestFragmentsOthers holds that a packet that is no fragment is left alone and costs no memory.
func TestFragmentsOthers(t *testing.T) {
	var f Fragments
	p := decoded(t, ip4(flow.UDP, udp(1, 2)))
	before := *p
	if f.Join(p, 1) || *p != before || f.sets != nil {
		t.Error("touched")
	}
	later := decoded(t, ip4(flow.UDP, nil, id4(1, 1)))
	if f.Join(later, 1) || f.sets != nil || f.Stats().Orphans != 1 {
		t.Error("an orphan takes memory")
	}
}

// TestFragmentsNewerFirst holds that an identification that is used again stands for the newer packet.
func TestFragmentsNewerFirst(t *testing.T) {
	var f Fragments
	for port := range uint16(100) {
		f.Join(decoded(t, ip4(flow.UDP, udp(port, 53), id4(1, 0x2000))), 1)
	}
	later := decoded(t, ip4(flow.UDP, nil, id4(1, 1)))
	if !f.Join(later, 1) || later.SourcePort != 99 || f.Stats().Replaced != 0 {
		t.Errorf("%+v %+v", later, f.Stats())
	}
}

// TestFragmentsAgainstModel compares with a map, as long as there is room; then holds that a flood stays within
// bounds, and allocates nothing.
func TestFragmentsAgainstModel(t *testing.T) {
	var f Fragments
	random := rand.New(rand.NewPCG(1, 2))
	type known struct{ port, at uint16 }
	model := map[uint32]known{}
	for i := range 20_000 {
		now := int64(i) * int64(FragmentLifetime) / 200 // two hundred packets within the lifetime
		p := Packet{Family: flow.IPv6, Protocol: flow.UDP, FragmentID: random.Uint32N(400)}
		if random.IntN(2) == 0 {
			p.FirstFragment, p.HasPorts, p.DestinationPort = true, true, uint16(i)
			model[p.FragmentID] = known{uint16(i), uint16(i)}
			f.Join(&p, now)
			continue
		}
		p.Fragment = true
		first, ok := model[p.FragmentID]
		ok = ok && i-int(first.at) < 200
		if f.Join(&p, now) != ok || ok && p.DestinationPort != first.port {
			t.Fatalf("packet %d: %+v, want %v %+v", i, p, ok, first)
		}
	}
	if f.Stats().Replaced != 0 {
		t.Errorf("%+v: there was room", f.Stats())
	}
	p := Packet{Family: flow.IPv4, FirstFragment: true}
	if n := testing.AllocsPerRun(100_000, func() {
		p.FragmentID++
		f.Join(&p, 1<<60)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got := f.Stats().Replaced; got < 100_000-fragmentSets*fragmentWays {
		t.Errorf("%d replaced", got)
	}
}

func BenchmarkFragments(b *testing.B) {
	var f Fragments
	first, later := decoded(b, ip4(flow.UDP, udp(1, 2), id4(1, 0x2000))), decoded(b, ip4(flow.UDP, nil, id4(1, 1)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		first.FragmentID, later.FragmentID = uint32(i), uint32(i)
		f.Join(first, int64(i))
		f.Join(later, int64(i))
	}
}
