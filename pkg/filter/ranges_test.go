package filter

import (
	"net/netip"
	"testing"

	"github.com/weirflow/weir/pkg/flow"
)

// TestAddresses: the ranges are what MatchAddress evaluates, classes included, and negation is told apart.
func TestAddresses(t *testing.T) {
	for text, want := range map[string]Addresses{
		"sip = 10.0.0.0/8": {V4: []Range4{{0x0a000000, 0x0affffff}}},
		"sip != 10.0.0.1":  {V4: []Range4{{0x0a000001, 0x0a000001}}},
		"sip in (2001:db8::/127, 10.0.0.1)": {V4: []Range4{{0x0a000001, 0x0a000001}},
			V6: []Range6{{Number6{0x20010db8 << 32, 0}, Number6{0x20010db8 << 32, 1}}}},
		"sip is loopback": {V4: []Range4{{0x7f000000, 0x7fffffff}}, V6: []Range6{{Number6{0, 1}, Number6{0, 1}}}},
		"dport = 80":      {},
	} {
		c, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		term := c.root.term
		got := term.Addresses()
		if len(got.V4) != len(want.V4) || len(got.V6) != len(want.V6) {
			t.Fatalf("%s: %v", text, got)
		}
		for i := range want.V4 {
			if got.V4[i] != want.V4[i] {
				t.Errorf("%s: %v", text, got.V4)
			}
		}
		for i := range want.V6 {
			if got.V6[i] != want.V6[i] {
				t.Errorf("%s: %v", text, got.V6)
			}
		}
		if term.Negated() != (text == "sip != 10.0.0.1") {
			t.Errorf("%s: negated %v", text, term.Negated())
		}
	}
}

// TestFoldedRowsHaveNoAddress: a folded row matches neither a term on an address nor its negation; a row from
// 0.0.0.0 that is not folded does.
func TestFoldedRowsHaveNoAddress(t *testing.T) {
	folded := Row{Key: flow.Key{Family: flow.IPv4, Protocol: flow.UDP}}
	lease := folded
	lease.Key.DestinationPort = 67
	lease.Key.Destination, _ = flow.AddressFrom(netip.MustParseAddr("255.255.255.255"))
	for text, want := range map[string][2]bool{
		"sip = 0.0.0.0":                   {false, true},
		"sip != 10.0.0.1":                 {false, true},
		"not host = 10.0.0.1":             {false, true},
		"dip is unspecified":              {false, false},
		"dnet != 10.0.0.0/8 | proto = 17": {true, true},
		"proto = udp":                     {true, true},
		"dport != 80":                     {true, true},
	} {
		c, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		m, err := c.Compile()
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{m.Row(&folded), m.Row(&lease)}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
