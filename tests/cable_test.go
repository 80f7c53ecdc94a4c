//go:build linux

package tests

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weirflow/weir/internal/netns"
)

// The ends of a cable, with addresses that are nobody's (RFC 5737, RFC 3849).
const (
	near4, near6 = "192.0.2.1", "2001:db8::1"
	far4, far6   = "192.0.2.2", "2001:db8::2"
)

// cable joins two namespaces: probes capture in the near one, what they see talks to the far one. It is unplugged at
// first. While it is, not one packet passes, also none that the kernel sends by itself: what is begun and ended so
// sees exactly the same packets as everything else that is.
type cable struct{ near, far *netns.NS }

const cableEnd = "eth0" // in both namespaces

func newCable(t testing.TB) cable {
	t.Helper()
	c := cable{near: newSpace(t, "near"), far: newSpace(t, "far")}
	if err := netns.Veth(c.near, cableEnd, c.far, cableEnd); err != nil {
		t.Fatal(err)
	}
	if err := c.near.Up(cableEnd, near4+"/24", near6+"/64"); err != nil {
		t.Fatal(err)
	}
	return c
}

func newSpace(t testing.TB, name string) *netns.NS {
	t.Helper()
	space, err := netns.New(t.Name() + "-" + name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := space.Close(); err != nil {
			t.Error(err)
		}
	})
	return space
}

func (c cable) plug(t testing.TB) {
	t.Helper()
	err := c.far.Up(cableEnd, far4+"/24", far6+"/64")
	if err = errors.Join(err, c.near.Await(cableEnd), c.far.Await(cableEnd)); err != nil {
		t.Fatal(err)
	}
}

func (c cable) unplug(t testing.TB) {
	t.Helper()
	succeed(t, patience, c.far.Command("ip", "link", "set", cableEnd, "down"))
	// The kernel takes up to a second to take the other end out of service.
	eventually(t, patience, func() string {
		if state := c.read(t, "operstate"); state == "up" {
			return "the cable's near end is still up"
		}
		return ""
	})
}

// read is what /sys says of the near end.
func (c cable) read(t testing.TB, name string) string {
	t.Helper()
	var text []byte
	err := c.near.Do(func() (err error) {
		text, err = os.ReadFile(filepath.Join("/sys/class/net", cableEnd, name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// statistics are the kernel's own counters of the near end. Packets that it sent just before it noticed that the cable
// is unplugged are undelivered: the kernel does not count their bytes.
func (c cable) statistics(t testing.TB) (s counts, undelivered uint64) {
	t.Helper()
	for name, into := range map[string]*uint64{"rx_packets": &s.PacketsReceived, "tx_packets": &s.PacketsSent,
		"rx_bytes": &s.BytesReceived, "tx_bytes": &s.BytesSent, "tx_dropped": &undelivered} {
		var err error
		if *into, err = strconv.ParseUint(c.read(t, "statistics/"+name), 10, 64); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return s, undelivered
}

// listen opens a stream socket in the namespace.
func listen(t testing.TB, space *netns.NS, address string) net.Listener {
	t.Helper()
	var listener net.Listener
	err := space.Do(func() (err error) {
		listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// dial opens a connection from within the namespace.
func dial(space *netns.NS, address string) (connection net.Conn, err error) {
	err = space.Do(func() error {
		// Without fallback it is dialled on the calling goroutine, which is in the namespace.
		connection, err = (&net.Dialer{FallbackDelay: -1, Timeout: patience}).Dial("tcp", address)
		return err
	})
	return connection, err
}

// gate makes a port of this machine's loopback interface lead to an address in the namespace, and returns its own.
func gate(t testing.TB, space *netns.NS, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			outside, err := listener.Accept()
			if err != nil {
				return
			}
			inside, err := dial(space, address)
			if err != nil {
				_ = outside.Close()
				continue
			}
			for _, way := range [2][2]net.Conn{{outside, inside}, {inside, outside}} {
				go func() {
					_, _ = io.Copy(way[1], way[0]) // ends with either connection
					_, _ = outside.Close(), inside.Close()
				}()
			}
		}
	}()
	return listener.Addr().String()
}
