//go:build linux

package tests

import (
	byteorder "encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/internal/netns"
)

// tap counts what passes an interface by a packet socket of its own, a plain one without a ring: the truth that the
// probe is held against. Like the kernel's statistics it counts a super-packet once.
type tap struct {
	socket int
	stop   atomic.Bool
	end    sync.WaitGroup
	err    error

	ip, other counts // with and without an IP header; to be read after close
}

// tapBuffer holds all that a test sends at once, so that the tap drops nothing.
const tapBuffer = 256 << 20

// openTap begins to count on an interface of the namespace.
func openTap(t testing.TB, space *netns.NS, iface string) *tap {
	t.Helper()
	p := &tap{}
	err := space.Do(func() (err error) {
		p.socket, err = packetSocket(iface)
		return err
	})
	if err != nil {
		t.Fatalf("open a packet socket on %s: %v", iface, err)
	}
	p.end.Go(func() { p.err = p.count() })
	t.Cleanup(func() {
		p.stop.Store(true)
		p.end.Wait()
		_ = unix.Close(p.socket)
	})
	return p
}

func packetSocket(iface string) (int, error) {
	device, err := net.InterfaceByName(iface)
	if err != nil {
		return 0, err
	}
	// Without a protocol it receives nothing until it is bound to the interface.
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	err = errors.Join(
		unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, tapBuffer),
		unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}),
		unix.Bind(socket, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: device.Index}))
	if err != nil {
		_ = unix.Close(socket)
	}
	return socket, err
}

// networkOrder is a 16-bit number as a packet socket's address holds it, and back.
func networkOrder(n uint16) uint16 {
	return byteorder.NativeEndian.Uint16([]byte{byte(n >> 8), byte(n)})
}

// count reads until it is told to stop and nothing is left.
func (p *tap) count() error {
	header := make([]byte, 64)
	for {
		// With MSG_TRUNC the length is that of the frame, however much of it fits.
		length, from, err := unix.Recvfrom(p.socket, header, unix.MSG_TRUNC)
		switch {
		case errors.Is(err, unix.EAGAIN) && p.stop.Load():
			return nil
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		}
		address, ok := from.(*unix.SockaddrLinklayer)
		if !ok {
			return fmt.Errorf("a packet from %T", from)
		}
		p.add(networkOrder(address.Protocol), address.Pkttype == unix.PACKET_OUTGOING, uint64(length))
	}
}

func (p *tap) add(ethertype uint16, sent bool, length uint64) {
	into := &p.other
	if ethertype == unix.ETH_P_IP || ethertype == unix.ETH_P_IPV6 {
		into = &p.ip
	}
	if sent {
		into.PacketsSent++
		into.BytesSent += length
	} else {
		into.PacketsReceived++
		into.BytesReceived += length
	}
}

// close counts what has arrived to its end and checks that the tap itself has missed nothing. Nothing may arrive any more.
func (p *tap) close(t testing.TB) {
	t.Helper()
	p.stop.Store(true)
	p.end.Wait()
	if p.err != nil {
		t.Fatalf("count packets: %v", p.err)
	}
	statistics, err := unix.GetsockoptTpacketStats(p.socket, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		t.Fatalf("ask the packet socket for its drops: %v", err)
	}
	if statistics.Drops != 0 {
		t.Fatalf("the test's own counter dropped %d of %d packets", statistics.Drops, statistics.Packets)
	}
}
