//go:build linux

package tests

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
)

const pageSize = 300 << 10

// Every packet that passes the interface is counted once, in its direction and with its length: by the probe's
// store, its interface to other programs, and the plugin.
func TestCountersEqualInterface(t *testing.T) {
	testenv.RequireRoot(t)
	requireTools(t, "ip", "iperf3", "curl", "ping")
	c := newCable(t)
	access := newAccess(t)
	p := newProbe(t, c.near.Command, settings{iface: cableEnd, meter: "interval: 5s, checkpoint: 1s",
		listen: access.listen("127.0.0.1:8145"), tokens: access.tokens})
	truth := openTap(t, c.near, cableEnd)
	p.run(t)
	if before, _ := c.statistics(t); before != (counts{}) {
		t.Fatalf("the interface is not new: %s", before)
	}
	c.plug(t)
	talk(t, c)
	c.unplug(t)
	truth.close(t)
	want := truth.ip
	t.Logf("IP: %s; other: %s", want, truth.other)
	got, undelivered := c.statistics(t)
	all := want.plus(truth.other)
	if got.PacketsSent+undelivered != all.PacketsSent || undelivered == 0 && got != all || undelivered > 3 {
		t.Errorf("the interface counted %s (%d undelivered), the tap %s", got, undelivered, all)
	}

	t.Run("live", func(t *testing.T) { checkLive(t, p, want) })
	t.Run("plugin", func(t *testing.T) {
		checkPlugin(t, access.source("near", gate(t, c.near, "127.0.0.1:8145")), want)
	})
	status, err := p.get("/status")
	if err != nil || !strings.Contains(string(status), `"dropped_total":0`) {
		t.Errorf("drops in the status? %v\n%s", err, status)
	}
	p.terminate(t)
	t.Run("stored", func(t *testing.T) { checkStored(t, p, want, truth.other) })
}

// What the kernel has not yet handed over when the probe is told to end belongs to what it has seen, too.
func TestEndBringsEverythingHome(t *testing.T) {
	testenv.RequireRoot(t)
	requireTools(t, "ip", "ping")
	c := newCable(t)
	p := newProbe(t, c.near.Command, settings{iface: cableEnd, meter: "interval: 5m"})
	p.run(t)
	c.plug(t)
	succeed(t, patience, c.near.Command("ping", "-n", "-q", "-f", "-c", "300", far4))
	p.terminate(t)
	if got := p.stored(t, "-i", cableEnd, "-c", "proto = icmp", "proto").rowSum(); got.PacketsSent != 300 || got.PacketsReceived != 300 {
		t.Errorf("stored: %s, want 300 packets in each direction", got)
	}
}

// checkLive waits until the kernel has handed over the last packets, a moment after they arrived.
func checkLive(t *testing.T, p *probe, want counts) {
	request := map[string]any{"query": "iface", "ifaces": cableEnd, "first": "0", "live": true}
	eventually(t, patience, func() string {
		got, err := p.post(request)
		if err != nil {
			return err.Error()
		}
		if got.rowSum() != want {
			return fmt.Sprintf("POST /_query: %s, want %s", got.rowSum(), want)
		}
		return ""
	})
	if got := weirQuery(t, "--server", "unix:"+p.socket, "-i", "any", "iface"); got.rowSum() != want {
		t.Errorf("weir query --server: %s, want %s", got.rowSum(), want)
	}
}

// checkStored also looks at who talked to whom, and at what the probe says of itself.
func checkStored(t *testing.T, p *probe, want, other counts) {
	all := p.stored(t, "-i", cableEnd, "iface")
	if all.rowSum() != want || all.Summary.Totals != want {
		t.Errorf("rows %s, totals %s, want %s", all.rowSum(), all.Summary.Totals, want)
	}
	packets := want.PacketsReceived + want.PacketsSent
	rest := other.PacketsReceived + other.PacketsSent
	if a := all.Summary.Accounting; a.Dropped != 0 || a.Received != packets+rest || a.Metered != packets || a.Issues["not_ip"] != rest {
		t.Errorf("accounting %+v, want %d metered, %d not IP, none dropped", a, packets, rest)
	}
	rows := p.stored(t, "-i", cableEnd, "sip,dip,dport,proto")
	if rows.rowSum() != want {
		t.Errorf("rows by flow: %s, want %s", rows.rowSum(), want)
	}
	found := map[string]counts{}
	for _, row := range rows.Rows {
		a := row.Attributes
		name := fmt.Sprintf("%s %s %d %d", a.Source, a.Destination, a.Protocol, a.Port)
		found[name] = found[name].plus(row.Counters)
	}
	for name, least := range talked() {
		got := found[name]
		if got.PacketsReceived == 0 || got.PacketsSent == 0 || got.BytesReceived+got.BytesSent < least {
			t.Errorf("flow %s: %s, want both directions and at least %d bytes\nflows: %v", name, got, least, found)
		}
	}
}

