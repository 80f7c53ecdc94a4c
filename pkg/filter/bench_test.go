package filter

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
)

// tenTerms is a condition as an engineer types it.
const tenTerms = "proto = tcp and (dport = 80 or dport = 443 or dport in (8000-8100, 8443)) and not snet = 10.0.0.0/8 " +
	"and dip != 192.0.2.7 and iface = eth* and host != 2001:db8::/32 and verdict = rejected and bytes > 1MB"

func BenchmarkParse10Terms(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(tenTerms); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPrint10Terms(b *testing.B) {
	c, err := Parse(tenTerms)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_ = c.String()
	}
}

func BenchmarkCompile10Terms(b *testing.B) {
	c, err := Parse(tenTerms)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.Compile(); err != nil {
			b.Fatal(err)
		}
	}
}

// manyAddresses returns a condition with a set of n random addresses of a family, and the addresses.
func manyAddresses(n int, family flow.Family) (string, []netip.Addr) {
	random := rand.New(rand.NewPCG(uint64(n), uint64(family)))
	addresses := make([]netip.Addr, n)
	var text strings.Builder
	text.WriteString("sip in (")
	for i := range addresses {
		if family == flow.IPv4 {
			addresses[i] = addr4(random.Uint32())
		} else {
			addresses[i] = addr6(address6{0x2001_0db8<<32 | random.Uint64()>>32, random.Uint64()})
		}
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(addresses[i].String())
	}
	text.WriteString(")")
	return text.String(), addresses
}

func BenchmarkSet100k(b *testing.B) {
	for _, family := range []flow.Family{flow.IPv4, flow.IPv6} {
		text, addresses := manyAddresses(100_000, family)
		c, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		name := fmt.Sprintf("IPv%d", family)
		b.Run("Parse/"+name, func(b *testing.B) {
			b.ReportAllocs()
			done := testenv.ReportCPU(b)
			for b.Loop() {
				if _, err := Parse(text); err != nil {
					b.Fatal(err)
				}
			}
			done()
		})
		b.Run("Compile/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Compile(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("Match/"+name, func(b *testing.B) { benchmarkMatch(b, c, addresses, family) })
	}
}

// benchmarkMatch looks up addresses half of which are in the set.
func benchmarkMatch(b *testing.B, c *Condition, addresses []netip.Addr, family flow.Family) {
	m, err := c.Compile()
	if err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	rows := make([]Row, 4096)
	for i := range rows {
		a := addresses[random.IntN(len(addresses))]
		rows[i].Key.Source, rows[i].Key.Family = flow.AddressFrom(a)
		if i%2 == 0 {
			rows[i].Key.Source[3] ^= 0x55
		}
	}
	hits, i := 0, 0
	b.ReportAllocs()
	done := testenv.ReportCPU(b)
	for b.Loop() {
		if m.Row(&rows[i%len(rows)]) {
			hits++
		}
		i++
	}
	done()
	if i > 2*len(rows) && hits == 0 {
		b.Fatalf("no hits of IPv%d", family)
	}
}

func BenchmarkRow10Terms(b *testing.B) {
	c, err := Parse(tenTerms)
	if err != nil {
		b.Fatal(err)
	}
	m, err := c.Compile()
	if err != nil {
		b.Fatal(err)
	}
	row := Row{Interface: "eth0", Counters: flow.Counters{Rejects: 1}, Key: flow.Key{DestinationPort: 8443, Protocol: flow.TCP}}
	row.Key.Source, row.Key.Family = flow.AddressFrom(netip.MustParseAddr("198.51.100.7"))
	row.Key.Destination, _ = flow.AddressFrom(netip.MustParseAddr("203.0.113.9"))
	if !m.Row(&row) {
		b.Fatal("the row does not match")
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Row(&row)
	}
}
