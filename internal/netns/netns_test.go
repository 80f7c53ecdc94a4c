package netns

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
)

func make2(t *testing.T) (a, b *NS) {
	t.Helper()
	testenv.RequireRoot(t)
	for i, n := range []**NS{&a, &b} {
		made, err := New([]string{"left", "right"}[i] + "-" + strings.ToLower(t.Name()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := made.Close(); err != nil {
				t.Error(err)
			}
		})
		*n = made
	}
	if err := Veth(a, "eth0", b, "eth1"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Up("eth0", "192.0.2.1/24", "2001:db8::1/64"), b.Up("eth1", "192.0.2.2/24", "2001:db8::2/64"), a.Await("eth0"), b.Await("eth1")); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestTrafficBetweenNamespaces(t *testing.T) {
	a, b := make2(t)
	for _, address := range []string{"192.0.2.2", "2001:db8::2"} {
		var server net.PacketConn
		var client net.Conn
		listen := netip.AddrPortFrom(netip.MustParseAddr(address), 5300).String()
		err := errors.Join(
			b.Do(func() (err error) { server, err = net.ListenPacket("udp", listen); return err }),
			a.Do(func() (err error) { client, err = net.Dial("udp", listen); return err }))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = errors.Join(server.Close(), client.Close()) })
		if _, err := client.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if err := server.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 16)
		if n, _, err := server.ReadFrom(buffer); err != nil || string(buffer[:n]) != "hello" {
			t.Errorf("%s: %q, %v", address, buffer[:n], err)
		}
	}
}

func TestDoSeesOnlyTheNamespace(t *testing.T) {
	a, _ := make2(t)
	var sys, devices []string
	err := a.Do(func() error {
		entries, err := os.ReadDir("/sys/class/net")
		for _, e := range entries {
			sys = append(sys, e.Name())
		}
		list, err2 := net.Interfaces()
		for _, i := range list {
			devices = append(devices, i.Name)
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(devices)
	if want := []string{"eth0", "lo"}; !slices.Equal(sys, want) || !slices.Equal(devices, want) {
		t.Errorf("/sys has %v, netlink %v, want %v", sys, devices, want)
	}
	output, err := a.Command("ip", "-brief", "link").CombinedOutput()
	if err != nil || !strings.Contains(string(output), "eth0") {
		t.Errorf("command: %s, %v", output, err)
	}
	wanted := errors.New("mine")
	if err := a.Do(func() error { return wanted }); !errors.Is(err, wanted) {
		t.Errorf("got %v", err)
	}
}

func TestNewRemovesWhatTheDeadLeft(t *testing.T) {
	testenv.RequireRoot(t)
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	stale := prefix + strconv.Itoa(dead.Process.Pid) + "-stale"
	if err := ip("netns", "add", stale); err != nil {
		t.Fatal(err)
	}
	n, err := New("fresh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	gone := func() bool {
		_, err := os.Stat("/run/netns/" + stale)
		return os.IsNotExist(err)
	}
	for begin := time.Now(); !gone(); time.Sleep(time.Millisecond) { // tests of other packages remove it, too
		if time.Since(begin) > patience {
			t.Fatalf("%s is still there", stale)
		}
	}
	if _, err := os.Stat("/run/netns/" + n.Name()); err != nil {
		t.Error(err)
	}
}

func TestErrorsNameTheObject(t *testing.T) {
	testenv.RequireRoot(t)
	n, err := New("errors")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New("errors"); err == nil || !strings.Contains(err.Error(), n.Name()) {
		t.Errorf("made twice: %v", err)
	}
	if err := n.Up("eth9", "192.0.2.1/24"); err == nil || !strings.Contains(err.Error(), "eth9") {
		t.Errorf("no such interface: %v", err)
	}
	if err := n.Await("eth9"); err == nil || !strings.Contains(err.Error(), "eth9") {
		t.Errorf("no such interface: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := n.Close(); err == nil {
		t.Error("removed twice without an error")
	}
	if err := n.Do(func() error { return nil }); err == nil {
		t.Error("entered a removed namespace")
	}
}

func TestOwnerOf(t *testing.T) {
	for name, want := range map[string]int{"weir-12-a": 12, "weir-12-a-b": 12, "weir-12": 0, "other-12-a": 0, "weir-x-a": 0, "weir--1-a": 0} {
		pid, ok := ownerOf(name)
		if ok != (want > 0) || ok && pid != want {
			t.Errorf("%s: %d %v, want %d", name, pid, ok, want)
		}
	}
}
