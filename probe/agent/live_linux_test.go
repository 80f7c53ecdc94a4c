package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/internal/netns"
	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
)

const patience = time.Minute // for what takes a moment

// cable is two namespaces with an interface eth0 each, joined by a cable that is not plugged in yet: until then not one
// packet passes.
type cable struct{ near, far *netns.NS }

func newWire(t testing.TB) cable {
	t.Helper()
	testenv.RequireRoot(t)
	var w cable
	for name, ns := range map[string]**netns.NS{"near": &w.near, "far": &w.far} {
		made, err := netns.New(name + "-" + t.Name())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = made.Close() })
		*ns = made
	}
	w.join(t)
	return w
}

// join makes the cable.
func (w cable) join(t testing.TB) {
	t.Helper()
	err := netns.Veth(w.near, "eth0", w.far, "eth0")
	if err == nil {
		err = w.near.Up("eth0", "192.0.2.1/24", "2001:db8::1/64")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (w cable) plug(t testing.TB) {
	t.Helper()
	if err := errors.Join(w.far.Up("eth0", "192.0.2.2/24", "2001:db8::2/64"), w.near.Await("eth0"), w.far.Await("eth0")); err != nil {
		t.Fatal(err)
	}
}

func run(t testing.TB, ns *netns.NS, arguments ...string) {
	t.Helper()
	if output, err := ns.Command(arguments[0], arguments[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(arguments, " "), err, output)
	}
}

// passed is what the kernel counted on an interface, sent and received together.
func passed(t testing.TB, ns *netns.NS, iface string) (packets uint64) {
	t.Helper()
	err := ns.Do(func() error {
		for _, name := range []string{"rx_packets", "tx_packets"} {
			text, err := os.ReadFile("/sys/class/net/" + iface + "/statistics/" + name)
			if err != nil {
				return err
			}
			n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
			if err != nil {
				return err
			}
			packets += n
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packets
}

// onWire is an agent that captures in a namespace.
type onWire struct {
	*Agent
	t    testing.TB
	stop func()
	log  *testenv.Journal
}

// watchWire runs an agent in a namespace. It ends with the test, or with stop.
func watchWire(t testing.TB, ns *netns.NS, change func(*Config)) *onWire {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Host.Name, cfg.Store.Path, cfg.Capture.Interfaces = "alpha", t.TempDir(), []string{"eth0"}
	cfg.Meter.Table.AttemptTimeout = time.Second
	change(&cfg)
	o := &onWire{t: t, log: &testenv.Journal{}}
	deps := Deps{
		Logger: slog.New(slog.NewTextHandler(o.log, nil)),
		Open: func(c capture.LiveConfig, rings int) (sources []capture.Source, err error) {
			err = ns.Do(func() (err error) { sources, err = open(c, rings); return err })
			return sources, err
		},
		List: func() (names []string, err error) {
			err = ns.Do(func() (err error) { names, err = capture.Interfaces(); return err })
			return names, err
		},
	}
	deps.Watch = func(ctx context.Context, changed chan<- struct{}) {
		_ = ns.Do(func() error { watch(ctx, changed, deps.Logger); return nil })
	}
	var err error
	if o.Agent, err = New(cfg, deps); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- o.Run(ctx) }()
	ended := false
	o.stop = func() {
		cancel()
		if err := <-result; err != nil {
			t.Errorf("Run: %v\n%s", err, o.log.String())
		}
		ended = true
	}
	t.Cleanup(func() {
		if !ended {
			o.stop()
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	o.until("everything is captured", func() bool {
		statuses := o.Status().Statuses
		for _, s := range statuses {
			if !s.Capturing {
				return false
			}
		}
		return len(statuses) > 0
	})
	return o
}

// until waits.
func (o *onWire) until(what string, holds func() bool) {
	o.t.Helper()
	for begin := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > patience {
			o.t.Fatalf("in vain: until %s\n%+v\n%s", what, o.Status(), o.log.String())
		}
	}
}

// tally is what is stored of an interface.
type tally struct {
	flow.Accounting
	rows   flow.Counters
	flows  map[flow.Key]flow.Counters
	boots  map[flow.Key]map[[16]byte]bool // runs that counted it
	runs   map[[16]byte]bool
	blocks int
}

// tally reads the store. The accounting of every interval must hold.
func (o *onWire) tally(iface string) tally {
	o.t.Helper()
	s := tally{flows: map[flow.Key]flow.Counters{}, boots: map[flow.Key]map[[16]byte]bool{}, runs: map[[16]byte]bool{}}
	_, err := o.store.Scan(context.Background(), iface, 0, 1<<40, func(i flow.Interval, records []flow.Record) error {
		a, issues, packets := i.Accounting, uint64(0), uint64(0)
		for _, n := range a.Issues {
			issues += n
		}
		for _, r := range records {
			packets += r.Counters.Packets()
			s.rows.Add(r.Counters)
			c := s.flows[r.Key]
			c.Add(r.Counters)
			s.flows[r.Key] = c
			if s.boots[r.Key] == nil {
				s.boots[r.Key] = map[[16]byte]bool{}
			}
			s.boots[r.Key][i.Boot] = true
		}
		if a.Received != a.Metered+issues || a.Metered != packets {
			o.t.Errorf("%s: %+v does not account for %d packets in rows", iface, a, packets)
		}
		s.Add(a)
		s.runs[i.Boot] = true
		s.blocks++
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

// injector sends frames as they are, from an interface of a namespace.
type injector struct{ fd int }

func inject(t testing.TB, ns *netns.NS, iface string) *injector {
	t.Helper()
	i := &injector{}
	err := ns.Do(func() error {
		device, err := net.InterfaceByName(iface)
		if err != nil {
			return err
		}
		if i.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Bind(i.fd, &unix.SockaddrLinklayer{Ifindex: device.Index})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(i.fd) })
	return i
}

func (i *injector) send(t testing.TB, frame []byte) {
	t.Helper()
	for {
		_, err := unix.Write(i.fd, frame)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
}

// etherFrame puts a link header, with VLAN tags, around a packet.
func etherFrame(etherType uint16, packet []byte, vlans ...uint16) []byte {
	b := append(make([]byte, 0, 128), 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2)
	for _, id := range vlans {
		b = binary.BigEndian.AppendUint16(append(b, 0x81, 0), id)
	}
	return append(binary.BigEndian.AppendUint16(b, etherType), packet...)
}

// ip4 is a packet from 10.0.0.n.
func ip4(n byte, protocol flow.Protocol, payload []byte) []byte {
	b := make([]byte, 20, 20+len(payload))
	b[0], b[8], b[9] = 0x45, 64, byte(protocol)
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	copy(b[12:], []byte{10, 0, 0, n, 10, 0, 1, 1})
	return append(b, payload...)
}

func udpTo(port uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, 40000)
	b = binary.BigEndian.AppendUint16(b, port)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

// TestVLANsAndTunnelsOnWire: frames in VLANs, whose tags the kernel takes out, and what GRE and VXLAN carry, arrive on
// interfaces of their own; together the interfaces of the outer packets have what the kernel counted.
func TestVLANsAndTunnelsOnWire(t *testing.T) {
	w := newWire(t)
	o := watchWire(t, w.near, func(c *Config) { c.Capture.VLAN, c.Capture.Tunnels, c.Capture.Derived = "split", "both", 3 })
	w.plug(t)
	from := inject(t, w.far, "eth0")
	gre := append([]byte{0, 0, 8, 0}, ip4(3, flow.UDP, udpTo(53, nil))...)
	vxlan := append([]byte{8, 0, 0, 0, 0, 0, 42, 0}, etherFrame(0x0800, ip4(4, flow.UDP, udpTo(53, nil)))...)
	for range 50 {
		from.send(t, etherFrame(0x0800, ip4(1, flow.UDP, udpTo(53, nil))))
		for _, id := range []uint16{100, 200, 300, 400} {
			from.send(t, etherFrame(0x0800, ip4(2, flow.UDP, udpTo(53, nil)), id))
		}
		from.send(t, etherFrame(0x0800, ip4(2, flow.UDP, udpTo(53, nil)), 200, 7))
		from.send(t, etherFrame(0x0800, ip4(9, 47, gre)))
		from.send(t, etherFrame(0x0800, ip4(9, flow.UDP, udpTo(4789, vxlan)), 100))
	}
	time.Sleep(2 * capture.Latency)
	least := passed(t, w.near, "eth0")
	o.stop()
	most := passed(t, w.near, "eth0") // the kernel itself may send something at any time
	udp53 := func(iface string, n byte) uint64 {
		key := flow.Key{Family: flow.IPv4, Protocol: flow.UDP, DestinationPort: 53}
		key.Source, _ = flow.AddressFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}))
		key.Destination, _ = flow.AddressFrom(netip.AddrFrom4([4]byte{10, 0, 1, 1}))
		return o.tally(iface).flows[key].Packets()
	}
	for name, want := range map[string]uint64{"eth0 1": 50, "eth0.100 2": 50, "eth0.200 2": 100, "eth0.300 2": 50, "eth0.more 2": 50,
		"eth0~gre 3": 50, "eth0~vxlan.42 4": 50, "eth0 2": 0, "eth0 3": 0, "eth0.100 4": 0} {
		iface, n, _ := strings.Cut(name, " ")
		if got := udp53(iface, n[0]-'0'); got != want {
			t.Errorf("%s: %d packets, want %d", name, got, want)
		}
	}
	outer := uint64(0)
	for _, name := range []string{"eth0", "eth0.100", "eth0.200", "eth0.300", "eth0.more"} {
		outer += o.tally(name).Received
	}
	if outer < least || outer > most {
		t.Errorf("%d outer packets are accounted for, the kernel counted %d to %d", outer, least, most)
	}
}

// TestIgnoreVLANsOnWire: what PUT /config says with goProbe's ignore_vlans and extra_bpf_filters holds on the wire, on
// top of the configured filter, and what it leaves out is accounted for.
func TestIgnoreVLANsOnWire(t *testing.T) {
	w := newWire(t)
	o := watchWire(t, w.near, func(c *Config) { c.Capture.Filter = "udp port 53" })
	w.plug(t)
	odd := []bpf.RawInstruction{{Op: 0x30, K: 14 + 15}, {Op: 0x54, K: 1}, {Op: 0x15, Jt: 1, K: 1}, {Op: 6}, {Op: 6, K: 0xffff}} // by the last byte of the source
	changes, err := o.SetInterfaces(t.Context(), map[string]InterfaceSettings{"eth0": {Untagged: true, BPF: odd}})
	if err != nil || len(changes.Updated) != 1 || changes.Updated[0].Err != nil {
		t.Fatalf("%+v %v", changes, err)
	}
	from := inject(t, w.far, "eth0")
	for range 50 {
		from.send(t, etherFrame(0x0800, ip4(1, flow.UDP, udpTo(53, nil))))
		from.send(t, etherFrame(0x0800, ip4(2, flow.UDP, udpTo(53, nil))))
		from.send(t, etherFrame(0x0800, ip4(3, flow.UDP, udpTo(53, nil)), 100))
		from.send(t, etherFrame(0x0800, ip4(5, flow.UDP, udpTo(54, nil))))
	}
	time.Sleep(2 * capture.Latency)
	o.stop()
	got := o.tally("eth0")
	for key, c := range got.flows {
		if source := key.Source.Netip(key.Family); source != netip.MustParseAddr("10.0.0.1") || c.Packets() != 50 {
			t.Errorf("%s: %d packets", source, c.Packets())
		}
	}
	if len(got.flows) != 1 || got.Received < 200 {
		t.Errorf("%d flows, %d packets received", len(got.flows), got.Received)
	}
}

// TestFanoutOnWire: three workers share an interface. Each conversation is with one of them, its fragments and the
// errors about it included; together they have what the kernel counted.
func TestFanoutOnWire(t *testing.T) {
	const conversations = 60
	w := newWire(t)
	o := watchWire(t, w.near, func(c *Config) { c.Capture.Fanout = 3 })
	w.plug(t)
	err := w.far.Do(func() error { // no error is left out: neither to one host, nor of all by a budget that shrinks at random
		return errors.Join(os.WriteFile("/proc/sys/net/ipv4/icmp_ratelimit", []byte("0"), 0),
			os.WriteFile("/proc/sys/net/ipv4/icmp_ratemask", []byte("0"), 0),
			os.WriteFile("/proc/sys/net/ipv6/icmp/ratelimit", []byte("0"), 0),
			os.WriteFile("/proc/sys/net/ipv6/icmp/ratemask", []byte("2"), 0)) // packet too big, and nothing else
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range conversations {
		for _, far := range []string{"192.0.2.2", "2001:db8::2"} {
			to := netip.AddrPortFrom(netip.MustParseAddr(far), uint16(20000+i))
			var server net.PacketConn
			if i%3 > 0 {
				err := w.far.Do(func() (err error) { server, err = net.ListenPacket("udp", to.String()); return err })
				if err != nil {
					t.Fatal(err)
				}
				defer server.Close()
			}
			converse(t, w.near, to, server, i%3 == 2)
		}
	}
	time.Sleep(2 * capture.Latency)
	if s := o.Status().Statuses["eth0"]; s.Workers != 3 {
		t.Errorf("status %+v", s)
	}
	least := passed(t, w.near, "eth0")
	o.stop()
	most := passed(t, w.near, "eth0") // the kernel itself may send something at any time
	all := o.tally("eth0")
	if all.Received < least || all.Received > most || all.Dropped != 0 || len(all.runs) != 3 {
		t.Errorf("%d packets of %d workers are accounted for and %d dropped, the kernel counted %d to %d", all.Received, len(all.runs), all.Dropped, least, most)
	}
	seen, workers := 0, map[[16]byte]bool{}
	for key, c := range all.flows {
		if key.Protocol != flow.UDP {
			continue
		}
		port := int(key.DestinationPort)
		if port < 20000 || port >= 20000+conversations {
			t.Errorf("flow %v of nobody: %+v", key, c)
			continue
		}
		seen++
		for boot := range all.boots[key] {
			workers[boot] = true
		}
		want := flow.VerdictAccepted
		if port%3 == 20000%3 {
			want = flow.VerdictRejected
		}
		if len(all.boots[key]) != 1 || c.Verdict() != want || c.Attempts != 1 {
			t.Errorf("%v: with %d workers, %+v is %v, want %v", key, len(all.boots[key]), c, c.Verdict(), want)
		}
	}
	if seen != 2*conversations || len(workers) != 3 {
		t.Errorf("%d flows with %d workers, want %d with 3", seen, len(workers), 2*conversations)
	}
}

// converse asks once, or in fragments, too; a server answers in kind.
func converse(t *testing.T, near *netns.NS, to netip.AddrPort, server net.PacketConn, fragments bool) {
	t.Helper()
	var client net.Conn
	from := net.Dialer{LocalAddr: &net.UDPAddr{Port: 23000 + int(to.Port())}} // no service has it
	err := near.Do(func() (err error) { client, err = from.Dial("udp", to.String()); return err })
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	sizes := []int{10}
	if fragments {
		sizes = []int{10, 4000, 4000}
	}
	buffer := make([]byte, 8000)
	for _, size := range sizes {
		if _, err := client.Write(buffer[:size]); err != nil {
			t.Fatal(err)
		}
		_ = client.SetReadDeadline(time.Now().Add(patience))
		if server == nil {
			if _, err := client.Read(buffer); !errors.Is(err, unix.ECONNREFUSED) {
				t.Errorf("%v: %v, want that the port is unreachable", to, err)
			}
			continue
		}
		_ = server.SetReadDeadline(time.Now().Add(patience))
		n, from, err := server.ReadFrom(buffer)
		if err == nil {
			_, err = server.WriteTo(buffer[:n], from)
		}
		if err == nil {
			_, err = client.Read(buffer)
		}
		if err != nil {
			t.Fatalf("%v: %v", to, err)
		}
	}
}

// TestFlapOnWire: under load an interface goes down and comes back, gets another name, is deleted and made anew. Capture
// goes on without a restart, the status says what is, and every interval accounts for its packets.
func TestFlapOnWire(t *testing.T) {
	w := newWire(t)
	o := watchWire(t, w.near, func(c *Config) {
		c.Capture.Interfaces, c.Meter.Interval = []string{"eth0", "wan*"}, time.Second
	})
	w.plug(t)
	ctx, cancel := context.WithCancel(t.Context())
	load := make(chan uint64)
	go func() { load <- flood(ctx, w.far) }()
	total := func(name string) uint64 { return o.Status().Statuses[name].ProcessedTotal }
	flows := func(name string) {
		t.Helper()
		before := total(name)
		o.until(name+" is captured", func() bool {
			s := o.Status().Statuses[name]
			return s.Capturing && s.Reason == "" && total(name) > before+100
		})
	}
	flows("eth0")
	run(t, w.near, "ip", "link", "set", "eth0", "down")
	o.until("the status says that it is down", func() bool {
		return strings.Contains(o.Status().Statuses["eth0"].Reason, capture.ErrInterfaceDown.Error())
	})
	run(t, w.near, "ip", "link", "set", "eth0", "up")
	flows("eth0")
	run(t, w.near, "ip", "link", "set", "eth0", "down")
	run(t, w.near, "ip", "link", "set", "eth0", "name", "wan7")
	run(t, w.near, "ip", "link", "set", "wan7", "up")
	flows("wan7")
	o.until("the status says that the name is gone", func() bool {
		return strings.Contains(o.Status().Statuses["eth0"].Reason, capture.ErrNoInterface.Error())
	})
	run(t, w.near, "ip", "link", "delete", "wan7")
	o.until("the status says that it is deleted", func() bool {
		return strings.Contains(o.Status().Statuses["wan7"].Reason, capture.ErrNoInterface.Error())
	})
	w.join(t)
	w.plug(t)
	flows("eth0")
	cancel()
	sent := <-load
	shown := total("eth0") + total("wan7")
	time.Sleep(2 * capture.Latency)
	o.stop()
	a, b := o.tally("eth0"), o.tally("wan7")
	if metered := a.Metered + b.Metered; metered < shown || metered > sent+1000 || a.Dropped+b.Dropped != 0 {
		t.Errorf("%d packets are stored, %d were shown, %d sent, %d dropped", metered, shown, sent, a.Dropped+b.Dropped)
	}
	t.Logf("%d packets sent, %d metered in %d intervals", sent, a.Metered+b.Metered, a.blocks+b.blocks)
}

// flood sends to many ports until ctx ends, whatever becomes of the interface, and says how many packets left.
func flood(ctx context.Context, from *netns.NS) (sent uint64) {
	var socket net.PacketConn
	err := from.Do(func() (err error) { socket, err = net.ListenPacket("udp4", "0.0.0.0:0"); return err })
	if err != nil {
		return 0
	}
	defer socket.Close()
	for i := 0; ctx.Err() == nil; i++ {
		for range 20 {
			to := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 20000 + i%500}
			if _, err := socket.WriteTo([]byte(fmt.Sprint("packet ", i)), to); err == nil {
				sent++
			}
		}
		time.Sleep(time.Millisecond)
	}
	return sent
}
