package meter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/internal/netns"
	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
)

const (
	patience = time.Minute // for what takes a second or two

	// prompt is how long a step may take in which nothing is to be sent twice, or to come too late to be an answer: TCP sends
	// again after a second, and that is also attemptTimeout.
	prompt         = 900 * time.Millisecond
	attemptTimeout = time.Second
)

// The far ends, which the near one connects to.
var farEnds = []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::2")}

// ends makes two namespaces and leaves it to join to make their interfaces eth0 (near) and eth1 (far).
func ends(t *testing.T, join func(near, far *netns.NS)) (near, far *netns.NS) {
	t.Helper()
	testenv.RequireRoot(t)
	for name, ns := range map[string]**netns.NS{"near": &near, "far": &far} {
		made, err := netns.New(name + "-" + strings.ToLower(t.Name()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = made.Close() })
		*ns = made
	}
	join(near, far)
	err := errors.Join(near.Up("eth0", "192.0.2.1/24", "2001:db8::1/64"), far.Up("eth1", "192.0.2.2/24", "2001:db8::2/64"))
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}

// veth joins by a pair of interfaces.
func veth(t *testing.T) func(near, far *netns.NS) {
	return func(near, far *netns.NS) {
		if err := netns.Veth(near, "eth0", far, "eth1"); err != nil {
			t.Fatal(err)
		}
	}
}

// slowWire joins by two tunnel devices between which every packet takes the given time.
func slowWire(t *testing.T, delay time.Duration) func(near, far *netns.NS) {
	return func(near, far *netns.NS) {
		a, b := tunnel(t, near, "eth0"), tunnel(t, far, "eth1")
		go carry(a, b, delay)
		go carry(b, a, delay)
	}
}