// The ports of the conversations.
const (
	portHTTP = 8080
	portTCP4 = 5201 + iota
	portTCP6
	portUDP4
	portUDP6
)

// talked is what talk leaves behind: source, destination, protocol and port (of ICMP: type × 256), and how many bytes at least.
func talked() map[string]uint64 {
	v4, v6 := near4+" "+far4, near6+" "+far6
	return map[string]uint64{
		fmt.Sprintf("%s 6 %d", v4, portTCP4):  10 << 20, // iperf3 leaves some unsent at its end
		fmt.Sprintf("%s 6 %d", v6, portTCP6):  20 << 20,
		fmt.Sprintf("%s 17 %d", v4, portUDP4): 5 << 20,
		fmt.Sprintf("%s 17 %d", v6, portUDP6): 5 << 20,
		fmt.Sprintf("%s 6 %d", v4, portHTTP):  pageSize,
		fmt.Sprintf("%s 6 %d", v6, portHTTP):  pageSize,
		fmt.Sprintf("%s 1 %d", v4, 8<<8):      2 * 5 * 98,
		fmt.Sprintf("%s 58 %d", v6, 128<<8):   2 * 5 * 118,
	}
}

// talk makes traffic of real programs over both families, and ends with it.
func talk(t *testing.T, c cable) {
	t.Helper()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, pageSize)) })
	server := &http.Server{Handler: page, ReadHeaderTimeout: patience}
	listener := listen(t, c.far, fmt.Sprintf("[::]:%d", portHTTP))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	var all sync.WaitGroup
	for port, arguments := range map[int][]string{
		portTCP4: {"-c", far4, "-n", "20M"},
		portTCP6: {"-c", far6, "-n", "20M", "-R"},
		portUDP4: {"-c", far4, "-u", "-b", "30M", "-n", "7M"},
		portUDP6: {"-c", far6, "-u", "-b", "30M", "-n", "7M", "-R"},
	} {
		all.Go(func() { measure(t, c, port, arguments) })
	}
	for _, command := range [][]string{
		{"curl", "-sS", "-o", "/dev/null", fmt.Sprintf("http://%s:%d/", far4, portHTTP)},
		{"curl", "-sS", "-o", "/dev/null", fmt.Sprintf("http://[%s]:%d/", far6, portHTTP)},
		{"ping", "-n", "-q", "-c", "5", "-i", "0.1", far4},
		{"ping", "-n", "-q", "-c", "5", "-i", "0.1", far6},
		{"ping", "-n", "-q", "-c", "2", "-i", "0.1", "-s", "4000", far4}, // in fragments
		{"ping", "-n", "-q", "-c", "2", "-i", "0.1", "-s", "4000", far6},
	} {
		all.Go(func() {
			if r := runCommand(t, patience, c.near.Command(command[0], command[1:]...)); r.code != 0 {
				t.Errorf("%s: exit code %d: %s%s", strings.Join(command, " "), r.code, r.stdout, r.stderr)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// measure runs iperf3 on both ends.
func measure(t *testing.T, c cable, port int, arguments []string) {
	number := fmt.Sprint(port)
	server := start(t, c.far.Command("iperf3", "-s", "-1", "-p", number, "--forceflush"))
	eventually(t, patience, func() string {
		if !strings.Contains(server.output.String(), "listening") {
			return "iperf3 does not listen: " + server.output.String()
		}
		return ""
	})
	r := runCommand(t, patience, c.near.Command("iperf3", append(arguments, "-p", number)...))
	if r.code != 0 {
		t.Errorf("iperf3 %s: exit code %d: %s%s", strings.Join(arguments, " "), r.code, r.stdout, r.stderr)
	}
}
