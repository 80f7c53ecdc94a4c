package capture

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/internal/netns"
)

func TestOpenLiveErrors(t *testing.T) { eachBackend(t, testOpenLiveErrors) }

func testOpenLiveErrors(t *testing.T, backend Backend) {
	p := newPair(t)
	tun(t, p.near, "can0", unix.ARPHRD_CAN)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if output, err := p.far.Command("ip", "link", "set", "lo", "down").CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", output, err)
	}
	for _, test := range []struct {
		name string
		ns   *netns.NS
		cfg  LiveConfig
		want error
		says []string
	}{
		{"unknown", p.near, LiveConfig{Interface: "weird"}, ErrNoInterface, []string{"weird", "there are: can0, eth0, lo"}},
		{"nearest", p.near, LiveConfig{Interface: "eht0"}, ErrNoInterface, []string{`did you mean "eth0"?`}},
		{"path", p.near, LiveConfig{Interface: "../net/eth0"}, ErrNoInterface, nil},
		{"down", p.far, LiveConfig{Interface: "lo"}, ErrInterfaceDown, []string{"ip link set lo up"}},
		{"link type", p.near, LiveConfig{Interface: "can0"}, ErrUnsupportedLink, []string{"280"}},
		{"permission", p.near, LiveConfig{Interface: "eth0"}, ErrNoPermission, []string{"CAP_NET_RAW", "setcap cap_net_raw=ep " + program}},
		{"permission for promiscuous", p.near, LiveConfig{Interface: "eth0", Promiscuous: true}, ErrNoPermission, []string{"CAP_NET_RAW"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.ns.Do(func() error {
				if errors.Is(test.want, ErrNoPermission) {
					dropCapabilities(t)
				}
				test.cfg.Backend = backend
				source, err := OpenLive(test.cfg)
				if err == nil {
					_ = source.Close()
				}
				return err
			})
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			for _, part := range append(test.says, "capture on "+test.cfg.Interface) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

// dropCapabilities takes all capabilities from the calling thread, which must end afterwards.
func dropCapabilities(t *testing.T) {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capset(&header, &data[0]); err != nil {
		t.Error(err)
	}
}

func TestOpenLiveMeasures(t *testing.T) {
	for _, cfg := range []LiveConfig{
		{Interface: "lo", BlockSize: 1000}, {Interface: "lo", BlockSize: 3 << 12}, {Interface: "lo", BlockSize: -4096},
		{Interface: "lo", BlockSize: 2 * MaxBlockSize}, {Interface: "lo", Blocks: 1}, {Interface: "lo", Blocks: -1},
		{Interface: "lo", Blocks: MaxBlocks + 1}, {Interface: "lo", BlockSize: MaxBlockSize, Blocks: 17},
	} {
		if source, err := OpenLive(cfg); err == nil || !strings.Contains(err.Error(), "ring") {
			t.Errorf("%+v: %v, %v", cfg, source, err)
		}
	}
}

func TestOpenLiveOptions(t *testing.T) {
	for want, cfg := range map[string]LiveConfig{
		`backend "pcap" is neither ring nor slimcap`:        {Backend: "pcap"},
		"snap length 95 is not from 96 to 65535":            {SnapLength: 95},
		"snap length 65536 is not from 96 to 65535":         {SnapLength: 65536},
		"latency 999µs is not from 1ms to 100ms":            {Latency: time.Millisecond - time.Microsecond},
		"latency 101ms is not from 1ms to 100ms":            {Latency: 101 * time.Millisecond},
		"backend slimcap has a latency of 100ms and no fi":  {Backend: BackendSlimcap, Latency: 99 * time.Millisecond},
		"backend slimcap has a latency of 100ms and no fil": {Backend: BackendSlimcap, Filter: "tcp"},
	} {
		cfg.Interface = "lo"
		if source, err := OpenLive(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, %v, want %s", cfg, source, err, want)
		}
	}
}

func TestLivePromiscuous(t *testing.T) { eachBackend(t, testLivePromiscuous) }

func testLivePromiscuous(t *testing.T, backend Backend) {
	p := newPair(t)
	promiscuous := func() bool {
		var flags uint64
		err := p.near.Do(func() error {
			text, err := os.ReadFile("/sys/class/net/eth0/flags")
			if err == nil {
				flags, err = strconv.ParseUint(strings.TrimSpace(string(text)), 0, 32)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return flags&unix.IFF_PROMISC != 0
	}
	plain := p.open(t, LiveConfig{Backend: backend, Interface: "eth0"})
	if promiscuous() {
		t.Error("promiscuous without being asked")
	}
	source := p.open(t, LiveConfig{Backend: backend, Interface: "eth0", Promiscuous: true})
	if !promiscuous() {
		t.Error("not promiscuous")
	}
	if err := source.Close(); err != nil {
		t.Error(err)
	}
	if promiscuous() {
		t.Error("promiscuous after close")
	}
	if err := plain.Close(); err != nil {
		t.Error(err)
	}
}

// TestLiveLeavesNothingOpen opens and closes sources of all kinds, and some that cannot be opened, and counts what
// stays: descriptors and mapped rings.
func TestLiveLeavesNothingOpen(t *testing.T) { eachBackend(t, testLiveLeavesNothingOpen) }

func testLiveLeavesNothingOpen(t *testing.T, backend Backend) {
	p := newPair(t)
	count := func() (descriptors, rings int) {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries), strings.Count(string(maps), "socket:")
	}
	configs := []LiveConfig{{Interface: "eth0"}, {Interface: "eth0", Promiscuous: true}, {Interface: "eth9"}}
	if backend == BackendRing {
		configs = append(configs, LiveConfig{Interface: "eth0"})
	}
	cycle := func() {
		for _, cfg := range configs {
			cfg.Backend, cfg.BlockSize = backend, 1<<16
			_ = p.near.Do(func() error { // eth9 does not exist
				source, err := OpenLive(cfg)
				if err == nil {
					source.Wake()
					_, err = source.Read(make([]Frame, 1)) // what waiting needs is there from here on
					err = errors.Join(err, source.Close())
				}
				return err
			})
		}
	}
	cycle()
	kept := p.open(t, LiveConfig{Backend: backend, Interface: "eth0"})
	descriptors, rings := count()
	if rings != 1 {
		t.Fatalf("%d rings are mapped while one is open", rings)
	}
	for range 33 {
		cycle()
	}
	if d, r := count(); d > descriptors || r > rings {
		t.Errorf("%d descriptors and %d rings, then %d and %d", descriptors, rings, d, r)
	}
	if err := kept.Close(); err != nil {
		t.Error(err)
	}
	if _, r := count(); r != 0 {
		t.Errorf("%d rings are mapped after the last is closed", r)
	}
}

// tun makes a tun device in the namespace, and returns the file that stands for the other end of it.
func tun(t *testing.T, ns *netns.NS, name string, hardware int) *os.File {
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
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			return err
		}
		if hardware != 0 {
			return unix.IoctlSetInt(fd, unix.TUNSETLINK, hardware)
		}
		return nil
	})
	if file != nil {
		t.Cleanup(func() { file.Close() })
	}
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s: no tun devices here: %v", t.Name(), err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := ns.Up(name); err != nil {
		t.Fatal(err)
	}
	return file
}