// tunnel makes a tunnel device, whose packets the file reads and writes.
func tunnel(t *testing.T, ns *netns.NS, name string) *os.File {
	t.Helper()
	var file *os.File
	err := ns.Do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		request, err := unix.NewIfreq(name)
		if err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		if err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		file = os.NewFile(uintptr(fd), name)
		return nil
	})
	if err != nil {
		t.Fatalf("make tunnel device: %v", err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// carry brings packets from one device to the other until one is closed.
func carry(from, to *os.File, delay time.Duration) {
	for {
		buffer := make([]byte, 2048)
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		time.AfterFunc(delay, func() { _, _ = to.Write(buffer[:n]) })
	}
}

// live is a meter at work on a real interface.
type live struct {
	*Meter
	t      *testing.T
	sink   *fakeSink
	stop   func() error
	source *timedSource
}

// timedSource notes whether frames come with their time.
type timedSource struct {
	capture.Source
	timed atomic.Bool
}

func (s *timedSource) Read(frames []capture.Frame) (int, error) {
	n, err := s.Source.Read(frames)
	if n > 0 && frames[0].Time != 0 {
		s.timed.Store(true)
	}
	return n, err
}

// meterOn starts a meter on an interface of a namespace. What is unanswered is known after a second.
func meterOn(t *testing.T, ns *netns.NS, iface string) *live {
	t.Helper()
	source := &timedSource{}
	err := ns.Do(func() (err error) {
		source.Source, err = capture.OpenLive(capture.LiveConfig{Interface: iface})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Interface, cfg.Table.AttemptTimeout = "eth0", attemptTimeout
	l := &live{t: t, sink: &fakeSink{}, source: source}
	if l.Meter, err = New(cfg, Deps{Source: source, Sink: l.sink}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- l.Run(ctx) }()
	l.stop = func() error { cancel(); return <-result }
	return l
}

// verdicts says what became of each flow with attempts: "proto port family: attempts verdict". ICMP's own are left out:
// neighbours are asked for when the kernel likes.
func (l *live) verdicts(records []flow.Record) map[string]string {
	found := map[string]flow.Counters{}
	for _, r := range records {
		if r.Key.Protocol != flow.TCP && r.Key.Protocol != flow.UDP {
			continue
		}
		name := fmt.Sprintf("%v %d IPv%d", r.Key.Protocol, r.Key.DestinationPort, r.Key.Family)
		c := found[name]
		c.Add(r.Counters)
		found[name] = c
	}
	lines := map[string]string{}
	for name, c := range found {
		lines[name] = fmt.Sprintf("%d %v", c.Attempts, c.Verdict())
	}
	return lines
}

// finish waits until n attempts have their outcome, then stops the meter and returns its rows.
func (l *live) finish(n uint64) []flow.Record {
	l.t.Helper()
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		_, records, err := l.Live(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		for _, b := range l.sink.stored() {
			records = append(records, b.Records...)
		}
		got := uint64(0)
		for _, r := range records {
			if r.Key.Protocol == flow.TCP || r.Key.Protocol == flow.UDP {
				got += r.Counters.Attempts
			}
		}
		if got >= n {
			break
		}
		if time.Since(begin) > patience {
			l.t.Fatalf("%d attempts have an outcome, want %d: %v", got, n, l.verdicts(records))
		}
	}
	if err := l.stop(); err != nil {
		l.t.Fatal(err)
	}
	var records []flow.Record
	for _, b := range l.sink.stored() {
		records = append(records, b.Records...)
	}
	return records
}

// filterRules make the far end drop what goes to port 82 and reject what goes to port 83, by ICMP.
const filterRules = `add table inet weir
add chain inet weir input { type filter hook input priority 0; }
add rule inet weir input meta l4proto { tcp, udp } th dport 82 drop
add rule inet weir input meta l4proto { tcp, udp } th dport 83 reject with icmpx type admin-prohibited
`

// serve answers on port 80 of every address of the far end, and listens without answering on UDP port 84. It returns
// when the near end has found its neighbour, which may take a second the first time.
func serve(t *testing.T, near, far *netns.NS) {
	t.Helper()
	err := far.Do(func() error {
		for _, address := range farEnds {
			listener, err := net.Listen("tcp", netip.AddrPortFrom(address, 80).String())
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = listener.Close() })
			answering, err := net.ListenPacket("udp", netip.AddrPortFrom(address, 80).String())
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = answering.Close() })
			go echo(answering)
			silent, err := net.ListenPacket("udp", netip.AddrPortFrom(address, 84).String())
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = silent.Close() })
		}
		return nil
	})
	for _, address := range farEnds {
		err = errors.Join(err, near.Do(func() error {
			conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(address, 80).String(), patience)
			if err != nil {
				return err
			}
			return conn.Close()
		}))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func echo(conn net.PacketConn) {
	buffer := make([]byte, 100)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(buffer[:n], from)
	}
}

// dial tries to connect, or sends a datagram and waits for an answer, from the near end.
func dial(t *testing.T, near *netns.NS, network string, to netip.AddrPort) error {
	t.Helper()
	return near.Do(func() error {
		conn, err := net.DialTimeout(network, to.String(), 500*time.Millisecond)
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = conn.Close() })
		if network == "udp" {
			if _, err = conn.Write([]byte("anybody there?")); err == nil && to.Port() == 80 {
				_ = conn.SetReadDeadline(time.Now().Add(patience))
				_, err = conn.Read(make([]byte, 100))
			}
		}
		return err
	})
}

