package filter

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
)

// generator draws conditions and rows from small pools, so that rows match often enough.
type generator struct {
	*rand.Rand
	// six writes every IPv4 address a.b.c.d as 2001:db8::a.b.c.d, and networks to fit.
	six bool
	// plain leaves out what is not the same for both families.
	plain bool
}

func newGenerator(seed uint64) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 7))}
}

func (g *generator) of(choices ...string) string { return choices[g.IntN(len(choices))] }

var embedding = netip.MustParseAddr("2001:db8::").As16()

func embed(a netip.Addr) netip.Addr {
	b, four := embedding, a.As4()
	copy(b[12:], four[:])
	return netip.AddrFrom16(b)
}

// addr draws one of few addresses that share networks of many lengths.
func (g *generator) addr() netip.Addr {
	a := netip.AddrFrom4([4]byte{10, byte(g.IntN(2)) << 7, byte(g.IntN(2)), byte(g.IntN(4))})
	if g.six {
		return embed(a)
	}
	if !g.plain && g.IntN(4) == 0 {
		return netip.MustParseAddr(g.of("::1", "fe80::1", "2001:db8::a00:1", "::ffff:10.0.0.1", "8.8.8.8", "224.0.0.1"))
	}
	return a
}

func (g *generator) network() string {
	length := g.IntN(33)
	a := g.addr()
	if a.Is6() {
		length += 96
	}
	return fmt.Sprintf("%s/%d", a, length)
}

func (g *generator) space() string { return g.of("", " ", "  ", "\t", "\n") }

func (g *generator) equality() string {
	return g.space() + g.of("=", "!=", "==", "===", " eq ", " -neq ", " EQUALS ", " ne ") + g.space()
}

func (g *generator) order() string {
	return g.space() + g.of("<", ">", "<=", ">=", " lt ", " -ge ", " LEQ ", " greater ") + g.space()
}

// list draws a list of values.
func (g *generator) list(value func() string) string {
	var b strings.Builder
	b.WriteString(g.of(" in ", " not in ", " = ", " NOT IN ", "!=") + g.of("(", "[", "{"))
	for range 1 + g.IntN(4) {
		b.WriteString(value() + g.of(", ", " ", ","))
	}
	b.WriteString(g.of(")", "]", "}"))
	return b.String()
}

func (g *generator) addressValue() string {
	switch g.IntN(4) {
	case 0:
		return g.network()
	case 1:
		if a, b := g.addr(), g.addr(); a.Is4() == b.Is4() && a.Less(b) {
			return a.String() + "-" + b.String()
		}
	case 2:
		if !g.plain {
			return g.of("private", "public", "multicast", "linklocal", "shared", "loopback")
		}
	}
	return g.addr().String()
}

func (g *generator) port() string {
	return g.of("0", "22", "80", "443", "2048", "771")
}

func (g *generator) portValue() string {
	return g.of(g.port(), "20-90", "80-500", "2000-65535")
}

func (g *generator) protocol() string {
	return g.of("tcp", "6", "UDP", "17", "icmp", "ipv6-icmp", "icmp6", "esp", "50")
}

// rowTerm draws a comparison that rows decide.
func (g *generator) rowTerm() string {
	switch n := g.IntN(14); {
	case n == 0:
		return g.of("sip", "dst", "HOST") + g.equality() + g.addr().String()
	case n == 1:
		return g.of("snet", "dnet", "net") + g.equality() + g.network()
	case n <= 3:
		return g.of("sip", "dip", "host") + g.list(g.addressValue)
	case n == 4:
		return g.of("dport", "port") + g.equality() + g.port()
	case n == 5:
		return "dport" + g.order() + g.port()
	case n == 6:
		return "dport" + g.list(g.portValue)
	case n <= 8:
		return g.of("proto", "ipproto") + g.equality() + g.protocol()
	case n == 9:
		return "proto" + g.list(g.protocol)
	case n == 10:
		return "proto" + g.order() + g.of("6", "17", "50")
	case n == 11:
		return "iface" + g.list(func() string { return g.of("eth0", "eth*", "lo", "*1", "e?h0", `"eth0"`) })
	case n == 12:
		return "verdict" + g.equality() + g.of("accepted", "REJECTED", "n/a")
	case g.plain:
		return "label.site " + g.of("= ", "!= ") + g.of("a", `""`, "*")
	}
	return "ipversion" + g.equality() + g.of("4", "6", "ipv6")
}

// groupTerm draws a comparison that sums decide.
func (g *generator) groupTerm() string {
	switch g.IntN(3) {
	case 0:
		return "dir" + g.of("=", " != ") + g.of("in", "outbound", "uni", "bi")
	case 1:
		return "rtt" + g.order() + g.of("50ms", "1s", "80ms")
	}
	return g.of("bytes", "packets_sent", "attempts") + g.order() + g.of("0", "3", "1k")
}

// tree draws a condition of up to that many levels.
func (g *generator) tree(levels int, term func() string) string {
	if levels == 0 || g.IntN(5) == 0 {
		return term()
	}
	switch g.IntN(5) {
	case 0:
		return g.of("!", "not ", "! !", "not") + "(" + g.tree(levels-1, term) + ")"
	case 1:
		return g.of("(", "[") + g.tree(levels-1, term) + g.of(")", "}")
	}
	operator := g.of("&", " and ", "&&", " | ", " or ", "||", " + ", " * ")
	parts := make([]string, 2+g.IntN(2))
	for i := range parts {
		parts[i] = g.tree(levels-1, term)
		if g.IntN(2) == 0 {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, " "+operator+" ")
}

// row draws a row.
func (g *generator) row() *Row {
	r := &Row{Interface: g.of("eth0", "eth1", "lo"), Labels: map[string]string{"site": g.of("a", "")}}
	source, destination := g.addr(), g.addr()
	for source.Is4() != destination.Is4() {
		destination = g.addr()
	}
	r.Key.Source, r.Key.Family = flow.AddressFrom(source)
	r.Key.Destination, _ = flow.AddressFrom(destination)
	r.Key.Protocol, _ = flow.ParseProtocol(g.of("6", "17", "1", "58", "50"))
	port, _ := parsePort(g.port())
	r.Key.DestinationPort = port
	r.Counters = g.counters()
	return r
}

func (g *generator) counters() flow.Counters {
	few := func() uint64 { return uint64(g.IntN(3)) * uint64(1+g.IntN(1000)) }
	c := flow.Counters{BytesReceived: few(), BytesSent: few(), PacketsReceived: few(), PacketsSent: few(),
		Attempts: few(), Accepts: few(), Rejects: few(), RoundTrips: uint64(g.IntN(2))}
	c.RoundTripNanoseconds = c.RoundTrips * uint64(g.IntN(3)) * 80e6
	return c
}
