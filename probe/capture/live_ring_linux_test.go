package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/internal/netns"
	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
	"github.com/weirflow/weir/probe/table"
)

// newQuietPair is a pair without addresses and without IPv6: nothing is on the wire but what the test sends.
func newQuietPair(t testing.TB) pair {
	t.Helper()
	testenv.RequireRoot(t)
	var p pair
	for name, ns := range map[string]**netns.NS{"near": &p.near, "far": &p.far} {
		made, err := netns.New(name + "-" + strings.ToLower(t.Name()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = made.Close() })
		*ns = made
		err = made.Do(func() error {
			return errors.Join(os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0),
				os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0))
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := netns.Veth(p.near, "eth0", p.far, "eth1"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.near.Up("eth0"), p.far.Up("eth1"), p.await()); err != nil {
		t.Fatal(err)
	}
	return p
}

// transmit sends frames as they are out of an interface.
func transmit(t testing.TB, from *netns.NS, iface string, frames ...[]byte) {
	t.Helper()
	var fd int
	var to unix.SockaddrLinklayer
	err := from.Do(func() error {
		device, err := net.InterfaceByName(iface)
		if err != nil {
			return err
		}
		to.Ifindex = device.Index
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, frame := range frames {
		if err := unix.Sendto(fd, frame, 0, &to); err != nil {
			t.Fatal(err)
		}
	}
}

// etherFrame is a broadcast frame of at least 60 bytes with the given type and payload.
func etherFrame(etherType uint16, payload ...byte) []byte {
	frame := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1}, byte(etherType>>8), byte(etherType))
	frame = append(frame, payload...)
	return append(frame, make([]byte, max(0, 60-len(frame)))...)
}

// udpFrame is a frame with a UDP datagram over IPv4, behind the given tags, each with the type that follows it.
func udpFrame(sourcePort uint16, tags ...byte) []byte {
	ip := ethernetFrom("10.0.0.1")[14:34]
	ip[3], ip[9] = 28, 17
	datagram := binary.BigEndian.AppendUint16(append(tags, ip...), sourcePort)
	return append(datagram, 0, 53, 0, 8, 0, 0)
}

// readSome reads count frames, copied.
func readSome(t testing.TB, source Source, count int) []Frame {
	t.Helper()
	late := time.AfterFunc(patience, source.Wake)
	defer late.Stop()
	begin := time.Now()
	var got []Frame
	frames := make([]Frame, 64)
	for len(got) < count {
		n, err := source.Read(frames[:min(len(frames), count-len(got))])
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames[:n] {
			f.Data = append([]byte(nil), f.Data...)
			got = append(got, f)
		}
		if time.Since(begin) > patience {
			t.Fatalf("%d frames were seen, %d expected", len(got), count)
		}
	}
	return got
}

// TestRingHidesNothing sends what slimcap's filter hides: the ring hands it over, and the decoder says what it is.
func TestRingHidesNothing(t *testing.T) {
	p := newQuietPair(t)
	received, sent := p.open(t, LiveConfig{Interface: "eth0"}), openIn(t, p.far, LiveConfig{Interface: "eth1"})
	hidden := p.open(t, LiveConfig{Interface: "eth0", Backend: BackendSlimcap})
	type seen struct {
		Length         uint32
		Type           uint16 // of the frame as it is handed over
		VLAN, VLANType uint16
		Issue          flow.Issue
		Port           uint16
	}
	tests := []struct {
		frame []byte
		in    seen // as the receiver sees it, without the outermost tag
		out   seen // as the sender sees it
	}{
		{etherFrame(0x0806, 0, 1, 8, 0, 6, 4, 0, 1), seen{Length: 60, Type: 0x0806, Issue: flow.IssueNotIP}, seen{Length: 60, Type: 0x0806, Issue: flow.IssueNotIP}},
		{etherFrame(0x88cc), seen{Length: 60, Type: 0x88cc, Issue: flow.IssueNotIP}, seen{Length: 60, Type: 0x88cc, Issue: flow.IssueNotIP}},
		{etherFrame(38, 0x42, 0x42, 3), seen{Length: 60, Type: 38, Issue: flow.IssueNotIP}, seen{Length: 60, Type: 38, Issue: flow.IssueNotIP}},
		{etherFrame(0x8100, udpFrame(1, 0x20, 100, 8, 0)...), seen{Length: 56, Type: 0x0800, VLAN: 100, VLANType: 0x8100, Port: 1}, seen{Length: 60, Type: 0x8100, Port: 1}},
		{etherFrame(0x88a8, udpFrame(2, 0, 200, 0x81, 0, 0, 100, 8, 0)...), seen{Length: 56, Type: 0x8100, VLAN: 200, VLANType: 0x88a8, Port: 2}, seen{Length: 60, Type: 0x88a8, Port: 2}},
		{etherFrame(0x8100, udpFrame(3, 0x60, 0, 8, 0)...), seen{Length: 56, Type: 0x0800, VLAN: 0, VLANType: 0x8100, Port: 3}, seen{Length: 60, Type: 0x8100, Port: 3}},
		{etherFrame(0x8847, udpFrame(4, 0, 1, 0, 64, 0, 1, 1, 64)...), seen{Length: 60, Type: 0x8847, Port: 4}, seen{Length: 60, Type: 0x8847, Port: 4}},
		{etherFrame(0x8100, udpFrame(5, 0, 7, 0x88, 0x64, 0x11, 0, 0, 1, 0, 30, 0, 0x21)...), seen{Length: 56, Type: 0x8864, VLAN: 7, VLANType: 0x8100, Port: 5}, seen{Length: 60, Type: 0x8100, Port: 5}},
		{etherFrame(0x0800, udpFrame(6)...), seen{Length: 60, Type: 0x0800, Port: 6}, seen{Length: 60, Type: 0x0800, Port: 6}},
	}
	for _, test := range tests {
		transmit(t, p.far, "eth1", test.frame)
	}
	check := func(source Source, outgoing bool, want func(i int) seen) {
		t.Helper()
		for i, f := range readSome(t, source, len(tests)) {
			var decoded packet.Packet
			issue := packet.Decode(f.Link, f.Data, f.Length, &decoded)
			got := seen{f.Length, etherType(f), f.VLAN, f.VLANType, issue, decoded.SourcePort}
			if got != want(i) || f.Sent != outgoing {
				t.Errorf("frame %d, sent %v: %+v, want %+v", i, f.Sent, got, want(i))
			}
		}
		if stats, err := source.Stats(); err != nil || stats != (Stats{Received: uint64(len(tests)), Link: packet.LinkEthernet}) {
			t.Errorf("%+v, %v", stats, err)
		}
	}
	check(received, false, func(i int) seen { return tests[i].in })
	check(sent, true, func(i int) seen { return tests[i].out })
	if stats, err := hidden.Stats(); err != nil || stats.Received >= uint64(len(tests)) {
		t.Errorf("slimcap is said to hide some: %+v, %v", stats, err)
	}
}

func openIn(t testing.TB, ns *netns.NS, cfg LiveConfig) Source {
	t.Helper()
	return pair{near: ns}.open(t, cfg)
}

// TestRingSeesWhatSlimcapSees lets both look at the same traffic: datagrams, fragments, connections and pings, over
// both families and in both directions. The frames are the same, and so are the flows that a table makes of them.
func TestRingSeesWhatSlimcapSees(t *testing.T) {
	p := newPair(t)
	sources := map[Backend]Source{}
	for _, backend := range []Backend{BackendRing, BackendSlimcap} {
		// A ring of few blocks is full after a moment, however little is in each: nobody reads before all is sent.
		sources[backend] = p.open(t, LiveConfig{Interface: "eth0", Backend: backend, BlockSize: 1 << 16, Blocks: 256})
	}
	for _, direction := range []struct {
		from, to *netns.NS
		addr4    string
		addr6    string
	}{{p.near, p.far, far4, far6}, {p.far, p.near, near4, near6}} {
		for _, address := range []string{direction.addr4, direction.addr6} {
			send(t, direction.from, address, 1001, 100, 20)
			send(t, direction.from, address, 1002, 5000, 5) // fragments
			exchange(t, direction.from, direction.to, address)
		}
		ping(t, direction.from, direction.addr4)
	}
	type key struct {
		packet packet.Packet
		length uint32
		sent   bool
		link   packet.Link
		data   string
	}
	seen := map[Backend]map[key]int{BackendRing: {}, BackendSlimcap: {}}
	kinds := map[string]int{}
	type metered struct {
		flows     *table.Table
		fragments packet.Fragments
		now       int64
	}
	meters := map[Backend]*metered{}
	for backend := range sources {
		meters[backend] = &metered{flows: table.New(table.DefaultConfig())}
		meters[backend].flows.MeasureRoundTrips(false) // slimcap hands over no times
		defer meters[backend].flows.Close()
	}
	note := func(backend Backend, f Frame) {
		k := key{length: f.Length, sent: f.Sent, link: f.Link, data: string(f.Data)}
		if packet.Decode(f.Link, f.Data, f.Length, &k.packet) != flow.IssueNone || !ours(&k.packet) {
			return
		}
		seen[backend][k]++
		m := meters[backend]
		m.now += int64(time.Millisecond)
		joined := k.packet
		if joined.Fragment || joined.FirstFragment {
			m.fragments.Join(&joined, m.now)
		}
		m.flows.Add(&joined, f.Length, f.Sent, m.now)
		if backend == BackendRing {
			kinds[fmt.Sprintf("%s/%d sent=%v fragment=%v", k.packet.Protocol, k.packet.Family, f.Sent, k.packet.Fragment)]++
		}
	}
	same := func() bool { return maps.Equal(seen[BackendRing], seen[BackendSlimcap]) && len(kinds) >= 14 }
	for deadline := time.Now().Add(patience); !same(); {
		if time.Now().After(deadline) {
			break
		}
		for backend, source := range sources {
			frames := make([]Frame, 7)
			late := time.AfterFunc(2*Latency, source.Wake)
			for n, err := source.Read(frames); n > 0 || err != nil; n, err = source.Read(frames) {
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range frames[:n] {
					note(backend, f)
				}
			}
			late.Stop()
		}
	}
	if !same() {
		t.Errorf("kinds seen: %v; ring and slimcap differ (-slimcap +ring):\n%s", kinds,
			cmp.Diff(seen[BackendSlimcap], seen[BackendRing], cmp.AllowUnexported(key{})))
	}
	rows, others := meters[BackendRing].flows.Rotate(nil), meters[BackendSlimcap].flows.Rotate(nil)
	if len(rows) < 12 || !reflect.DeepEqual(rows, others) {
		t.Errorf("flows of ring and slimcap differ (-slimcap +ring):\n%s", cmp.Diff(others, rows))
	}
	total, inFlows := 0, uint64(0)
	for _, n := range seen[BackendRing] {
		total += n
	}
	for _, r := range rows {
		inFlows += r.Counters.Packets()
	}
	if inFlows != uint64(total) {
		t.Errorf("%d packets in flows, %d frames", inFlows, total)
	}
	t.Logf("%d flows of %d frames, %d distinct, of %d kinds, are the same", len(rows), total, len(seen[BackendRing]), len(kinds))
}

// ours says that a packet belongs to the test's addresses: the kernels' own chatter may start before or go on behind
// the test.
func ours(p *packet.Packet) bool {
	source := ipOf(p.Source, p.Family)
	return strings.HasPrefix(source, "192.0.2.") || strings.HasPrefix(source, "2001:db8::") && p.Protocol != flow.ICMPv6
}

// exchange makes a connection from one namespace to another, and sends something each way.
func exchange(t *testing.T, from, to *netns.NS, address string) {
	t.Helper()
	listen := net.JoinHostPort(address, "8080")
	var server net.Listener
	var client net.Conn
	err := errors.Join(
		to.Do(func() (err error) { server, err = net.Listen("tcp", listen); return err }),
		from.Do(func() (err error) { client, err = net.DialTimeout("tcp", listen, patience); return err }))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	accepted, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{client, accepted} {
		if _, err := conn.Write(make([]byte, 20000)); err != nil {
			t.Fatal(err)
		}
	}
	for _, conn := range []net.Conn{client, accepted} {
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// ping sends an echo request, type 8 and code 0, which the other kernel answers.
func ping(t *testing.T, from *netns.NS, address string) {
	t.Helper()
	err := from.Do(func() error {
		conn, err := net.Dial("ip4:icmp", address)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte{8, 0, 0xf7, 0xfd, 0, 1, 0, 1}) // with its checksum
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRingTimes holds that frames carry the time of their arrival, not that of being read, and in order.
func TestRingTimes(t *testing.T) {
	p := newQuietPair(t)
	source := p.open(t, LiveConfig{Interface: "eth0"})
	const count = 2000
	frames := make([][]byte, count)
	for i := range frames {
		frames[i] = etherFrame(0x0800, udpFrame(uint16(i))...)
	}
	begin := time.Now().UnixNano()
	onOneCore(t, func() { transmit(t, p.far, "eth1", frames...) })
	end := time.Now().UnixNano()
	last := begin
	for i, f := range readSome(t, source, count) {
		if port := int(binary.BigEndian.Uint16(f.Data[34:])); port != i {
			t.Fatalf("frame %d comes in place %d", port, i)
		}
		if f.Time < last || f.Time > end {
			t.Fatalf("frame %d: %d ns behind the one before, %d ns before the end", i, f.Time-last, end-f.Time)
		}
		last = f.Time
	}
	if last == begin {
		t.Error("the clock stands still")
	}
}

// onOneCore keeps what f does, and the softirqs it raises, on one core: frames of several cores may overtake one another
// between their time stamp and the ring.
func onOneCore(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its affinity
		var core unix.CPUSet
		core.Set(0)
		err := unix.SchedSetaffinity(0, &core)
		defer func() { done <- err }()
		f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestRingCountsEveryFrame overruns a small ring while the reader sleeps: what is read and what is dropped is what was
// sent, to the frame.
func TestRingCountsEveryFrame(t *testing.T) {
	p := newQuietPair(t)
	source := p.open(t, LiveConfig{Interface: "eth0", BlockSize: os.Getpagesize(), Blocks: MinBlocks})
	const count = 5000
	frame := etherFrame(0x88b5, ramp(400, 1)...)
	frames := make([][]byte, count/2)
	for i := range frames {
		frames[i] = frame
	}
	transmit(t, p.far, "eth1", frames...)
	first, err := source.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if first.Received+first.Dropped != count/2 || first.Dropped == 0 || first.Received == 0 || first.Frozen == 0 {
		t.Errorf("%+v is not the %d frames that were sent", first, count/2)
	}
	if again, err := source.Stats(); err != nil || again != first {
		t.Errorf("asked again: %+v, %v, want %+v", again, err, first)
	}
	read := len(readSome(t, source, int(first.Received)))
	transmit(t, p.far, "eth1", frames...)
	last, err := source.Stats()
	if err != nil {
		t.Fatal(err)
	}
	read += len(readSome(t, source, int(last.Received)-read))
	if got := uint64(read) + last.Dropped; got != count || last.Received != uint64(read) {
		t.Errorf("%d read, %+v: %d were sent", read, last, count)
	}
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	if closed, err := source.Stats(); err != nil || closed != last {
		t.Errorf("after close: %+v, %v, want %+v", closed, err, last)
	}
}

// TestRingEndsWithItsInterface takes the interface from a reader that has blocked, and holds that the frames from
// before are handed over first.
func TestRingEndsWithItsInterface(t *testing.T) {
	for _, test := range []struct {
		name, command string
		want          error
		says          string
	}{
		{"deleted", "ip link delete eth0", ErrNoInterface, "any more"},
		{"down", "ip link set eth0 down", ErrInterfaceDown, ""},
		{"renamed", "ip link set eth0 name wan0", ErrNoInterface, "it is called wan0 now"},
		{"moved", "ip link set eth0 netns FAR", ErrNoInterface, "any more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newQuietPair(t)
			source := p.open(t, LiveConfig{Interface: "eth0"})
			type end struct {
				frames int
				err    error
			}
			ended, started := make(chan end, 1), make(chan struct{}, 1)
			go func() {
				frames, total := make([]Frame, 8), 0
				for {
					n, err := source.Read(frames) // not in the namespace: it needs to know by itself
					if err != nil {
						ended <- end{total, err}
						return
					}
					total += n
					select {
					case started <- struct{}{}:
					default:
					}
				}
			}()
			transmit(t, p.far, "eth1", etherFrame(0x88b5))
			<-started
			transmit(t, p.far, "eth1", etherFrame(0x88b5), etherFrame(0x88b5))
			words := strings.Fields(strings.Replace(test.command, "FAR", p.far.Name(), 1))
			if output, err := p.near.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v", output, err)
			}
			if test.name == "renamed" {
				source.Wake() // a name is looked at when the reader is about to block
			}
			select {
			case got := <-ended:
				if !errors.Is(got.err, test.want) || !strings.Contains(got.err.Error(), "capture on eth0") || !strings.Contains(got.err.Error(), test.says) {
					t.Errorf("got %v, want %v", got.err, test.want)
				}
				if got.frames != 3 {
					t.Errorf("%d frames were read, 3 had arrived", got.frames)
				}
			case <-time.After(patience):
				t.Fatal("read hangs")
			}
			if stats, err := source.Stats(); err != nil || stats.Received != 3 {
				t.Errorf("%+v, %v", stats, err)
			}
			if err := source.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRingOutlastsAFlap takes the interface down and up again: the capture goes on.
func TestRingOutlastsAFlap(t *testing.T) {
	p := newQuietPair(t)
	source := p.open(t, LiveConfig{Interface: "eth0"})
	transmit(t, p.far, "eth1", etherFrame(0x88b5))
	flap := p.near.Command("ip", "-batch", "-")
	flap.Stdin = strings.NewReader("link set eth0 down\nlink set eth0 up\n")
	if output, err := flap.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", output, err)
	}
	if err := p.await(); err != nil {
		t.Fatal(err)
	}
	transmit(t, p.far, "eth1", etherFrame(0x88b6))
	for i, f := range readSome(t, source, 2) {
		if got := etherType(f); got != 0x88b5+uint16(i) {
			t.Errorf("frame %d: %#x", i, got)
		}
	}
	// The time to look what became of the interface passes, and nothing is wrong with it.
	late := time.AfterFunc(4*Latency, source.Wake)
	defer late.Stop()
	if n, err := source.Read(make([]Frame, 1)); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestRingHoldsNoForeignFrames opens rings on an idle interface beside a busy one.
func TestRingHoldsNoForeignFrames(t *testing.T) {
	p, busy := newQuietPair(t), "eth2"
	if err := netns.Veth(p.near, busy, p.far, "eth3"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.near.Up(busy), p.far.Up("eth3")); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; i < 1000; i++ {
			select {
			case <-stop:
				return
			default:
				transmit(t, p.far, "eth3", etherFrame(0x88b5), etherFrame(0x88b5), etherFrame(0x88b5), etherFrame(0x88b5))
			}
		}
	}()
	for range 30 {
		source := p.open(t, LiveConfig{Interface: "eth0", BlockSize: 1 << 16})
		if stats, err := source.Stats(); err != nil || stats != (Stats{Link: packet.LinkEthernet}) {
			t.Errorf("%+v, %v", stats, err)
		}
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	<-stopped
}

// TestRingOnLoopback holds that the loopback interface shows every packet twice, once in each direction.
func TestRingOnLoopback(t *testing.T) {
	p := newQuietPair(t)
	source := p.open(t, LiveConfig{Interface: "lo"})
	send(t, p.near, "127.0.0.1", 9, 100, 1)
	sent := map[bool]int{}
	collect(t, source, func(f Frame, p *packet.Packet) bool {
		if p.Protocol == flow.UDP {
			sent[f.Sent]++
		}
		return sent[true]+sent[false] == 2
	})
	if sent[true] != 1 || sent[false] != 1 {
		t.Errorf("sent %d times, received %d times", sent[true], sent[false])
	}
}

// TestRingLatency holds that a shorter latency is one: a frame is there long before the default would be over.
func TestRingLatency(t *testing.T) {
	p := newQuietPair(t)
	source := p.open(t, LiveConfig{Interface: "eth0", Latency: 2 * time.Millisecond})
	best := time.Hour
	for begin := time.Now(); best > Latency/4; {
		if time.Since(begin) > patience { // a loaded machine may be late with any of them
			t.Fatalf("a frame took %s at best", best)
		}
		transmit(t, p.far, "eth1", etherFrame(0x88b5))
		f := readSome(t, source, 1)[0]
		best = min(best, time.Duration(time.Now().UnixNano()-f.Time))
	}
	t.Logf("a frame took %s at best", best)
}
