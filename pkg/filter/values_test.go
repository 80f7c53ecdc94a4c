package filter

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/weirflow/weir/pkg/flow"
)

func TestAmounts(t *testing.T) {
	for _, test := range []struct {
		text      string
		value     uint64
		canonical string
	}{
		{"bytes > 0", 0, "0"}, {"bytes > 1500", 1500, "1500"}, {"bytes > 1b", 1, "1"}, {"bytes > 1kB", 1000, "1kB"},
		{"bytes > 1KB", 1000, "1kB"}, {"bytes > 1k", 1000, "1kB"}, {"bytes > 1KiB", 1024, "1KiB"}, {"bytes > 1.5MB", 1_500_000, "1500kB"},
		{"bytes > 1.5MiB", 3 << 19, "1536KiB"}, {"bytes > 2gb", 2e9, "2GB"}, {"bytes > 2 GiB", 2 << 30, "2GiB"}, {"bytes > 1TB", 1e12, "1TB"},
		{"bytes > 3TiB", 3 << 40, "3TiB"}, {"bytes > 0.0015kB", 2, "2"}, {"bytes > 1.0004kB", 1000, "1kB"}, {"bytes > 1.0005kB", 1001, "1001"},
		{"bytes > 18446744073709551615", 1<<64 - 1, "18446744073709551615"}, {"bytes > 16777215.999999999999TiB", 1<<64 - 1, ""},
		{"packets > 10k", 10_000, "10000"}, {"packets > 1.5M", 1_500_000, "1500000"}, {"attempts > 2 g", 2e9, "2000000000"},
		{"rtt > 50ms", 50e6, "50ms"}, {"rtt > 0.05s", 50e6, "50ms"}, {"rtt > 50 MS", 50e6, "50ms"}, {"rtt > 1m30s", 90e9, "1m30s"},
		{"rtt > 200us", 200e3, "200µs"}, {"rtt > 200µs", 200e3, "200µs"}, {"rtt > 0", 0, "0s"}, {`rtt > "5ns"`, 5, "5ns"},
	} {
		c, err := Parse(test.text)
		if test.canonical == "" {
			if err == nil && c.root.term.value < 1<<63 {
				t.Errorf("%q wraps to %d", test.text, c.root.term.value)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		if term := c.root.term; term.value != test.value || term.operand() != test.canonical {
			t.Errorf("%q is %d, printed %s; want %d, %s", test.text, term.value, term.operand(), test.value, test.canonical)
		}
	}
	for _, text := range []string{"bytes > 1.", "bytes > .5", "bytes > 1.2.3", "bytes > 18446744073709551616", "bytes > 18446744073709551.616kB",
		"bytes > 1.0000000000000000001", "bytes > 0x10", "bytes > 1e3", "bytes > 1 dport", "packets > 1KiB", "packets > 5 B", "rtt > 1MB", "rtt > 1e99s"} {
		if c, err := Parse(text); err == nil {
			t.Errorf("%q is read as %q", text, c)
		}
	}
}

func TestAmountsPrintAndParse(t *testing.T) {
	g := newGenerator(1)
	for range 10_000 {
		value := g.Uint64() >> g.IntN(64)
		for _, unit := range []flow.Type{flow.TypeBytes, flow.TypePackets, flow.TypeDuration} {
			if unit == flow.TypeDuration {
				value >>= 1
			}
			text := "rtt > " + printAmount(value, unit)
			if unit != flow.TypeDuration {
				text = map[flow.Type]string{flow.TypeBytes: "bytes", flow.TypePackets: "packets"}[unit] + " > " + printAmount(value, unit)
			}
			if c, err := Parse(text); err != nil || c.root.term.value != value {
				t.Fatalf("%d prints as %q, which is read as %v, %v", value, text, c, err)
			}
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern string
		yes, no []string
	}{
		{"eth0", []string{"eth0"}, []string{"eth", "eth00", "ETH0", ""}},
		{"eth*", []string{"eth", "eth0", "eth0.100"}, []string{"et", "veth0"}},
		{"*", []string{"", "x"}, nil},
		{"**", []string{"", "x"}, nil},
		{"*.100", []string{".100", "eth0.100", ".100.100"}, []string{"eth0.10", "eth0.1000"}},
		{"a*b*c", []string{"abc", "aXbYc", "abcbc", "abbcc"}, []string{"ab", "acb", "abcd"}},
		{"e?h0", []string{"eth0", "eäh0"}, []string{"eh0", "etth0"}},
		{"?*", []string{"a", "ab"}, []string{""}},
		{`"eth*"`, []string{"eth*"}, []string{"eth0"}},
		{`"a?"*`, []string{"a?", "a?b"}, []string{"ab"}},
		{`a" "b`, []string{"a b"}, []string{"ab"}},
		{`""`, []string{""}, []string{"x"}},
		{`"\x00\u00fc"`, []string{"\x00ü"}, []string{"ü"}},
	} {
		m := mustCompile(t, "iface = "+test.pattern)
		for _, s := range test.yes {
			if !m.Row(&Row{Interface: s}) {
				t.Errorf("%s does not match %q", test.pattern, s)
			}
		}
		for _, s := range test.no {
			if m.Row(&Row{Interface: s}) {
				t.Errorf("%s matches %q", test.pattern, s)
			}
		}
	}
}

func TestPatternsEqualNaive(t *testing.T) {
	g := newGenerator(2)
	draw := func(alphabet string) string {
		b := make([]byte, g.IntN(9))
		for i := range b {
			b[i] = alphabet[g.IntN(len(alphabet))]
		}
		return string(b)
	}
	for range 20_000 {
		text, s := draw("ab*?"), draw("ab")
		if text == "" {
			continue
		}
		p := mustParse(t, "iface = "+text).root.term.patterns[0]
		if got, want := p.match(s), naiveMatch(p, s); got != want {
			t.Fatalf("%s on %q: %t, want %t", text, s, got, want)
		}
	}
}

// A pattern of many stars takes time in proportion to pattern × text, not exponentially.
func TestPatternsAreNotExponential(t *testing.T) {
	p := pattern{}
	for range 30 {
		p = p.add(piece{text: "a"}).add(piece{kind: anyText})
	}
	p = p.add(piece{text: "b"})
	text := make([]byte, 2000)
	for i := range text {
		text[i] = 'a'
	}
	if p.match(string(text)) {
		t.Error("matched")
	}
}

// Lists of numbers hold what they should, however their ranges lie.
func TestNumberLists(t *testing.T) {
	g := newGenerator(4)
	for range 2000 {
		var text strings.Builder
		in := make(map[uint16]bool)
		for range 1 + g.IntN(6) {
			from := uint16(g.IntN(40))
			to := from + uint16(g.IntN(12))
			fmt.Fprintf(&text, "%d-%d,", from, to)
			for n := from; n <= to; n++ {
				in[n] = true
			}
		}
		m := mustCompile(t, "dport in ("+text.String()+")")
		for n := range uint16(60) {
			if got := m.Row(&Row{Key: flow.Key{DestinationPort: n, Protocol: flow.TCP}}); got != in[n] {
				t.Fatalf("dport in (%s) on %d: %t", text.String(), n, got)
			}
		}
	}
}

func TestHostNames(t *testing.T) {
	label := strings.Repeat("a", 63)
	for name, want := range map[string]bool{
		"localhost": true, "a.b-c.example.org": true, "example.org.": true, "_srv._tcp.example.org": true, "1a": true, "3com.com": true,
		"xn--bcher-kva.example": true, label: true, label + "a": false, "-a": false, "a-": false, "a..b": false, ".": false, ".a": false,
		"a.1": false, "1.2.3": false, "": false, "a b": false, "bücher.example": false, "a:b": false,
		strings.Repeat(label+".", 3) + strings.Repeat("a", 61): true, strings.Repeat(label+".", 3) + strings.Repeat("a", 62): false,
	} {
		if got := validHostName(name); got != want {
			t.Errorf("%q is a host name: %t", name, got)
		}
	}
}

func TestComplementOfASet(t *testing.T) {
	g := newGenerator(6)
	for range 1000 {
		var s addressSet
		for range g.IntN(5) {
			a, bits := addr4(g.Uint32()), g.IntN(5)
			s.addPrefix(netip.PrefixFrom(a, bits))
			s.addPrefix(netip.PrefixFrom(addr6(address6{g.Uint64(), 0}), bits))
		}
		s.merge()
		c := s.complement()
		c.merge()
		for range 20 {
			for _, a := range []netip.Addr{addr4(g.Uint32()), addr6(address6{g.Uint64(), g.Uint64()})} {
				if s.naive(a) == c.naive(a) {
					t.Fatalf("%s is in the set and its complement, or in neither", a)
				}
			}
		}
	}
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"eth0": "eth0", "eth0.100": "eth0.100", "eth0~vxlan.42": "eth0~vxlan.42", "ü": "ü", "": `""`, "a b": `"a b"`, "a*": `"a*"`, "a?": `"a?"`,
		`a"b`: `"a\"b"`, "a\x1b": `"a\x1b"`, "a\u202e": `"a\u202e"`, "\xff": `"\xff"`, "a,b": `"a,b"`, "$(x)": `"$(x)"`, "a\u00a0": `"a\u00a0"`,
	} {
		got := Quote(s)
		if got != want {
			t.Errorf("Quote(%q) = %s, want %s", s, got, want)
		}
		if m := mustCompile(t, "iface = "+got); !m.Row(&Row{Interface: s}) || m.Row(&Row{Interface: s + "x"}) {
			t.Errorf("iface = %s does not match just %q", got, s)
		}
	}
}

// The classes agree with package netip where it knows them.
func TestClasses(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	known := map[string]func(netip.Addr) bool{
		"private": netip.Addr.IsPrivate, "loopback": netip.Addr.IsLoopback, "linklocal": netip.Addr.IsLinkLocalUnicast,
		"multicast": netip.Addr.IsMulticast, "unspecified": netip.Addr.IsUnspecified,
	}
	var tried []netip.Addr
	for _, s := range classRanges {
		for r := range s.spans { // both ends, and their neighbours
			tried = append(tried, r.from, r.to, r.from.Prev(), r.to.Next())
		}
	}
	for range 5000 {
		tried = append(tried, addr4(random.Uint32()), addr6(address6{random.Uint64(), random.Uint64()}), addr6(address6{0x2001 << 48, random.Uint64()}))
	}
	matchers := make(map[string]*Matcher)
	for _, name := range classNames() {
		matchers[name] = mustCompile(t, "sip is "+name)
	}
	for _, a := range tried {
		if !a.IsValid() || a.Is4In6() {
			continue
		}
		row := Row{Key: flow.Key{DestinationPort: 67}} // without a port, 0.0.0.0 would be a folded row
		row.Key.Source, row.Key.Family = flow.AddressFrom(a)
		count := 0
		for name, m := range matchers {
			is := m.Row(&row)
			if want := known[name]; want != nil && is != want(a) {
				t.Errorf("%s is %s: %t", a, name, is)
			}
			if is {
				count++
			}
		}
		if count > 1 && !a.IsMulticast() {
			t.Errorf("%s is of %d classes", a, count)
		}
	}
	for text, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1": true, "64:ff9b::808:808": true, "1.1.1.1": true, "223.255.255.255": true,
		"100.64.0.1": false, "192.0.2.1": false, "198.19.0.1": false, "240.0.0.1": false, "255.255.255.255": false, "2001:db8::1": false,
		"3fff::1": false, "fd00::1": false, "fe80::1": false, "::1": false, "4000::1": false, "::ffff:8.8.8.8": false, "64:ff9b:1::1": false,
	} {
		var row Row
		row.Key.Source, row.Key.Family = flow.AddressFrom(netip.MustParseAddr(text))
		if got := matchers["public"].Row(&row); got != want {
			t.Errorf("%s is public: %t", text, got)
		}
	}
}
