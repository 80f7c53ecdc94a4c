package filter

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/weirflow/weir/pkg/flow"
)

// namedRow is a row that test cases name.
type namedRow struct {
	name, source, destination string
	port                      uint16
	protocol                  flow.Protocol
	iface                     string
	verdict                   flow.Verdict
}

// sampleRows are the rows that the cases of docs/FILTER.md are tried on.
var sampleRows = []namedRow{
	{"web", "10.0.0.5", "93.184.216.34", 443, flow.TCP, "eth0", flow.VerdictAccepted},
	{"web6", "2001:db8::5", "2606:4700::1111", 443, flow.TCP, "eth0", flow.VerdictAccepted},
	{"http", "10.0.0.6", "10.200.1.1", 80, flow.TCP, "eth1", flow.VerdictUnanswered},
	{"alt", "192.168.1.10", "10.200.1.1", 8080, flow.TCP, "eth0.100", flow.VerdictAccepted},
	{"ssh", "203.0.113.9", "10.200.1.1", 22, flow.TCP, "eth1", flow.VerdictRejected},
	{"dns", "10.0.0.5", "8.8.8.8", 53, flow.UDP, "eth0", flow.VerdictAccepted},
	{"dns6", "fd00::5", "2001:4860:4860::8888", 53, flow.UDP, "eth0", flow.VerdictAccepted},
	{"ping", "10.0.0.5", "10.200.1.1", 8 * 256, flow.ICMP, "eth0", flow.VerdictAccepted},
	{"unreach", "10.200.1.1", "10.0.0.5", 3*256 + 3, flow.ICMP, "eth0", flow.VerdictNone},
	{"ping6", "fe80::1", "ff02::1", 128 * 256, flow.ICMPv6, "wlan0", flow.VerdictUnanswered},
	{"esp", "198.51.100.1", "10.200.1.1", 0, 50, "wan", flow.VerdictNone},
	{"dhcp", "0.0.0.0", "255.255.255.255", 67, flow.UDP, "eth0", flow.VerdictUnanswered},
	{"mapped", "::ffff:10.0.0.5", "2001:db8::80", 80, flow.TCP, "eth0", flow.VerdictAccepted},
}

func (r namedRow) row() *Row {
	row := &Row{Interface: r.iface, Host: "fw1.Example.net", HostID: "3D12AB",
		Labels: map[string]string{"company": "Acme", "site": "New York"}}
	row.Key.Source, row.Key.Family = flow.AddressFrom(netip.MustParseAddr(r.source))
	row.Key.Destination, _ = flow.AddressFrom(netip.MustParseAddr(r.destination))
	row.Key.DestinationPort, row.Key.Protocol = r.port, r.protocol
	row.Counters = flow.Counters{Attempts: 1}
	switch r.verdict {
	case flow.VerdictNone:
		row.Counters.Attempts = 0
	case flow.VerdictAccepted:
		row.Counters.Accepts = 1
	case flow.VerdictRejected:
		row.Counters.Rejects = 1
	}
	return row
}

// namedGroup is the sums of a result row that test cases name.
type namedGroup struct {
	name     string
	counters flow.Counters
}

var sampleGroups = []namedGroup{
	{"received", flow.Counters{BytesReceived: 2_000_000, PacketsReceived: 2000}},
	{"sent", flow.Counters{BytesSent: 900, PacketsSent: 3, Attempts: 3}},
	{"both", flow.Counters{BytesReceived: 1 << 30, BytesSent: 1 << 20, PacketsReceived: 900_000, PacketsSent: 400_000,
		Attempts: 10, Accepts: 9, Rejects: 1, RoundTripNanoseconds: 9 * 80e6, RoundTrips: 9}},
	{"quick", flow.Counters{BytesReceived: 500, BytesSent: 500, PacketsReceived: 5, PacketsSent: 5,
		Attempts: 1, Accepts: 1, RoundTripNanoseconds: 2e6, RoundTrips: 1}},
}

// lookupSample stands for DNS, sampleLists for address lists.
func lookupSample(name string) ([]netip.Addr, error) {
	switch name {
	case "www.example.org":
		return []netip.Addr{netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("2606:4700::1111")}, nil
	case "gateway", "private":
		return []netip.Addr{netip.MustParseAddr("::ffff:10.200.1.1")}, nil // as some resolvers return IPv4
	}
	return nil, errors.New("no such host")
}

type addresses []netip.Addr

func (s addresses) Contains(a netip.Addr) bool {
	for _, known := range s {
		if known == a {
			return true
		}
	}
	return false
}

func findSample(name string) (Set, error) {
	if name == "scanners" {
		return addresses{netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("fe80::1")}, nil
	}
	return nil, nil
}

func mustParse(t testing.TB, text string) *Condition {
	t.Helper()
	c, err := Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return c
}

// mustCompile parses the text, looks up what is to be looked up, and compiles.
func mustCompile(t testing.TB, text string) *Matcher {
	t.Helper()
	c, err := mustParse(t, text).Resolve(lookupSample)
	if err == nil {
		c, err = c.WithLists(findSample)
	}
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	m, err := c.Compile()
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return m
}

// matching lists the sample rows that a text matches, or the sample groups if it looks at groups only.
func matching(t testing.TB, text string) string {
	t.Helper()
	m := mustCompile(t, text)
	var names []string
	if m.HasGroup() && m.Rows() == nil {
		for _, g := range sampleGroups {
			if m.Group(g.counters) {
				names = append(names, g.name)
			}
		}
		return strings.Join(names, " ")
	}
	for _, r := range sampleRows {
		if m.Row(r.row()) {
			names = append(names, r.name)
		}
	}
	return strings.Join(names, " ")
}
