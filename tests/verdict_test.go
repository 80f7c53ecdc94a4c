//go:build linux

package tests

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
)

// gateRules make the far end drop what goes to port 82, and refuse what goes to port 83 by ICMP.
const gateRules = `add table inet weir
add chain inet weir input { type filter hook input priority 0; }
add rule inet weir input meta l4proto { tcp, udp } th dport 82 drop
add rule inet weir input meta l4proto { tcp, udp } th dport 83 reject with icmpx type admin-prohibited
`

// TestQueryVerdicts: weir query says what became of real attempts to connect: of TCP that is accepted, refused, dropped
// and prohibited, and of UDP that is answered, dropped, prohibited and sent to a port where nobody listens.
func TestQueryVerdicts(t *testing.T) {
	testenv.RequireRoot(t)
	requireTools(t, "ip", "nft")
	c := newCable(t)
	c.plug(t)
	gate := c.far.Command("nft", "-f", "-")
	gate.Stdin = strings.NewReader(gateRules)
	succeed(t, patience, gate)
	p := newProbe(t, c.near.Command, settings{iface: cableEnd, meter: "interval: 5m, table: {attempt_timeout: 5s}"})
	p.run(t)
	want := map[string]string{}
	for _, far := range []string{far4, far6} {
		answerAt(t, c, far)
		for port, outcome := range map[uint16][2]string{80: {"accepted", "accepted"}, 81: {"rejected", "rejected"},
			82: {"unanswered", "unanswered"}, 83: {"rejected", "rejected"}} {
			for i, network := range []string{"tcp", "udp"} {
				attempt(t, c, network, netip.AddrPortFrom(netip.MustParseAddr(far), port))
				want[fmt.Sprint(far, " ", port, " ", strings.ToUpper(network))] = outcome[i]
			}
		}
	}
	<-time.After(5500 * time.Millisecond) // what nothing answers; what is answered is within that, also where this machine stands still for a while
	p.terminate(t)
	command := exec.Command(binary(t, clientProgram), "query", "-e", "json", "-d", p.store, "-i", cableEnd, "-f", "0",
		"-c", "proto in (tcp, udp)", "dip,dport,proto,verdict")
	var result struct {
		Rows []struct {
			Attributes struct {
				Destination string `json:"dip"`
				Port        uint16 `json:"dport"`
				Protocol    uint8  `json:"proto"`
				Verdict     string
			}
		}
	}
	text := succeed(t, patience, command)
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	got := map[string]string{}
	for _, row := range result.Rows {
		a := row.Attributes
		got[fmt.Sprint(a.Destination, " ", a.Port, " ", map[uint8]string{6: "TCP", 17: "UDP"}[a.Protocol])] = a.Verdict
	}
	for _, flow := range slices.Sorted(maps.Keys(want)) {
		verdict := want[flow]
		t.Logf("%s: %s", flow, got[flow])
		if got[flow] != verdict {
			t.Errorf("%s: %q, want %s", flow, got[flow], verdict)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestQueryRoundTripNetem: weir query has the round trip of what was accepted, with the delay that the kernel gives.
func TestQueryRoundTripNetem(t *testing.T) {
	testenv.RequireRoot(t)
	requireTools(t, "ip", "tc")
	const delay = 100 * time.Millisecond
	c := newCable(t)
	c.plug(t)
	slow := c.near.Command("tc", "qdisc", "add", "dev", cableEnd, "root", "netem", "delay", delay.String())
	if output, err := slow.CombinedOutput(); err != nil {
		t.Skipf("%s needs the netem qdisc: %s", t.Name(), output)
	}
	for _, far := range []string{far4, far6} {
		answerAt(t, c, far)
		attempt(t, c, "tcp", netip.AddrPortFrom(netip.MustParseAddr(far), 81)) // finds the neighbour
	}
	p := newProbe(t, c.near.Command, settings{iface: cableEnd, meter: "interval: 5m"})
	p.run(t)
	for _, far := range []string{far4, far6} {
		attempt(t, c, "tcp", netip.AddrPortFrom(netip.MustParseAddr(far), 80))
	}
	<-time.After(2 * delay)
	p.terminate(t)
	command := exec.Command(binary(t, clientProgram), "query", "-e", "json", "-d", p.store, "-i", cableEnd, "-f", "0",
		"-c", "proto = tcp & dport = 80", "dip,verdict")
	var result struct {
		Rows []struct {
			Attributes struct {
				Destination string `json:"dip"`
				Verdict     string
			}
			Counters struct {
				RoundTripTime time.Duration `json:"rtt_ns"`
				RoundTrips    int           `json:"rtt_n"`
			}
		}
	}
	text := succeed(t, patience, command)
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(result.Rows) != 2 {
		t.Fatalf("%d rows, want 2\n%s", len(result.Rows), text)
	}
	for _, row := range result.Rows {
		rtt := row.Counters.RoundTripTime
		t.Logf("%s: %s, %v, want %v", row.Attributes.Destination, row.Attributes.Verdict, rtt, delay)
		if row.Attributes.Verdict != "accepted" || row.Counters.RoundTrips != 1 || (rtt-delay).Abs() > delay/5 {
			t.Errorf("%s: %s, %d round trips of %v, want one of %v", row.Attributes.Destination, row.Attributes.Verdict,
				row.Counters.RoundTrips, rtt, delay)
		}
	}
}

// answerAt answers on port 80 of the far end.
func answerAt(t *testing.T, c cable, far string) {
	t.Helper()
	listen(t, c.far, net.JoinHostPort(far, "80"))
	var datagrams net.PacketConn
	err := c.far.Do(func() (err error) { datagrams, err = net.ListenPacket("udp", net.JoinHostPort(far, "80")); return err })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = datagrams.Close() })
	go func() {
		buffer := make([]byte, 100)
		for {
			n, from, err := datagrams.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = datagrams.WriteTo(buffer[:n], from)
		}
	}()
}

// attempt tries to connect from the near end, or sends a datagram; what comes of it is the probe's to say.
func attempt(t *testing.T, c cable, network string, to netip.AddrPort) {
	t.Helper()
	err := c.near.Do(func() error {
		connection, err := net.DialTimeout(network, to.String(), 400*time.Millisecond)
		if err == nil {
			t.Cleanup(func() { _ = connection.Close() })
			if network == "udp" {
				_, err = connection.Write([]byte("anybody there?"))
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
