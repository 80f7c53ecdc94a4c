package table

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// flows adds the packets, each 100 bytes and received, and says what flows came out as "source > destination port".
func flows(table *Table, packets ...*packet.Packet) []string {
	for i, p := range packets {
		table.Add(p, 100, false, int64(i)*1e6)
	}
	var lines []string
	for _, r := range table.Rotate(nil) {
		lines = append(lines, fmt.Sprintf("%v > %v %d x%d", r.Key.SourceAddr(), r.Key.DestinationAddr(),
			r.Key.DestinationPort, r.Counters.PacketsReceived))
	}
	return lines
}

func TestDirection(t *testing.T) {
	const syn, ack, rst = packet.SYN, packet.ACK, packet.RST
	tcp := func(source, destination string, flags uint8) *packet.Packet {
		return pkt(t, flow.TCP, source, destination, flags)
	}
	udp := func(source, destination string) *packet.Packet { return pkt(t, flow.UDP, source, destination, 0) }
	a, b := "192.0.2.1", "192.0.2.2"
	for name, test := range map[string]struct {
		packets []*packet.Packet
		want    []string
	}{
		"handshake": {
			[]*packet.Packet{tcp(b+":40000", a+":22", syn), tcp(a+":22", b+":40000", syn|ack), tcp(b+":40000", a+":22", ack)},
			[]string{b + " > " + a + " 22 x3"}},
		"SYN against the ports: active FTP": {
			[]*packet.Packet{tcp(a+":20", b+":50000", syn), tcp(b+":50000", a+":20", syn|ack)},
			[]string{a + " > " + b + " 50000 x2"}},
		"SYN+ACK alone against the ports": {
			[]*packet.Packet{tcp(b+":50000", a+":20", syn|ack), tcp(a+":20", b+":50000", ack)},
			[]string{a + " > " + b + " 50000 x2"}},
		"SYN comes late and moves what was counted": {
			[]*packet.Packet{tcp(b+":50000", a+":20", ack), tcp(b+":50000", a+":20", ack), tcp(a+":20", b+":50000", syn)},
			[]string{a + " > " + b + " 50000 x3"}},
		"SYN corrects a SYN+ACK": {
			[]*packet.Packet{tcp(b+":7001", a+":7000", syn|ack), tcp(b+":7001", a+":7000", syn)},
			[]string{b + " > " + a + " 7000 x2"}},
		"simultaneous open: the first SYN stands": {
			[]*packet.Packet{tcp(b+":7001", a+":7000", syn), tcp(a+":7000", b+":7001", syn), tcp(a+":7000", b+":7001", syn|ack)},
			[]string{b + " > " + a + " 7000 x3"}},
		"RST alone goes by ports": {
			[]*packet.Packet{tcp(a+":443", b+":40000", rst|ack)},
			[]string{b + " > " + a + " 443 x1"}},
		"mid-stream from the server": {
			[]*packet.Packet{tcp(a+":8443", b+":1999", ack)},
			[]string{b + " > " + a + " 8443 x1"}},
		"service port above an unlisted one": {
			[]*packet.Packet{udp(a+":51820", b+":20001")},
			[]string{b + " > " + a + " 51820 x1"}},
		"registered against ephemeral": {
			[]*packet.Packet{udp(a+":7777", b+":40000")},
			[]string{b + " > " + a + " 7777 x1"}},
		"two ephemeral ports: the smaller": {
			[]*packet.Packet{udp(a+":40000", b+":50000")},
			[]string{b + " > " + a + " 40000 x1"}},
		"two services: the smaller": {
			[]*packet.Packet{udp(a+":67", b+":68")},
			[]string{b + " > " + a + " 67 x1"}},
		"equal ports: who was first": {
			[]*packet.Packet{udp(b+":123", a+":123"), udp(a+":123", b+":123")},
			[]string{b + " > " + a + " 123 x2"}},
		"source ports are summed away": {
			[]*packet.Packet{udp(b+":40001", a+":53"), udp(b+":40002", a+":53"), udp(a+":53", b+":40001")},
			[]string{b + " > " + a + " 53 x3"}},
		"multicast": {
			[]*packet.Packet{udp(a+":53", "224.0.0.251:60000"), udp("[fe80::1]:53", "[ff02::fb]:60000")},
			[]string{a + " > 224.0.0.251 60000 x1", "fe80::1 > ff02::fb 60000 x1"}},
		"broadcast": {
			[]*packet.Packet{udp(a+":53", "255.255.255.255:60000")},
			[]string{a + " > 255.255.255.255 60000 x1"}},
		"no ports: who was first": {
			[]*packet.Packet{pkt(t, 47, b+":0", a+":0", 0), pkt(t, 47, a+":0", b+":0", 0)},
			[]string{b + " > " + a + " 0 x2"}},
		"one address on both ends": {
			[]*packet.Packet{tcp("127.0.0.1:40000", "127.0.0.1:80", syn), tcp("127.0.0.1:80", "127.0.0.1:40000", syn|ack)},
			[]string{"127.0.0.1 > 127.0.0.1 80 x2"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, flows(tableOf(t, nil), test.packets...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDirectionICMP(t *testing.T) {
	a, b := "192.0.2.1", "192.0.2.2"
	x, y, group := "2001:db8::1", "2001:db8::2", "ff02::1"
	for name, test := range map[string]struct {
		packets []*packet.Packet
		want    []string
	}{
		"echo":             {[]*packet.Packet{icmp(t, b, a, 8, 0), icmp(t, a, b, 0, 0)}, []string{b + " > " + a + " 2048 x2"}},
		"echo reply alone": {[]*packet.Packet{icmp(t, a, b, 0, 0)}, []string{b + " > " + a + " 2048 x1"}},
		"both ask": {[]*packet.Packet{icmp(t, a, b, 8, 0), icmp(t, b, a, 8, 0), icmp(t, a, b, 0, 0), icmp(t, a, b, 0, 0)},
			[]string{a + " > " + b + " 2048 x1", b + " > " + a + " 2048 x3"}},
		"timestamp":             {[]*packet.Packet{icmp(t, a, b, 14, 0), icmp(t, b, a, 13, 0)}, []string{b + " > " + a + " 3328 x2"}},
		"extended echo reply":   {[]*packet.Packet{icmp(t, a, b, 43, 2)}, []string{b + " > " + a + " 10752 x1"}},
		"unreachable goes back": {[]*packet.Packet{icmp(t, a, b, 3, 1)}, []string{b + " > " + a + " 769 x1"}},
		"advertised to a group": {[]*packet.Packet{icmp(t, a, "224.0.0.1", 9, 0)}, []string{a + " > 224.0.0.1 2304 x1"}},
		"advertised on demand":  {[]*packet.Packet{icmp(t, a, b, 9, 0)}, []string{b + " > " + a + " 2560 x1"}},
		"unknown type":          {[]*packet.Packet{icmp(t, b, a, 200, 7)}, []string{b + " > " + a + " 51207 x1"}},
		"echo, v6":              {[]*packet.Packet{icmp(t, y, x, 128, 0), icmp(t, x, y, 129, 0)}, []string{y + " > " + x + " 32768 x2"}},
		"neighbour, v6":         {[]*packet.Packet{icmp(t, y, x, 136, 0), icmp(t, x, y, 135, 0)}, []string{x + " > " + y + " 34560 x2"}},
		"unsolicited neighbour": {[]*packet.Packet{icmp(t, y, group, 136, 0)}, []string{y + " > " + group + " 34816 x1"}},
		"too big, v6":           {[]*packet.Packet{icmp(t, x, y, 2, 0)}, []string{y + " > " + x + " 512 x1"}},
		"node information":      {[]*packet.Packet{icmp(t, x, y, 140, 0)}, []string{y + " > " + x + " 35584 x1"}},
		"mobile prefix":         {[]*packet.Packet{icmp(t, x, y, 147, 0)}, []string{y + " > " + x + " 37376 x1"}},
		"listener query":        {[]*packet.Packet{icmp(t, x, group, 130, 0)}, []string{x + " > " + group + " 33280 x1"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, flows(tableOf(t, nil), test.packets...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMemory: what the packets alone would not tell survives idle intervals for the configured time, the rest is
// forgotten after one.
func TestMemory(t *testing.T) {
	table := tableOf(t, func(c *Config) { c.IdleLifetime = 30 * time.Minute })
	against := pkt(t, flow.TCP, "192.0.2.1:20", "192.0.2.2:50000", packet.SYN)
	along := pkt(t, flow.TCP, "192.0.2.1:40000", "192.0.2.2:443", packet.SYN)
	equal := pkt(t, flow.UDP, "192.0.2.2:500", "192.0.2.1:500", 0)
	for _, p := range []*packet.Packet{against, along, equal} {
		table.Add(p, 60, true, 0)
	}
	clock := time.Duration(0)
	rotate := func() {
		clock += 5 * time.Minute
		table.Add(pkt(t, flow.UDP, "198.51.100.1:40000", "198.51.100.2:53", 0), 60, true, int64(clock))
		table.Expire(int64(clock), math.MaxInt)
		table.Rotate(nil)
	}
	rotate()
	if got := table.Flows(); got != 4 {
		t.Fatalf("%d conversations after the first interval, want 4", got)
	}
	rotate()
	if got := table.Flows(); got != 3 {
		t.Fatalf("%d conversations after an idle interval, want 3: the one to port 443 needs no memory", got)
	}
	for range 2 {
		rotate()
	}
	want := []string{"192.0.2.1 > 192.0.2.2 50000 x1", "192.0.2.2 > 192.0.2.1 500 x1"}
	for _, p := range []*packet.Packet{reverse(against, packet.ACK), reverse(equal, 0)} {
		table.Add(p, 60, false, int64(clock))
	}
	if got := flows(table); !slices.Equal(got, want) {
		t.Errorf("after 20 minutes: %v, want %v", got, want)
	}
	for range 8 {
		rotate()
	}
	if got := table.Flows(); got != 1 {
		t.Errorf("%d conversations after 40 minutes of silence, want 1", got)
	}
}

// TestReopened: a SYN of the other end on the same ports is a new connection once the old one was silent.
func TestReopened(t *testing.T) {
	table := tableOf(t, nil)
	first := pkt(t, flow.TCP, "192.0.2.1:7000", "192.0.2.2:7001", packet.SYN)
	table.Add(first, 60, true, 0)
	table.Rotate(nil)
	table.Add(reverse(first, packet.SYN), 60, false, int64(silence)+1)
	if got, want := flows(table), []string{"192.0.2.2 > 192.0.2.1 7000 x1"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestServicePorts: ports of the operator count like the common ones, which stay.
func TestServicePorts(t *testing.T) {
	for _, test := range []struct {
		port uint16
		own  []uint16
		want string
	}{
		{50001, nil, "192.0.2.1 > 192.0.2.2 40000 x1"},
		{50001, []uint16{50001, 8080, 50001}, "192.0.2.2 > 192.0.2.1 50001 x1"},
		{8443, []uint16{50001}, "192.0.2.2 > 192.0.2.1 8443 x1"},
	} {
		table := tableOf(t, func(c *Config) { c.ServicePorts = test.own })
		p := pkt(t, flow.UDP, "192.0.2.1:1", "192.0.2.2:40000", 0)
		p.SourcePort = test.port
		if got := flows(table, p); !slices.Equal(got, []string{test.want}) {
			t.Errorf("port %d, own %v: %v, want %s", test.port, test.own, got, test.want)
		}
	}
}

// TestAsymmetricPair: two interfaces of which each sees one half of a conversation give it one key, so that a query
// over both joins the halves; the attempt is booked once, where the initiator's half is seen.
func TestAsymmetricPair(t *testing.T) {
	const a, b = "192.0.2.1:40000", "192.0.2.2:50000"
	segment := func(from, to string, flags uint8, sequence, acknowledgement uint32) *packet.Packet {
		p := pkt(t, flow.TCP, from, to, flags)
		p.Sequence, p.Acknowledgement = sequence, acknowledgement
		return p
	}
	for name, packets := range map[string][]*packet.Packet{
		"TCP, against the ports": {segment(a, b, packet.SYN, 1, 0), segment(b, a, packet.SYN|packet.ACK, 9, 2),
			segment(a, b, packet.ACK, 2, 10), segment(b, a, packet.ACK, 10, 2)},
		"UDP": {pkt(t, flow.UDP, "192.0.2.1:40000", "192.0.2.2:53", 0), pkt(t, flow.UDP, "192.0.2.2:53", "192.0.2.1:40000", 0)},
	} {
		t.Run(name, func(t *testing.T) {
			both, halves := tableOf(t, nil), [2]*Table{tableOf(t, nil), tableOf(t, nil)}
			for i, p := range packets {
				both.Add(p, 60, false, int64(i+1)*1e6)
				halves[i%2].Add(p, 60, false, int64(i+1)*1e6)
			}
			want := traffic(both.Rotate(nil))
			rows := Merge(append(halves[0].Rotate(nil), halves[1].Rotate(nil)...))
			if diff := cmp.Diff(want, traffic(rows)); diff != "" {
				t.Error(diff)
			}
			if c := sum(rows); c.Attempts > 1 || c.RoundTrips != 0 {
				t.Errorf("halves booked %+v", c)
			}
		})
	}
}

func TestServicesAreSorted(t *testing.T) {
	for i := 1; i < len(services); i++ {
		if services[i-1] >= services[i] {
			t.Errorf("%d stands before %d", services[i-1], services[i])
		}
	}
}

// TestStatelessIsSymmetric: both ends' packets must give one orientation, for all ports.
func TestStatelessIsSymmetric(t *testing.T) {
	ports := []uint16{0, 1, 22, 80, 1023, 1024, 8080, 20000, 32767, 32768, 51820, 65535}
	for _, source := range ports {
		for _, destination := range ports {
			p := &packet.Packet{Protocol: flow.UDP, Family: flow.IPv4, HasPorts: true, SourcePort: source, DestinationPort: destination}
			p.Source[3], p.Destination[3] = 9, 1
			var forward, backward key
			swapped, swappedBack := keyOf(&forward, p), keyOf(&backward, reverse(p, 0))
			if forward != backward || swapped == swappedBack {
				t.Fatalf("%d and %d: the directions give different conversations", source, destination)
			}
			one, oneBy := newServicePorts(nil).orient(p, &forward, swapped)
			other, otherBy := newServicePorts(nil).orient(reverse(p, 0), &backward, swappedBack)
			if oneBy != otherBy || oneBy != evidenceFirst && one != other {
				t.Errorf("%d and %d: %v by %d against %v by %d", source, destination, one, oneBy, other, otherBy)
			}
		}
	}
}
