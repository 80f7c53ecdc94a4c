package fleet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/weirflow/weir/demo/traffic"
	"github.com/weirflow/weir/internal/netns"
	"github.com/weirflow/weir/probe/capture"
)

// The three hosts, with addresses of the documentation prefixes (RFC 5737, RFC 3849): they are nobody's.
var layout = []struct{ name, ipv4, ipv6 string }{
	{"workstation", "192.0.2.10", "2001:db8::10"},
	{"web", "192.0.2.20", "2001:db8::20"},
	{"services", "192.0.2.30", "2001:db8::30"},
}

// setPlan gives the traffic its hosts, in the order of the layout.
func (f *Fleet) setPlan(hosts [3]traffic.Host, ports traffic.Ports) {
	f.plan = traffic.Plan{Workstation: hosts[0], Web: hosts[1], Services: hosts[2], Ports: ports}
}

// prepareNamespaces makes a namespace a host and one with a bridge that joins them.
func (f *Fleet) prepareNamespaces() error {
	hub, err := f.namespace("switch")
	if err != nil {
		return err
	}
	if err := run(hub.Command("ip", "link", "add", "br0", "type", "bridge")); err != nil {
		return err
	}
	if err := hub.Up("br0"); err != nil {
		return err
	}
	var ends [3]traffic.Host
	for i, l := range layout {
		space, err := f.namespace(l.name)
		if err != nil {
			return err
		}
		port := fmt.Sprintf("port%d", i)
		if err := netns.Veth(space, "eth0", hub, port); err != nil {
			return err
		}
		if err := run(hub.Command("ip", "link", "set", port, "master", "br0")); err != nil {
			return err
		}
		if err := hub.Up(port); err != nil {
			return err
		}
		if err := space.Up("eth0", l.ipv4+"/24", l.ipv6+"/64"); err != nil {
			return err
		}
		h := &host{name: l.name, listen: "127.0.0.1:8145", command: space.Command}
		h.dial = func(ctx context.Context) (connection net.Conn, err error) {
			err = space.Do(func() error {
				connection, err = (&net.Dialer{FallbackDelay: -1}).DialContext(ctx, "tcp", h.listen)
				return err
			})
			return connection, err
		}
		if err := f.configure(h, "eth0"); err != nil {
			return err
		}
		f.hosts = append(f.hosts, h)
		ends[i] = traffic.Host{Name: l.name, IPv4: netip.MustParseAddr(l.ipv4), IPv6: netip.MustParseAddr(l.ipv6), Do: space.Do, Command: space.Command}
	}
	f.setPlan(ends, traffic.WellKnown())
	return nil
}

func (f *Fleet) namespace(name string) (*netns.NS, error) {
	space, err := netns.New(name)
	if err != nil {
		return nil, err
	}
	f.close = append(f.close, space.Close)
	return space, nil
}

func run(command *exec.Cmd) error {
	output, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(command.Args, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}

// here is this machine as all three hosts.
func here(name string) traffic.Host {
	return traffic.Host{Name: name, IPv4: netip.MustParseAddr("127.0.0.1"), IPv6: netip.IPv6Loopback(),
		Do: func(f func() error) error { return f() }, Command: exec.Command}
}

// prepareInterfaces lets all probes capture on the loopback interface, which is where the traffic then is.
func (f *Fleet) prepareInterfaces() error {
	source, err := capture.OpenLive(capture.LiveConfig{Interface: "lo"})
	if err != nil {
		return err
	}
	if err := source.Close(); err != nil {
		return err
	}
	if err := f.localHosts("lo"); err != nil {
		return err
	}
	f.setPlan([3]traffic.Host{here("workstation"), here("web"), here("services")}, traffic.High())
	return nil
}

// localHosts configures three probes that listen on free ports of this machine.
func (f *Fleet) localHosts(interfaces string) error {
	for _, l := range layout {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		h := &host{name: l.name, listen: listener.Addr().String(), command: exec.Command}
		if err := listener.Close(); err != nil {
			return err
		}
		if err := f.configure(h, interfaces); err != nil {
			return err
		}
		f.hosts = append(f.hosts, h)
	}
	return nil
}

// prepareTraces writes a trace a host, of traffic like the live one, and replays it into the probes' stores.
func (f *Fleet) prepareTraces() error {
	if err := f.localHosts(""); err != nil {
		return err
	}
	var ends [3]traffic.Host
	for i, l := range layout {
		ends[i] = traffic.Host{Name: l.name, IPv4: netip.MustParseAddr(l.ipv4), IPv6: netip.MustParseAddr(l.ipv6)}
	}
	f.setPlan(ends, traffic.WellKnown())
	for i, l := range layout {
		trace := filepath.Join(f.dir, l.name+".pcap")
		if err := f.plan.WriteTrace(trace, ends[i]); err != nil {
			return err
		}
		replay := exec.Command(f.cfg.Probe, "replay", "--db", f.storeDir(l.name), "--iface", "eth0",
			"--interval", f.cfg.Interval.String(), "--local", l.ipv4+"/32", "--local", l.ipv6+"/128", trace)
		if err := run(replay); err != nil {
			return err
		}
	}
	return nil
}
