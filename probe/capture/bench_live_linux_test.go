package capture

import (
	"encoding/binary"
	"net"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/internal/netns"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// The live benchmark sends so many packets, of so many flows, in one go.
const (
	livePackets = 1_000_000
	liveFlows   = 20_000
	liveBatch   = 64 // packets of one system call of the sender
)

// BenchmarkLiveVeth reads and decodes what another namespace sends as fast as it can. It reports the sender's rate,
// the packets that were dropped, and the CPU time that the reading thread took for a million packets, its system calls
// included; the kernel's work for the ring is the sender's here.
func BenchmarkLiveVeth(b *testing.B) {
	for _, shape := range []struct {
		name string
		cfg  LiveConfig
	}{
		{"ring", LiveConfig{}},
		{"slimcap", LiveConfig{Backend: BackendSlimcap}},
		{"ring/blocks=4x1MiB", LiveConfig{BlockSize: 1 << 20, Blocks: 4}},
		{"ring/blocks=64x64KiB", LiveConfig{BlockSize: 1 << 16, Blocks: 64}},
	} {
		b.Run(shape.name, func(b *testing.B) {
			p := newQuietPair(b)
			cfg := shape.cfg
			cfg.Interface = "eth0"
			source := p.open(b, cfg)
			sender := newSender(b, p.far, "eth1")
			b.ResetTimer()
			var reading, sending time.Duration
			for range b.N {
				sent := make(chan time.Duration, 1)
				go func() {
					sent <- sender.run(b)
					source.Wake()
				}()
				reading += readUntil(b, source, sent, &sending)
			}
			b.StopTimer()
			stats, err := source.Stats()
			if err != nil {
				b.Fatal(err)
			}
			total := uint64(b.N) * livePackets
			if stats.Received+stats.Dropped != total {
				b.Errorf("%+v is not the %d packets that were sent", stats, total)
			}
			b.ReportMetric(float64(total)/1000/sending.Seconds(), "kpackets/s")
			b.ReportMetric(float64(stats.Dropped)/float64(b.N), "drops")
			b.ReportMetric(reading.Seconds()*1e6/float64(stats.Received), "CPU-s/Mpacket")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// readUntil reads until the sender has ended and nothing has come for a while; it returns the CPU time that took.
func readUntil(b *testing.B, source Source, sent <-chan time.Duration, sending *time.Duration) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	frames := make([]Frame, 512)
	var p packet.Packet
	begin := threadTime(b)
	for over := false; ; {
		n, err := source.Read(frames)
		if err != nil {
			b.Fatal(err)
		}
		for i := range frames[:n] {
			if packet.Decode(frames[i].Link, frames[i].Data, frames[i].Length, &p) != flow.IssueNone {
				b.Fatalf("%+v", frames[i])
			}
		}
		if n > 0 {
			continue
		}
		if over {
			return threadTime(b) - begin
		}
		select {
		case took := <-sent:
			*sending += took
			over = true
			late := time.AfterFunc(3*Latency, source.Wake)
			defer late.Stop()
		default:
		}
	}
}

func threadTime(b *testing.B) time.Duration {
	var spec unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &spec); err != nil {
		b.Fatal(err)
	}
	return time.Duration(spec.Nano())
}

// message is struct mmsghdr of sendmmsg(2).
type message struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

// sender sends the same packets again and again, from a packet socket that passes the queueing discipline by.
type sender struct {
	fd       int
	messages []message
	frames   [][]byte
	parts    []unix.Iovec
}

func newSender(b *testing.B, from *netns.NS, iface string) *sender {
	b.Helper()
	s := &sender{fd: -1}
	err := from.Do(func() error {
		device, err := net.InterfaceByName(iface)
		if err != nil {
			return err
		}
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
			return err
		}
		return unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: device.Index})
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.Close(s.fd) })
	s.messages, s.parts = make([]message, liveFlows), make([]unix.Iovec, liveFlows)
	for i := range s.messages {
		frame := etherFrame(0x0800, udpFrame(uint16(1024+i))...)
		binary.BigEndian.PutUint32(frame[26:], 0x0a000000+uint32(i*2654435761>>8&0xffffff))
		s.frames = append(s.frames, frame)
		s.parts[i].Base = &frame[0]
		s.parts[i].SetLen(len(frame))
		s.messages[i].header.Iov = &s.parts[i]
		s.messages[i].header.SetIovlen(1)
	}
	return s
}

// run sends livePackets packets, and says how long that took.
func (s *sender) run(b *testing.B) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin := time.Now()
	for left, at := livePackets, 0; left > 0; {
		n := min(liveBatch, left, len(s.messages)-at)
		sent, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.messages[at])), uintptr(n), 0, 0, 0)
		if errno != 0 && errno != unix.EINTR && errno != unix.ENOBUFS {
			b.Errorf("send: %v", errno)
			break
		}
		if errno == 0 {
			left -= int(sent)
			at = (at + int(sent)) % len(s.messages)
		}
	}
	runtime.KeepAlive(s)
	return time.Since(begin)
}
