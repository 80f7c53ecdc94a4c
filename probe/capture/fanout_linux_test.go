package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// openGroup opens rings in the near namespace.
func (p pair) openGroup(t testing.TB, cfg LiveConfig, rings int) []Source {
	t.Helper()
	var sources []Source
	if err := p.near.Do(func() (err error) { sources, err = OpenGroup(cfg, rings); return err }); err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		t.Cleanup(func() { _ = source.Close() })
	}
	return sources
}

// talk is both directions of a conversation: what is in front of the IP header, and the packets.
type talk struct {
	name            string
	etherType       uint16
	link            []byte
	request, answer []byte
}

// packet4 is an IPv4 packet between two hosts of 10.0.0.0/8.
func packet4(source, destination uint16, protocol byte, bits uint16, payload []byte) []byte {
	p := []byte{0x45, 0, 0, 0, 0, 7, 0, 0, 64, protocol, 0, 0, 10, 1, 0, 0, 10, 2, 0, 0}
	binary.BigEndian.PutUint16(p[2:], uint16(20+len(payload)))
	binary.BigEndian.PutUint16(p[6:], bits)
	binary.BigEndian.PutUint16(p[14:], source)
	binary.BigEndian.PutUint16(p[18:], destination)
	return append(p, payload...)
}

func packet6(source, destination uint16, next byte, payload []byte) []byte {
	p := make([]byte, 40)
	p[0], p[6], p[7] = 0x60, next, 64
	binary.BigEndian.PutUint16(p[4:], uint16(len(payload)))
	for _, at := range []int{8, 24} {
		copy(p[at:], []byte{0x20, 1, 0xd, 0xb8})
	}
	binary.BigEndian.PutUint16(p[22:], source)
	binary.BigEndian.PutUint16(p[38:], destination)
	return append(p, payload...)
}

func portsOf(source, destination uint16) []byte {
	head := binary.BigEndian.AppendUint16(nil, source)
	head = binary.BigEndian.AppendUint16(head, destination)
	return append(head, make([]byte, 16)...)
}

// talks are conversations of every kind, number n of each.
func talks(n uint16) []talk {
	a, b, port := n, 1000+n, 40000+n
	udp4 := packet4(a, b, 17, 0, portsOf(port, 53))
	udp6 := packet6(a, b, 17, portsOf(port, 53))
	error4 := func(quoted []byte) []byte { return append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, quoted...) }
	label := func(bottom byte) []byte { return []byte{0, 1, bottom, 64} }
	return []talk{
		{"udp", 0x0800, nil, udp4, packet4(b, a, 17, 0, portsOf(53, port))},
		{"between the same two hosts", 0x0800, nil, packet4(1, 2, 6, 0, portsOf(port, 443)), packet4(2, 1, 6, 0, portsOf(443, port))},
		{"udp6", 0x86dd, nil, udp6, packet6(b, a, 17, portsOf(53, port))},
		{"icmp", 0x0800, nil, packet4(a, b, 1, 0, []byte{8, 0, 0, 0, 0, 1, 0, 1}), packet4(b, a, 1, 0, []byte{0, 0, 0, 0, 0, 1, 0, 1})},
		{"refused", 0x0800, nil, udp4, packet4(b+1, a, 1, 0, error4(udp4))},
		{"refused by a router, ipv6", 0x86dd, nil, udp6, packet6(9999, a, 58, append([]byte{1, 4, 0, 0, 0, 0, 0, 0}, udp6...))},
		{"fragments", 0x0800, nil, packet4(a, b, 17, 0x2000, portsOf(port, 53)), packet4(a, b, 17, 0x0001, make([]byte, 32))},
		{"gre, another flow inside", 0x0800, nil, packet4(a, b, 47, 0, append([]byte{0, 0, 8, 0}, udp4...)),
			packet4(b, a, 47, 0, append([]byte{0, 0, 8, 0}, packet4(7, 8, 6, 0, portsOf(3, 4))...))},
		{"esp", 0x0800, nil, packet4(a, b, 50, 0, make([]byte, 24)), packet4(b, a, 50, 0, make([]byte, 48))},
		{"vlan", 0x8100, []byte{0, 5, 8, 0}, udp4, packet4(b, a, 17, 0, portsOf(53, port))},
		{"qinq", 0x88a8, []byte{0, 5, 0x81, 0, 0, 6, 8, 0}, udp4, packet4(b, a, 17, 0, portsOf(53, port))},
		{"mpls", 0x8847, append(label(0), label(1)...), udp4, packet4(b, a, 17, 0, portsOf(53, port))},
		{"pppoe", 0x8864, []byte{0x11, 0, 0, 1, 0, 60, 0, 0x21}, udp4, packet4(b, a, 17, 0, portsOf(53, port))},
	}
}

