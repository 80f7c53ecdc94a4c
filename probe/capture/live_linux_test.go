package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/netns"
	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

const patience = 30 * time.Second // for what takes milliseconds

// pair is two namespaces joined by a veth pair: eth0 of near, which is captured on, and eth1 of far.
type pair struct{ near, far *netns.NS }

const (
	near4, far4 = "192.0.2.1", "192.0.2.2"
	near6, far6 = "2001:db8::1", "2001:db8::2"
)

func newPair(t testing.TB) pair {
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
	}
	err := netns.Veth(p.near, "eth0", p.far, "eth1")
	if err == nil {
		err = errors.Join(p.near.Up("eth0", near4+"/24", near6+"/64"), p.far.Up("eth1", far4+"/24", far6+"/64"), p.await())
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// await waits until both ends can send.
func (p pair) await() error { return errors.Join(p.near.Await("eth0"), p.far.Await("eth1")) }

// eachBackend runs a test for every backend.
func eachBackend(t *testing.T, test func(*testing.T, Backend)) {
	for _, backend := range []Backend{BackendRing, BackendSlimcap} {
		t.Run(string(backend), func(t *testing.T) { test(t, backend) })
	}
}

func (p pair) open(t testing.TB, cfg LiveConfig) Source {
	t.Helper()
	var source Source
	if err := p.near.Do(func() (err error) { source, err = OpenLive(cfg); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	return source
}

// collect reads until enough says that it has seen enough, or patience is over.
func collect(t *testing.T, source Source, seen func(f Frame, p *packet.Packet) (enough bool)) {
	t.Helper()
	over := false
	late := make(chan struct{})
	timer := time.AfterFunc(patience, func() { close(late); source.Wake() })
	defer timer.Stop()
	frames := make([]Frame, 8)
	for !over {
		n, err := source.Read(frames)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-late:
			t.Fatal("not all frames were seen in time")
		default:
		}
		for _, f := range frames[:n] {
			var p packet.Packet
			switch issue := packet.Decode(f.Link, f.Data, f.Length, &p); {
			case issue == flow.IssueNotIP && etherType(f) == 0x0806:
				continue // neighbours look for each other
			case issue != flow.IssueNone:
				t.Fatalf("frame % x: %v", f.Data[:min(len(f.Data), 64)], issue)
			}
			over = seen(f, &p) || over
		}
	}
}

// etherType is the type in the frame's Ethernet header.
func etherType(f Frame) uint16 { return binary.BigEndian.Uint16(f.Data[12:]) }

func ipOf(a flow.Address, family flow.Family) string { return a.Netip(family).String() }

// send sends count datagrams from one namespace to an address and port.
func send(t *testing.T, from *netns.NS, address string, port uint16, size, count int) {
	t.Helper()
	err := from.Do(func() error {
		// Not connected: a refusal (nobody listens) would be reported in place of sending the next one.
		conn, err := net.ListenUDP("udp", nil)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		to := netip.AddrPortFrom(netip.MustParseAddr(address), port)
		for range count {
			if _, err := conn.WriteToUDPAddrPort(make([]byte, size), to); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLiveDatagrams(t *testing.T) { eachBackend(t, testLiveDatagrams) }

func testLiveDatagrams(t *testing.T, backend Backend) {
	p := newPair(t)
	source := p.open(t, LiveConfig{Backend: backend, Interface: "eth0"})
	type key struct {
		from, to string
		port     uint16
		sent     bool
		length   uint32
	}
	want := map[key]int{
		{near4, far4, 1001, true, 14 + 20 + 8 + 100}:  3,
		{far4, near4, 1002, false, 14 + 20 + 8 + 200}: 4,
		{near6, far6, 1003, true, 14 + 40 + 8 + 300}:  5,
		{far6, near6, 1004, false, 14 + 40 + 8 + 400}: 6,
	}
	left := 0
	for k, count := range want {
		from := p.far
		if k.sent {
			from = p.near
		}
		send(t, from, k.to, k.port, int(k.length)-14-8-20*(1+strings.Count(k.to, "::")), count)
		left += count
	}
	got, quotes := map[key]int{}, 0
	collect(t, source, func(f Frame, p *packet.Packet) bool {
		if p.Protocol == flow.UDP {
			got[key{ipOf(p.Source, p.Family), ipOf(p.Destination, p.Family), p.DestinationPort, f.Sent, f.Length}]++
			left--
		}
		if p.Quoted { // nobody listens
			quotes++
			if p.Quote.Source != p.Destination || p.Quote.DestinationPort < 1001 || p.Quote.DestinationPort > 1004 {
				t.Errorf("quote %+v of %+v", p.Quote, p)
			}
		}
		return left == 0 && quotes > 0
	})
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if stats, err := source.Stats(); err != nil || stats.Received < 18 || stats.Dropped != 0 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func TestLiveHandshakeAndPing(t *testing.T) { eachBackend(t, testLiveHandshakeAndPing) }

func testLiveHandshakeAndPing(t *testing.T, backend Backend) {
	p := newPair(t)
	// A ring of few blocks is full after a moment, however little is in each: nobody reads before all is sent.
	source := p.open(t, LiveConfig{Backend: backend, Interface: "eth0", BlockSize: 1 << 16, Blocks: 256})
	for _, address := range []string{far4, far6} {
		listen := net.JoinHostPort(address, "8080")
		var server net.Listener
		var client net.Conn
		err := errors.Join(
			p.far.Do(func() (err error) { server, err = net.Listen("tcp", listen); return err }),
			p.near.Do(func() (err error) { client, err = net.DialTimeout("tcp", listen, patience); return err }))
		if err != nil {
			t.Fatal(err)
		}
		client.Close()
		server.Close()
	}
	// An echo request as ping sends it: type 8, code 0, identifier, sequence, and no data; the kernel answers.
	err := p.near.Do(func() error {
		conn, err := net.Dial("ip4:icmp", far4)
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
	seen := map[string]bool{}
	want := []string{"icmp 0 false", "icmp 8 true", "tcp4 2 true", "tcp4 18 false", "tcp6 2 true", "tcp6 18 false"}
	collect(t, source, func(f Frame, p *packet.Packet) bool {
		if p.HasTCP && p.TCPFlags&packet.SYN != 0 {
			seen[fmt.Sprintf("tcp%d %d %v", p.Family, p.TCPFlags&(packet.SYN|packet.ACK), f.Sent)] = true
		}
		if p.HasICMP && p.Family == flow.IPv4 {
			seen[fmt.Sprintf("icmp %d %v", p.ICMPType, f.Sent)] = true
		}
		return !slices.ContainsFunc(want, func(w string) bool { return !seen[w] })
	})
	if len(seen) != len(want) {
		t.Errorf("seen %v", seen)
	}
}

// TestLiveSnapsLongFrames holds that the length on the link is reported, not that of the part that is captured.
func TestLiveSnapsLongFrames(t *testing.T) { eachBackend(t, testLiveSnapsLongFrames) }

func testLiveSnapsLongFrames(t *testing.T, backend Backend) {
	p := newPair(t)
	source := p.open(t, LiveConfig{Backend: backend, Interface: "eth0"})
	send(t, p.near, far4, 1001, 1400, 1)
	collect(t, source, func(f Frame, p *packet.Packet) bool {
		if p.Protocol != flow.UDP {
			return false
		}
		if f.Length != 14+20+8+1400 || len(f.Data) != DefaultSnapLength {
			t.Errorf("length %d, captured %d", f.Length, len(f.Data))
		}
		return true
	})
}

func TestLiveWake(t *testing.T) { eachBackend(t, testLiveWake) }

func testLiveWake(t *testing.T, backend Backend) {
	p := newPair(t)
	source := p.open(t, LiveConfig{Backend: backend, Interface: "eth0"})
	woken := make(chan error)
	var stop atomic.Bool
	go func() {
		defer close(woken)
		frames := make([]Frame, 1)
		for !stop.Load() {
			n, err := source.Read(frames)
			if n > 0 {
				continue // the kernels' own chatter (neighbour discovery)
			}
			woken <- err
			if err != nil {
				return
			}
		}
	}()
	await := func(what string) {
		t.Helper()
		select {
		case err, open := <-woken:
			if err != nil || !open {
				t.Fatalf("%s: %v", what, err)
			}
		case <-time.After(patience):
			t.Fatalf("%s: read was not woken", what)
		}
	}
	for i := range 50 { // some find the read blocked, some find it on its way
		source.Wake()
		await(fmt.Sprintf("wake %d", i))
	}
	for range 4 { // the reader may be woken by the first and hang in its report, or by all of them at once
		source.Wake()
	}
	await("four wakes")
	stop.Store(true)
	source.Wake()
	for range woken { // until the reader is gone: Close must not meet it
	}
}

// TestLiveVanishes holds that a read ends with the right error when the interface goes.
func TestLiveVanishes(t *testing.T) { eachBackend(t, testLiveVanishes) }

func testLiveVanishes(t *testing.T, backend Backend) {
	for _, test := range []struct {
		name, command string
		want          error
	}{
		{"deleted", "ip link delete eth0", ErrNoInterface},
		{"down", "ip link set eth0 down", ErrInterfaceDown},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPair(t)
			source := p.open(t, LiveConfig{Backend: backend, Interface: "eth0"})
			failed := make(chan error, 1)
			go func() {
				failed <- p.near.Do(func() error {
					frames := make([]Frame, 1)
					for {
						if _, err := source.Read(frames); err != nil {
							return err
						}
					}
				})
			}()
			words := strings.Fields(test.command)
			if output, err := p.near.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v", output, err)
			}
			select {
			case err := <-failed:
				if !errors.Is(err, test.want) || !strings.Contains(err.Error(), "eth0") {
					t.Errorf("got %v, want %v", err, test.want)
				}
			case <-time.After(patience):
				t.Fatal("read hangs")
			}
			if err := source.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLiveCountsDrops overruns a small ring that nobody reads: what was handed over and what was dropped add up to
// what was sent, and Received leaves the drops out.
func TestLiveCountsDrops(t *testing.T) { eachBackend(t, testLiveCountsDrops) }

func testLiveCountsDrops(t *testing.T, backend Backend) {
	p := newPair(t)
	source := p.open(t, LiveConfig{Backend: backend, Interface: "eth0", BlockSize: os.Getpagesize(), Blocks: 2})
	const count = 500
	send(t, p.near, far4, 1001, 500, count)
	// The kernel's own chatter may come late: what is read must reach what is said to be received.
	read, datagrams := 0, 0
	var stats Stats
	for deadline := time.Now().Add(patience); read == 0 || stats.Received != uint64(read); {
		if time.Now().After(deadline) {
			t.Fatalf("read %d frames, but %+v", read, stats)
		}
		frames, of := drain(t, source)
		read, datagrams = read+frames, datagrams+of
		var err error
		if stats, err = source.Stats(); err != nil {
			t.Fatal(err)
		}
	}
	if stats.Dropped == 0 || datagrams == count {
		t.Fatalf("nothing was dropped: %+v, %d datagrams read", stats, datagrams)
	}
	if sum := stats.Received + stats.Dropped; sum < count {
		t.Errorf("%+v is %d frames, %d were sent", stats, sum, count)
	}
}

// drain reads until the ring is empty for a moment, and counts the frames and the datagrams among them.
func drain(t *testing.T, source Source) (read, datagrams int) {
	t.Helper()
	late := time.AfterFunc(2*Latency, source.Wake)
	defer late.Stop()
	frames := make([]Frame, 1)
	for {
		n, err := source.Read(frames)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return read, datagrams
		}
		read++
		var p packet.Packet
		if packet.Decode(frames[0].Link, frames[0].Data, frames[0].Length, &p) == flow.IssueNone && p.Protocol == flow.UDP {
			datagrams++
		}
	}
}

func TestLiveRawIP(t *testing.T) { eachBackend(t, testLiveRawIP) }

func testLiveRawIP(t *testing.T, backend Backend) {
	p := newPair(t)
	file := tun(t, p.near, "tun0", 0)
	source := p.open(t, LiveConfig{Backend: backend, Interface: "tun0"})
	datagram := ethernetFrom("198.51.100.9")[14:]
	if _, err := file.Write(datagram); err != nil {
		t.Fatal(err)
	}
	collect(t, source, func(f Frame, p *packet.Packet) bool {
		if ipOf(p.Source, p.Family) != "198.51.100.9" {
			return false
		}
		if f.Sent || f.Link != packet.LinkRawIP || f.Length != 20 {
			t.Errorf("%+v", f)
		}
		return true
	})
}

// A reader that is kept from reading for a while loses nothing, though every frame may have taken a block of its own.
func TestLiveReaderMayPause(t *testing.T) {
	const pause, every = 12 * Latency, Latency / 2
	p := newQuietPair(t)
	source := p.open(t, LiveConfig{Interface: "eth0"})
	tick := time.NewTicker(every)
	defer tick.Stop()
	const sent = int(pause / every)
	for i := range sent {
		transmit(t, p.far, "eth1", etherFrame(0x88b5+uint16(i)))
		<-tick.C
	}
	for i, f := range readSome(t, source, sent) {
		if got := etherType(f); got != 0x88b5+uint16(i) {
			t.Errorf("frame %d: %#x", i, got)
		}
	}
	if stats, err := source.Stats(); err != nil || stats != (Stats{Received: uint64(sent), Link: packet.LinkEthernet}) {
		t.Errorf("%+v, %v", stats, err)
	}
}
