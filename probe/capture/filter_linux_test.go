package capture

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/internal/netns"
	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// TestFilterCounts holds that the kernel runs the filter, and that what it leaves out is handed over as such: the frames
// of all rings are those that were sent, metered or filtered.
func TestFilterCounts(t *testing.T) {
	tagged := func(id byte) []byte { return etherFrame(0x8100, udpFrame(53, 0, id, 8, 0)...) }
	udp, tcp := etherFrame(0x0800, udpFrame(53)...), etherFrame(0x0800, packet4(1, 2, 6, 0, portsOf(40000, 443))...)
	arp := etherFrame(0x0806, make([]byte, 46)...)
	in := [][]byte{udp, tcp, arp, tagged(5), tagged(6), udp[:15]}
	out := [][]byte{tcp}
	for _, test := range []struct {
		name string
		cfg  LiveConfig
		want map[flow.Issue]int
	}{
		{"nothing", LiveConfig{}, map[flow.Issue]int{flow.IssueNone: 5, flow.IssueNotIP: 1, flow.IssueTruncated: 1}},
		{"tcp", LiveConfig{Filter: "tcp"}, map[flow.Issue]int{flow.IssueNone: 2, flow.IssueFiltered: 5}},
		{"vlan", LiveConfig{Filter: "vlan 5"}, map[flow.Issue]int{flow.IssueNone: 1, flow.IssueFiltered: 6}},
		{"any vlan", LiveConfig{Filter: "vlan"}, map[flow.Issue]int{flow.IssueNone: 2, flow.IssueFiltered: 5}},
		{"not vlan", LiveConfig{Filter: "not vlan and ip"}, map[flow.Issue]int{flow.IssueNone: 3, flow.IssueFiltered: 3, flow.IssueTruncated: 1}},
		{"sent", LiveConfig{Filter: "outbound"}, map[flow.Issue]int{flow.IssueNone: 1, flow.IssueFiltered: 6}},
		{"received tcp", LiveConfig{Filter: "inbound and tcp"}, map[flow.Issue]int{flow.IssueNone: 1, flow.IssueFiltered: 6}},
		{"program", LiveConfig{BPF: []bpf.RawInstruction{{Op: 0x28, K: 12}, {Op: 0x15, Jf: 1, K: 0x0806}, {Op: 0x06}}}, // not ARP
			map[flow.Issue]int{flow.IssueNone: 5, flow.IssueFiltered: 1, flow.IssueTruncated: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newQuietPair(t)
			cfg := test.cfg
			cfg.Interface = "eth0"
			sources := p.openGroup(t, cfg, 2)
			transmit(t, p.far, "eth1", in...)
			transmit(t, p.near, "eth0", out...)
			got := map[flow.Issue]int{}
			for _, source := range sources {
				stats, err := source.Stats()
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range readSome(t, source, int(stats.Received)) {
					var p packet.Packet
					issue := packet.Decode(f.Link, f.Data, f.Length, &p)
					got[issue]++
					if f.Length < 15 {
						t.Errorf("length %d", f.Length)
					}
				}
			}
			for issue := range flow.IssueCount {
				if got[issue] != test.want[issue] {
					t.Errorf("%v: %d, want %d", issue, got[issue], test.want[issue])
				}
			}
		})
	}
}

// tunDevice is a TUN device of a namespace.
type tunDevice struct {
	*os.File
	ns *netns.NS
}

func newTun(t *testing.T, ns *netns.NS, name string) tunDevice {
	t.Helper()
	var file *os.File
	err := ns.Do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		file = os.NewFile(uintptr(fd), "tun")
		request, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		t.Skipf("%s needs /dev/net/tun", t.Name())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return tunDevice{file, ns}
}

// setLink changes the device type, for which the device must be down for a moment.
func (d tunDevice) setLink(t *testing.T, name string, hardware int) {
	t.Helper()
	set := func(args ...string) {
		if out, err := d.ns.Command("ip", append([]string{"link", "set", name}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("ip link set: %v: %s", err, out)
		}
	}
	set("down")
	if err := unix.IoctlSetInt(int(d.Fd()), unix.TUNSETLINK, hardware); err != nil {
		t.Fatal(err)
	}
	set("up")
}

// TestRingFollowsItsLink changes the device type under a ring. What can be decoded goes on, and the ring tells; what
// cannot, or does not fit the filter, ends with an error that says so.
func TestRingFollowsItsLink(t *testing.T) {
	testenv.RequireRoot(t)
	for _, test := range []struct {
		name, filter string
		hardware     int
		want         error // nil: goes on
		text         string
	}{
		{"decoded", "", unix.ARPHRD_CISCO, nil, ""},
		{"not decoded", "", unix.ARPHRD_IEEE80211, ErrUnsupportedLink, "link type of the interface has changed from raw IP: link type is not decoded: device type 801"},
		{"with a filter", "udp", unix.ARPHRD_CISCO, ErrLinkChanged, "changed from raw IP to cisco HDLC: the filter does not fit any more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ns, err := netns.New("link-" + strings.ReplaceAll(test.name, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = ns.Close() })
			tun := newTun(t, ns, "tun0")
			if err := ns.Up("tun0"); err != nil {
				t.Fatal(err)
			}
			source := pair{near: ns}.open(t, LiveConfig{Interface: "tun0", Latency: 10 * time.Millisecond, Filter: test.filter})
			datagram := etherFrame(0x0800, udpFrame(53)...)[14:]
			write := func(link packet.Link) {
				if _, err := tun.Write(datagram); err != nil {
					t.Fatal(err)
				}
				for {
					f := readSome(t, source, 1)[0]
					if f.Length != uint32(len(datagram)) {
						continue // what the kernel says by itself
					}
					if f.Link != link {
						t.Errorf("link %v, want %v", f.Link, link)
					}
					return
				}
			}
			write(packet.LinkRawIP)
			tun.setLink(t, "tun0", test.hardware)
			if test.want == nil {
				write(packet.LinkHDLC)
				if _, err := tun.Write(datagram); err != nil { // the ring tells when the block has been read
					t.Fatal(err)
				}
				readSome(t, source, 1)
				if stats, err := source.Stats(); err != nil || stats.Link != packet.LinkHDLC {
					t.Errorf("%+v, %v", stats, err)
				}
				return
			}
			if _, err := tun.Write(datagram); err != nil {
				t.Fatal(err)
			}
			frames := make([]Frame, 8)
			for err = nil; err == nil; {
				_, err = source.Read(frames)
			}
			if !errors.Is(err, test.want) || !errors.Is(err, ErrLinkChanged) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%v", err)
			}
		})
	}
}