// TestGroup sends both directions of many conversations and holds that each comes to one ring, and that the rings share
// them. What comes in and what goes out the kernel shows at different places.
func TestGroup(t *testing.T) {
	const rings, each = 3, 32
	p := newQuietPair(t)
	sources := p.openGroup(t, LiveConfig{Interface: "eth0", BlockSize: 1 << 18, Blocks: 64}, rings)
	var requests, answers [][]byte
	var names []string // by the number that a frame's address holds
	kinds := map[string]map[int]bool{}
	for n := range uint16(each) {
		for _, talk := range talks(n) {
			kinds[talk.name] = map[int]bool{}
			var frames [][]byte
			for _, frame := range [][]byte{talk.request, talk.answer} {
				frame = etherFrame(talk.etherType, slices.Concat(talk.link, frame)...)
				binary.BigEndian.PutUint32(frame[2:], uint32(len(names)))
				frame[0] = 2
				frames = append(frames, frame)
			}
			requests, answers = append(requests, frames[0]), append(answers, frames[1])
			names = append(names, fmt.Sprintf("%s %d", talk.name, n))
		}
	}
	transmit(t, p.far, "eth1", requests...)
	transmit(t, p.near, "eth0", answers...)
	homes, seen := map[string]int{}, 0
	for i, source := range sources {
		stats, err := source.Stats()
		if err != nil || stats.Dropped != 0 || stats.Link != packet.LinkEthernet {
			t.Fatalf("ring %d: %+v, %v", i, stats, err)
		}
		for _, f := range readSome(t, source, int(stats.Received)) {
			name := names[binary.BigEndian.Uint32(f.Data[2:])]
			seen++
			if home, known := homes[name]; known && home != i {
				t.Errorf("%s is in two rings", name)
			}
			homes[name] = i
			kinds[name[:strings.LastIndex(name, " ")]][i] = true
			var decoded packet.Packet
			if issue := packet.Decode(f.Link, f.Data, f.Length, &decoded); issue != flow.IssueNone {
				t.Errorf("%s: %v", name, issue)
			}
		}
	}
	if seen != 2*len(names) || len(homes) != len(names) {
		t.Errorf("%d frames of %d conversations, want %d of %d", seen, len(homes), 2*len(names), len(names))
	}
	for kind, in := range kinds {
		if len(in) != rings {
			t.Errorf("%s: %d of %d rings have some", kind, len(in), rings)
		}
	}
}

// TestGroupOfNumberZero makes groups where the kernel's numbers for them, of 16 bits, begin anew, as they do at the start of
// the system: the rings of each are in one group, not each in its own, which would count every frame several times.
func TestGroupOfNumberZero(t *testing.T) {
	const unique = unix.PACKET_FANOUT_FLAG_UNIQUEID << 16
	p := newQuietPair(t)
	cfg := LiveConfig{Interface: "eth0", BlockSize: 1 << 16, Blocks: 4}
	numbers := map[int]bool{}
	for try := 0; !numbers[0]; try++ { // other processes of the machine may take the number, or some of those before it
		if try == 50 {
			t.Fatalf("the numbers of the groups were %v: 0 is not among them, so nothing was shown", numbers)
		}
		last := p.openGroup(t, cfg, 1)[0]
		next := numberOf(t, last) + 1
		err := p.near.Do(func() error {
			unbound, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			for ; next < 1<<16-2; next++ { // refused, but the number is used up
				if err := unix.SetsockoptInt(unbound, unix.SOL_PACKET, unix.PACKET_FANOUT, unique); err == nil {
					return errors.New("a socket that is bound to nothing is in a fan-out group")
				}
			}
			return unix.Close(unbound)
		})
		if err != nil {
			t.Fatal(err)
		}
		sources := []Source{last}
		for range 5 {
			group := p.openGroup(t, cfg, 3)
			number := numberOf(t, group[0])
			for i, source := range group[1:] {
				if got := numberOf(t, source); got != number {
					t.Errorf("ring %d is in group %d, the first in %d", i+1, got, number)
				}
			}
			numbers[number] = true
			sources = append(sources, group...)
		}
		for _, source := range sources { // their numbers are free again
			if err := source.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// numberOf is the number of the fan-out group that a ring is in.
func numberOf(t *testing.T, source Source) int {
	t.Helper()
	option, err := unix.GetsockoptInt(source.(*ring).socket, unix.SOL_PACKET, unix.PACKET_FANOUT)
	if err != nil {
		t.Fatal(err)
	}
	return option & 0xffff
}

func TestGroupRefuses(t *testing.T) {
	for want, cfg := range map[string]LiveConfig{
		"capture on lo with 0 rings: number of rings is not from 1 to 64":                                            {Interface: "lo"},
		"capture on lo with 2 rings: backend slimcap knows a single ring":                                            {Interface: "lo", Backend: BackendSlimcap},
		"capture on lo with 3 rings: snap length 1 is not from 96 to 65535":                                          {Interface: "lo", SnapLength: 1},
		"capture on lo with 64 rings: rings of 4096 blocks of 65536 bytes are larger than 1073741824 bytes together": {Interface: "lo", BlockSize: 1 << 16, Blocks: 4096},
	} {
		var rings int
		if _, err := fmt.Sscanf(want, "capture on lo with %d", &rings); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenGroup(cfg, rings); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
