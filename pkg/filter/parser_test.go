package filter

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirflow/weir/pkg/flow"
)

// Every spelling of goProbe's user grammar (and ours) means the same as the plain one.
func TestSpellings(t *testing.T) {
	for canonical, spellings := range map[string][]string{
		"dport = 80": {"dport=80", "dport==80", "dport===80", "dport eq 80", "dport -eq 80", "dport equals 80", "DPORT EQUALS 80",
			"port = 80", "(dport = 80)", "[[dport = 80]]", "{dport=80}", "(dport = 80]", "dport\n=\t80", "dport\u00a0=\u00a080"},
		"dport != 80":                    {"dport!=80", "dport!==80", "dport ne 80", "dport -ne 80", "dport neq 80", "dport -neq 80", "!dport=80", "not dport=80", "!(dport=80)", "NOT(dport=80)", "not[dport = 80]"},
		"dport < 80":                     {"dport<80", "dport l 80", "dport -l 80", "dport lt 80", "dport -lt 80", "dport less 80"},
		"dport <= 80":                    {"dport<=80", "dport le 80", "dport -le 80", "dport leq 80", "dport -leq 80"},
		"dport > 80":                     {"dport>80", "dport g 80", "dport -g 80", "dport gt 80", "dport -gt 80", "dport greater 80", "dport -GREATER 80"},
		"dport >= 80":                    {"dport>=80", "dport ge 80", "dport -ge 80", "dport geq 80", "dport -geq 80"},
		"sip = ::1":                      {"src = ::1", "SIP=0:0::1", "sip in (::1)", "sip in [::1]", "sip = [::1]", "sip = {::1,}", "sip = ::1/128", "sip in ::1", "sip = '::1'"},
		"dip = 1.2.3.4":                  {"dst=1.2.3.4", "dst -eq 1.2.3.4/32", "dip = 1.2.3.4-1.2.3.4", "dip in (1.2.3.4 1.2.3.4)"},
		"(dport = 1 & dport = 2)":        {"dport=1&dport=2", "dport=1&&dport=2", "dport=1 and dport=2", "dport=1*dport=2", "dport = 1 AND(dport = 2)", "(dport=1)and(dport=2)"},
		"(dport = 1 | dport = 2)":        {"dport=1|dport=2", "dport=1||dport=2", "dport=1 or dport=2", "dport=1+dport=2", "dport = 1 Or[dport = 2]"},
		"proto = tcp":                    {"protocol = 6", "ipproto=TCP", "proto == 06", `proto = "tcp"`},
		"proto = ipv6-icmp":              {"proto = icmpv6", "proto = ICMP6", "proto = 58"},
		`proto = "tp++"`:                 {"proto = 39"},
		"dir = in":                       {"direction = inbound", "DIR=IN", "!dir != in"},
		"(sip is private & proto = tcp)": {"sip=private*proto=tcp", "sip IS Private AND proto EQ tcp", "sip in (private) and proto = 6"},
		"iface = in":                     {"iface = in", "interface == in", "iface in in"}, // words are words where a value is due
		"(iface = and & iface = not)":    {"iface = and and iface = not"},
		"(iface = a & iface = *)":        {"iface = a * iface = *"},
		"label.in = or":                  {"LABEL.in = or"},
	} {
		for _, text := range spellings {
			c, err := Parse(text)
			if err != nil {
				t.Errorf("%q: %v", text, err)
			} else if got := c.String(); got != canonical {
				t.Errorf("%q is %q, want %q", text, got, canonical)
			}
		}
	}
}

// The table of attributes and flow's table of fields say the same.
func TestAttributesAgreeWithFields(t *testing.T) {
	for _, f := range flow.Fields() {
		a, _ := lookupAttribute(f.Name)
		if f.Name == "host" {
			continue // an address here: hostname is the host that captured
		}
		if (f.Filter || f.Kind == flow.KindCounter) && (a == nil || a.name != f.Name) {
			t.Errorf("%s cannot stand in a condition", f.Name)
		}
		for _, alias := range f.Aliases {
			if b, _ := lookupAttribute(alias); a != nil && b != a {
				t.Errorf("%s is not %s", alias, f.Name)
			}
		}
	}
	for _, a := range attributes {
		if a.description == "" || len(a.terms) == 0 || (a.kind == kindAmount) != (a.counter != nil) {
			t.Errorf("%s is not described", a.name)
		}
		for _, name := range append([]string{a.name}, a.aliases...) {
			if b, _ := lookupAttribute(strings.ToUpper(name)); b == nil || b.name != a.name {
				t.Errorf("%s in upper case is %v", name, b)
			}
		}
	}
}

