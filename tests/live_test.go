//go:build linux

package tests

import (
	byteorder "encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/internal/netns"
	"github.com/weirflow/weir/internal/testenv"
)

// message is struct mmsghdr of sendmmsg(2).
type message struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

// blaster sends UDP packets of so many flows again and again, as fast as it can, from a packet socket that passes the
// queueing discipline by.
type blaster struct {
	fd       int
	messages []message
	frames   [][]byte
	parts    []unix.Iovec
	next     int
}

const atOnce = 64 // packets of one system call

func newBlaster(b testing.TB, from *netns.NS, iface string, flows int) *blaster {
	b.Helper()
	s := &blaster{fd: -1}
	err := from.Do(func() error {
		device, err := net.InterfaceByName(iface)
		if err != nil {
			return err
		}
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return errors.Join(unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1),
			unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: device.Index}))
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.Close(s.fd) })
	s.messages, s.parts = make([]message, flows), make([]unix.Iovec, flows)
	for i := range s.messages {
		frame := blasted(i)
		s.frames = append(s.frames, frame)
		s.parts[i].Base = &frame[0]
		s.parts[i].SetLen(len(frame))
		s.messages[i].header.Iov = &s.parts[i]
		s.messages[i].header.SetIovlen(1)
	}
	return s
}

// blasted is the frame of a flow: from one of many hosts and ports to port 53 of one that does not exist, so that nobody
// answers.
func blasted(n int) []byte {
	b := append(make([]byte, 0, 64), 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0)
	ip := make([]byte, 28, 50)
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	byteorder.BigEndian.PutUint16(ip[2:], 50)
	byteorder.BigEndian.PutUint32(ip[12:], 0x0a000000+uint32(n)*2654435761>>8)
	copy(ip[16:], []byte{198, 51, 100, 1})
	byteorder.BigEndian.PutUint16(ip[20:], uint16(1024+n%60000))
	byteorder.BigEndian.PutUint16(ip[22:], 53)
	byteorder.BigEndian.PutUint16(ip[24:], 30)
	return append(b, ip[:50]...)
}

// run sends so many packets, and says how long that took and how much processor time the kernel and the sender spent.
func (s *blaster) run(b testing.TB, packets int) (took, busy time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin, spent := time.Now(), ownTime(b)
	for left := packets; left > 0; {
		n := min(atOnce, left, len(s.messages)-s.next)
		sent, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.messages[s.next])), uintptr(n), 0, 0, 0)
		if errno != 0 && errno != unix.EINTR && errno != unix.ENOBUFS {
			b.Fatalf("send: %v", errno)
		}
		if errno == 0 {
			left -= int(sent)
			s.next = (s.next + int(sent)) % len(s.messages)
		}
	}
	runtime.KeepAlive(s)
	return time.Since(begin), ownTime(b) - spent
}

// ownTime is the processor time of the calling thread.
func ownTime(b testing.TB) time.Duration {
	var spec unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &spec); err != nil {
		b.Fatal(err)
	}
	return time.Duration(spec.Nano())
}

// softirqTime is what all processors have spent on it since the start of the machine.
func softirqTime(b testing.TB) time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text)) // cpu user nice system idle iowait irq softirq, in hundredths of a second
	ticks, err := strconv.ParseInt(fields[7], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// captured is what the status says of an interface.
type captured struct {
	Received uint64 `json:"received_total"`
	Metered  uint64 `json:"processed_total"`
	Dropped  uint64 `json:"dropped_total"`
	Flows    uint64
	Waiting  int    `json:"waiting_intervals"`
	Stored   string `json:"last"`
}

func (p *probe) captured(b testing.TB) captured {
	b.Helper()
	var status struct{ Statuses map[string]captured }
	text, err := p.get("/status")
	if err == nil {
		err = json.Unmarshal(text, &status)
	}
	if err != nil {
		b.Fatal(err)
	}
	return status.Statuses[cableEnd]
}

// settled waits until the probe has read what was sent.
func (p *probe) settled(b testing.TB, received uint64) (c captured) {
	b.Helper()
	eventually(b, patience, func() string {
		if c = p.captured(b); c.Received+c.Dropped < received {
			return fmt.Sprintf("%d packets have arrived and %d were dropped of %d", c.Received, c.Dropped, received)
		}
		return ""
	})
	return c
}

// TestIdleInterfaces: a probe of some interfaces that nothing passes takes less than what 64 of them may
// (BenchmarkManyIdleInterfaces).
func TestIdleInterfaces(t *testing.T) { idleInterfaces(t, 6) }

// BenchmarkManyIdleInterfaces is what a probe of 64 interfaces takes that nothing passes.
func BenchmarkManyIdleInterfaces(b *testing.B) {
	var resident int64
	for b.Loop() {
		resident = max(resident, idleInterfaces(b, 64))
	}
	b.ReportMetric(float64(resident)/(1<<20), "RSS-MiB")
	b.ReportMetric(0, "ns/op")
}

func idleInterfaces(t testing.TB, interfaces int) (resident int64) {
	testenv.RequireRoot(t)
	requireTools(t, "ip")
	const most = 120 << 20
	near, far := newSpace(t, "near"), newSpace(t, "far")
	for i := range interfaces {
		name := fmt.Sprint("many", i)
		err := netns.Veth(near, name, far, name)
		if err = errors.Join(err, near.Up(name)); err != nil {
			t.Fatal(err)
		}
	}
	p := newProbe(t, near.Command, settings{iface: "many*", meter: "interval: 5m"})
	p.run(t)
	capturing := 0
	eventually(t, patience, func() string {
		var status struct {
			Statuses map[string]struct{ Capturing bool }
		}
		text, err := p.get("/status")
		if err == nil {
			err = json.Unmarshal(text, &status)
		}
		if err != nil {
			t.Fatal(err)
		}
		capturing = 0
		for _, s := range status.Statuses {
			if s.Capturing {
				capturing++
			}
		}
		if capturing != interfaces {
			return fmt.Sprintf("%d interfaces are captured, not %d", capturing, interfaces)
		}
		return ""
	})
	<-time.After(settling)
	resident = int64(p.resident(t))
	t.Logf("%d interfaces: %.1f MiB resident", capturing, float64(resident)/(1<<20))
	if resident >= most {
		t.Errorf("%.1f MiB resident, want less than %d", float64(resident)/(1<<20), most>>20)
	}
	p.terminate(t)
	return resident
}
