// Package netns makes network namespaces joined by veth pairs, for tests and for the demo: traffic of real
// sockets that never leaves the machine. It needs root, Linux and the ip command (iproute2), and nothing of this
// module.
//
// Invariants: every namespace is named weir-PID-NAME after the process that made it, so that processes do not
// meet; New removes those that dead processes left behind. Duplicate address detection is off in them, so that
// IPv6 addresses work at once.
package netns

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	prefix   = "weir-"
	patience = 30 * time.Second // for an ip command, which takes milliseconds on a machine that is well
)

// NS is a network namespace. Its methods may be called by several goroutines at once.
type NS struct {
	name string
}

// New makes a namespace with the loopback interface up. Slashes in the name become dashes, so that it may be the
// name of a test.
func New(name string) (*NS, error) {
	removeStale()
	n := &NS{name: prefix + strconv.Itoa(os.Getpid()) + "-" + strings.ReplaceAll(name, "/", "-")}
	if err := ip("netns", "add", n.name); err != nil {
		return nil, fmt.Errorf("make network namespace %s: %w", n.name, err)
	}
	if err := n.prepare(); err != nil {
		_ = n.Close()
		return nil, fmt.Errorf("make network namespace %s: %w", n.name, err)
	}
	return n, nil
}

// prepare turns duplicate address detection off for interfaces to come and takes the loopback interface up.
func (n *NS) prepare() error {
	err := n.Do(func() error {
		for _, file := range []string{"all/accept_dad", "default/accept_dad", "default/dad_transmits"} {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+file, []byte("0"), 0); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return n.ip("link", "set", "lo", "up")
}

// Name is the namespace's name as `ip netns` knows it.
func (n *NS) Name() string { return n.name }

// Command is a command that runs within the namespace. The caller starts and ends it; Close does not.
func (n *NS) Command(name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", n.name, name}, args...)...) //nolint:noctx // the caller ends it
}

// Up gives an interface of the namespace the addresses, each with its prefix length (192.0.2.1/24), and takes it up.
func (n *NS) Up(iface string, addresses ...string) error {
	for _, address := range addresses {
		args := []string{"address", "add", address, "dev", iface}
		if strings.Contains(address, ":") {
			args = append(args, "nodad")
		}
		if err := n.ip(args...); err != nil {
			return fmt.Errorf("give %s the address %s: %w", iface, address, err)
		}
	}
	return n.ip("link", "set", iface, "up")
}

// Await waits until an end of a veth pair, both of whose ends are up, can send. The kernel opens the end that was up first
// a moment later, from a worker of its own; what is sent before then is lost, and nobody is told.
func (n *NS) Await(iface string) error {
	for begin := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		// Asked in this way, the kernel answers when the worker is not in the middle of it.
		output, err := exec.Command("ip", "-n", n.name, "-oneline", "link", "show", "dev", iface).CombinedOutput() //nolint:noctx // short
		if err != nil {
			return fmt.Errorf("look at %s of %s: %w: %s", iface, n.name, err, strings.TrimSpace(string(output)))
		}
		if strings.Contains(string(output), " state UP ") {
			return nil
		}
		if time.Since(begin) > patience {
			return fmt.Errorf("%s of %s does not come up: %s", iface, n.name, strings.TrimSpace(string(output)))
		}
	}
}

// Close removes the namespace and its interfaces. Processes that still run in it keep it alive until they end.
func (n *NS) Close() error {
	if err := ip("netns", "delete", n.name); err != nil {
		return fmt.Errorf("remove network namespace %s: %w", n.name, err)
	}
	return nil
}

// Veth makes a pair of interfaces, one end in each namespace, both down and without addresses.
func Veth(a *NS, aName string, b *NS, bName string) error {
	err := ip("link", "add", aName, "netns", a.name, "type", "veth", "peer", "name", bName, "netns", b.name)
	if err != nil {
		return fmt.Errorf("make veth pair %s-%s: %w", aName, bName, err)
	}
	return nil
}

func (n *NS) ip(args ...string) error { return ip(append([]string{"-n", n.name}, args...)...) }

// ip runs the ip command; its error holds what the command said.
func ip(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	output, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}

// removeStale removes namespaces of processes that are gone. It is best effort: what stays is only untidy.
func removeStale() {
	entries, _ := os.ReadDir("/run/netns")
	for _, entry := range entries {
		owner, ok := ownerOf(entry.Name())
		if ok && syscall.Kill(owner, 0) == syscall.ESRCH {
			_ = ip("netns", "delete", entry.Name())
		}
	}
}

// ownerOf is the process id in a namespace's name.
func ownerOf(name string) (int, bool) {
	rest, ours := strings.CutPrefix(name, prefix)
	id, _, named := strings.Cut(rest, "-")
	pid, err := strconv.Atoi(id)
	return pid, ours && named && err == nil && pid > 0
}