// inTime lets meters at both ends see what steps do, again from the start where the machine was too slow for the longest of them.
func inTime(t *testing.T, near, far *netns.NS, steps func() (longest time.Duration)) map[string]*live {
	t.Helper()
	for range 20 {
		meters := map[string]*live{"near": meterOn(t, near, "eth0"), "far": meterOn(t, far, "eth1")}
		longest := steps()
		if longest < prompt {
			return meters
		}
		t.Logf("again, since a step took %v", longest)
		for _, m := range meters {
			if err := m.stop(); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Fatalf("on this machine one of the steps always takes more than %v", prompt)
	return nil
}

// TestVerdictsLive: what became of real attempts, seen at either end, in IPv4 and IPv6.
func TestVerdictsLive(t *testing.T) {
	near, far := ends(t, veth(t))
	filter := far.Command("nft", "-f", "-")
	filter.Stdin = strings.NewReader(filterRules)
	if output, err := filter.CombinedOutput(); err != nil {
		t.Skipf("%s needs nftables: %v: %s", t.Name(), err, output)
	}
	serve(t, near, far)
	want := map[string]string{}
	meters := inTime(t, near, far, func() (longest time.Duration) {
		for _, address := range farEnds {
			for port, outcome := range map[uint16]string{80: "1 accepted", 81: "1 rejected", 82: "1 unanswered", 83: "1 rejected", 84: "1 unanswered"} {
				for _, network := range []string{"tcp", "udp"} {
					if network == "tcp" && port == 84 {
						continue
					}
					begin := time.Now()
					err := dial(t, near, network, netip.AddrPortFrom(address, port))
					longest = max(longest, time.Since(begin))
					if network == "tcp" && (err == nil) != (port == 80) {
						t.Errorf("dial port %d of %v: %v", port, address, err)
					}
					family := 4
					if address.Is6() {
						family = 6
					}
					want[fmt.Sprintf("%s %d IPv%d", network, port, family)] = outcome
				}
			}
		}
		return longest
	})
	for end, m := range meters {
		if diff := cmp.Diff(want, m.verdicts(m.finish(uint64(len(want))))); diff != "" {
			t.Errorf("%s end: %s", end, diff)
		}
	}
}

// TestRoundTripLive: the round trip is that of the wire, seen from either end.
func TestRoundTripLive(t *testing.T) {
	const delay = 100 * time.Millisecond
	near, far := ends(t, slowWire(t, delay))
	checkRoundTrip(t, near, far, 2*delay, 3*delay)
}

// TestRoundTripNetem is TestRoundTripLive with the kernel's delay.
func TestRoundTripNetem(t *testing.T) {
	const delay = 100 * time.Millisecond
	near, far := ends(t, veth(t))
	command := near.Command("tc", "qdisc", "add", "dev", "eth0", "root", "netem", "delay", delay.String())
	if output, err := command.CombinedOutput(); err != nil {
		t.Skipf("%s needs the netem qdisc: %s", t.Name(), output)
	}
	checkRoundTrip(t, near, far, delay, 2*delay)
}

// checkRoundTrip connects over a wire that has a round trip, and lets a handshake take so long, both at least: a machine under
// load adds to each. What it adds to the round trip, it adds to the handshake, too.
func checkRoundTrip(t *testing.T, near, far *netns.NS, want, handshake time.Duration) {
	t.Helper()
	serve(t, near, far)
	listeners := map[netip.Addr]net.Listener{}
	for _, address := range farEnds {
		err := far.Do(func() (err error) {
			listeners[address], err = net.Listen("tcp", netip.AddrPortFrom(address, 85).String())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listeners[address].Close() })
	}
	added := map[netip.Addr]time.Duration{}
	meters := inTime(t, near, far, func() (longest time.Duration) {
		for _, address := range farEnds {
			begin := time.Now()
			err := near.Do(func() error {
				conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(address, 85).String(), patience)
				if err == nil {
					t.Cleanup(func() { _ = conn.Close() })
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			conn, err := listeners[address].Accept() // the last packet of the handshake has arrived
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(begin)
			t.Cleanup(func() { _ = conn.Close() })
			longest, added[address] = max(longest, took), max(took-handshake, 0)
		}
		return longest
	})
	for end, m := range meters {
		records := m.finish(2)
		if !m.source.timed.Load() {
			t.Skipf("%s needs a source that says when frames were captured", t.Name())
		}
		measured := 0
		for _, r := range records {
			rtt, ok := r.Counters.RoundTrip()
			if r.Key.Protocol != flow.TCP || !ok {
				continue
			}
			measured++
			least, most := want-want/5, want+want/5+added[r.Key.DestinationAddr()]
			t.Logf("%s end, IPv%d: %v, want %v to %v", end, r.Key.Family, rtt, least, most)
			if rtt < least || rtt > most {
				t.Errorf("%s end, %v: round trip %v, want %v to %v", end, r.Key.DestinationAddr(), rtt, least, most)
			}
		}
		if measured != 2 {
			t.Errorf("%s end: %d round trips, want 2", end, measured)
		}
	}
}