func TestGroupTermsStandAnywhereInTheTopLevelAnd(t *testing.T) {
	row, other := sampleRows[0].row(), sampleRows[4].row() // https, ssh
	for _, text := range []string{
		"dir = in & dport = 443 & proto = 6",
		"dport = 443 & dir = in & proto = 6",
		"dport = 443 & proto = 6 & dir = in",
		"(dport = 443 & proto = 6) & dir = in",
		"dport = 443 & (proto = 6 & (dir = in))",
		"dport = 443 & !(proto != 6 | dir != in)",
		"dport = 443 & (dir = in | dir = in) & bytes > 5",
		"dport = 443 & packets > 0 & dir = uni & dir != out",
	} {
		m := mustCompile(t, text)
		if !m.HasGroup() || !m.Row(row) || m.Row(other) {
			t.Errorf("%q: the terms on rows are wrong", text)
		}
		if !m.Group(flow.Counters{BytesReceived: 9, PacketsReceived: 1}) || m.Group(flow.Counters{BytesSent: 9, PacketsSent: 1}) {
			t.Errorf("%q: the terms on groups are wrong", text)
		}
	}
	for text, want := range map[string]string{
		"dport = 443 | dir = in":                           "dir = in",
		"proto = 6 & (bytes > 5 | dport = 443)":            "bytes > 5",
		"!(dport = 443 & rtt > 5ms)":                       "rtt > 5ms",
		"dport = 1 & !(dport = 443 & direction=in)":        "direction=in",
		"(dir = in & dport = 1) | (dir = out & dport = 2)": "dir = in",
	} {
		_, err := Parse(text)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Text[e.Offset:e.Offset+e.Length] != want || !strings.Contains(e.Message, "OR") {
			t.Errorf("%q: %v; want an error at %q", text, err, want)
		}
	}
}

func TestLimits(t *testing.T) {
	alternating := func(n int) string {
		var b strings.Builder
		for i := range n - 1 {
			b.WriteString("(dport = 1 " + [...]string{"&", "|"}[i%2] + " ")
		}
		return b.String() + "dport = 2" + strings.Repeat(")", n-1)
	}
	items := func(n int) string { return "dport in (" + strings.Repeat("1 ", n) + ")" }
	names := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "h%d ", i)
		}
		return "host in (" + b.String() + ")"
	}
	for _, test := range []struct {
		name    string
		text    func(n int) string
		n       int
		message string
	}{
		{"text", func(n int) string { return "dport = 1" + strings.Repeat(" ", n-9) }, MaxText, "longer than"},
		{"terms", func(n int) string { return strings.Repeat("dport=1|", n-1) + "dport=1" }, MaxTerms, "comparisons"},
		{"terms of host", func(n int) string {
			return strings.Repeat("host=::|", n/2-1) + "host=::" + strings.Repeat("|dport=1", n%2)
		}, MaxTerms, "comparisons"},
		{"items", items, MaxItems, "values in lists"},
		{"names", names, MaxNames, "host names"},
		{"depth", alternating, MaxDepth, "levels"},
		{"nesting", func(n int) string { return strings.Repeat("(", n) + "dport = 1" + strings.Repeat(")", n) }, maxNesting, "parentheses"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := mustParse(t, test.text(test.n))
			if _, err := Parse(c.String()); err != nil {
				t.Errorf("at the limit, the canonical text is refused: %v", err)
			}
			if _, err := Parse(test.text(test.n + 1)); err == nil || !strings.Contains(err.Error(), test.message) {
				t.Errorf("above the limit: %v", err)
			}
		})
	}
	if c := mustParse(t, strings.Repeat("! ", 1_000_001)+"dport = 1"); c.String() != "dport != 1" {
		t.Errorf("a million negations and one give %q", c)
	}
	if c := mustParse(t, strings.Repeat("!(", 500)+"dport < 1"+strings.Repeat(")", 500)); c.String() != "dport < 1" {
		t.Errorf("500 negations give %q", c)
	}
}

// A canonical text that is too long to be parsed again is refused at once.
func TestCanonicalTextFitsTheLimit(t *testing.T) {
	var b strings.Builder
	b.WriteString("host in (")
	for i := 0; b.Len() < MaxText/2; i++ {
		fmt.Fprintf(&b, "2001:db8:%x:ffff:ffff:ffff:%x:%x-2001:db8:%x:ffff:ffff:ffff:%x:%x\n", 0x1000+i/0xe000, 0x1000+i%0xe000, 0x1000, 0x1000+i/0xe000, 0x1000+i%0xe000, 0xffff)
	}
	text := b.String() + ")"
	if c, err := Parse(text); err == nil {
		if len(c.String()) > MaxText {
			t.Errorf("%d bytes print as %d", len(text), len(c.String()))
		}
	} else if !strings.Contains(err.Error(), "longer") {
		t.Error(err)
	}
}
