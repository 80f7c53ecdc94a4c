package filter

import (
	"errors"
	"strings"
	"testing"
)

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		text, at, message string // the text at the fault
		nearest           string
	}{
		{"dprot = 1", "dprot", `unknown attribute "dprot"`, "dport"},
		{"dport = 1 & srcc = 1", "srcc", `unknown attribute "srcc"`, "src"},
		{"sport = 1", "sport", `unknown attribute "sport"`, "dport"},
		{"label = 1", "label", "a label is named by its key, such as label.company", ""},
		{"label. = 1", "label.", "a label is named by its key, such as label.company", ""},
		{"and dport = 1", "and", `unexpected "and"`, ""},
		{"= 1", "=", `unexpected "="`, ""},
		{"dport", "", "unexpected end", ""},
		{"dport =", "", "unexpected end", ""},
		{"dport 80", "80", `unexpected "80"`, ""},
		{"dport not 80", "80", `unexpected "80"`, ""},
		{"dport = 1 &", "", "unexpected end", ""},
		{"dport = 1 dport = 2", "dport", `unexpected "dport"`, ""},
		{"dport = 1)", ")", `unexpected ")"`, ""},
		{"(dport = 1", "", "unexpected end", ""},
		{"dport in ()", ")", `unexpected ")"`, ""},
		{"dport in (1", "", "unexpected end", ""},
		{"dport in 1, 2", ",", `unexpected ","`, ""},
		{"dport < (1, 2)", "(", `unexpected "("`, ""},
		{"dport < 1-2", "1-2", `"<" compares with one port, not with a range`, ""},
		{"dport = 65536", "65536", `"65536" is no port`, ""},
		{"dport = 9-3", "9-3", `the range "9-3" ends before it starts`, ""},
		{"proto = tpc", "tpc", `"tpc" is no protocol`, "tcp"},
		{"proto = 256", "256", `"256" is no protocol`, ""},
		{"verdict = rejects", "rejects", `"rejects" is no verdict`, "rejected"},
		{"verdict > accepted", ">", `">" does not apply to verdict`, ""},
		{"ipversion = 5", "5", `"5" is no IP version`, ""},
		{"sip is not a", "a", `"a" is no class of addresses`, ""},
		{"sip is privat", "privat", `"privat" is no class of addresses`, "private"},
		{"dport is private", "is", `"is" does not apply to dport`, ""},
		{"dport is not private", "is not", `"is not" does not apply to dport`, ""},
		{"sip = 1.2.3", "1.2.3", `"1.2.3" is neither an address nor a host name`, ""},
		{"sip = 10.0.0.256", "10.0.0.256", `"10.0.0.256" is neither an address nor a host name`, ""},
		{"sip = a..b", "a..b", `"a..b" is neither an address nor a host name`, ""},
		{"sip = fe80::1%eth0", "fe80::1%eth0", `"fe80::1%eth0": an address in a condition has no zone`, ""},
		{"sip = 1.2.3.4-::1", "1.2.3.4-::1", `the range "1.2.3.4-::1" mixes IPv4 and IPv6`, ""},
		{"sip = 1.2.3.4-1.2.3.3", "1.2.3.4-1.2.3.3", `the range "1.2.3.4-1.2.3.3" ends before it starts`, ""},
		{"sip = 1.2.3.4-9", "1.2.3.4-9", `"1.2.3.4-9": "9" is no address`, ""},
		{"snet = 10.0.0.0/-9", "10.0.0.0/-9", `"10.0.0.0/-9": "-9" is no prefix length from 0 to 32`, ""},
		{"snet = ::/129", "::/129", `"::/129": "129" is no prefix length from 0 to 128`, ""},
		{"snet = 1.2.3/8", "1.2.3/8", `"1.2.3/8": "1.2.3" is no address`, ""},
		{"snet = 1.2.3.4", "1.2.3.4", "1.2.3.4 has no prefix length; write 1.2.3.4/32 or compare sip", ""},
		{"net = ::1", "::1", "::1 has no prefix length; write ::1/128 or compare host", ""},
		{"snet = private", "private", `"private" is no network`, ""},
		{"sip = @", "@", `"@": the name of a list is made of up to 64 letters, digits, dots, dashes and underscores`, ""},
		{"dir = inbond", "inbond", `"inbond" is no direction`, "inbound"},
		{"dir < in", "<", `"<" does not apply to dir`, ""},
		{"bytes > many", "many", `"many" is no number`, ""},
		{"bytes > 1XB", "1XB", `"1XB" is no number`, ""},
		{"packets > 1MB", "1MB", `"1MB" is no number`, ""},
		{"bytes > 99999999TB", "99999999TB", `"99999999TB" is no number below 2^64`, ""},
		{"rtt > 5", "5", `"5" has no unit`, ""},
		{"rtt > -5ms", "-5ms", `"-5ms" is no duration`, ""},
		{"bytes in (1, 2)", "in", `"in" does not apply to bytes`, ""},
		{`iface = "eth0`, `"eth0`, "the quoted text is not closed", ""},
		{"iface = 'eth0\n'", "'eth0", "the quoted text is not closed on its line", ""},
		{`iface = "\q"`, `"\q"`, "unknown escape in quoted text", ""},
		{"iface = a\x1b[2J", "\x1b", "unexpected character U+001B", ""},
		{"iface = 'a\u202eb'", "\u202e", "unexpected character U+202E in quoted text", ""},
		{"iface = a\xff", "\xff", "the text is not valid UTF-8 here", ""},
	} {
		_, err := Parse(test.text)
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		if at := e.Text[e.Offset : e.Offset+e.Length]; at != test.at || at == "" && e.Offset != len(test.text) {
			t.Errorf("%q: the fault is at %d, %q; want %q", test.text, e.Offset, at, test.at)
		}
		if e.Message != test.message || e.Nearest != test.nearest {
			t.Errorf("%q: %q, near %q; want %q, near %q", test.text, e.Message, e.Nearest, test.message, test.nearest)
		}
	}
}

func TestErrorOnOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"dport = 1 & dprot = 2":          `condition, column 13: unknown attribute "dprot"; did you mean "dport"?`,
		"dport = 1\n&\tdprot = 2":        `condition, line 2, column 3: unknown attribute "dprot"; did you mean "dport"?`,
		"iface = äöü & dprot = 2":        `condition, column 15: unknown attribute "dprot"; did you mean "dport"?`, // characters, not bytes
		"dport":                          `condition, column 6: unexpected end; expected "=", "!=", "<", "<=", ">", ">=", "in" or "not in"`,
		"(dport = 1":                     `condition, column 11: unexpected end; expected ")", "&" or "|"`,
		strings.Repeat("x", 50) + " = 1": `condition, column 1: unknown attribute "` + strings.Repeat("x", 40) + `…"`,
	} {
		if _, err := Parse(text); err == nil || err.Error() != want {
			t.Errorf("%q:\n %v, want\n %s", text, err, want)
		}
	}
}

func TestDiagram(t *testing.T) {
	const unknown = "\nunknown attribute \"dprot\"; did you mean \"dport\"?"
	long := strings.Repeat("dport = 1 & ", 20)
	for text, want := range map[string]string{
		"dport = 1 & dprot = 2":      "dport = 1 & dprot = 2\n            ^^^^^" + unknown,
		"dport = 1 &\tdprot = 2":     "dport = 1 & dprot = 2\n            ^^^^^" + unknown,
		"dport=1 &\n dprot = 2 &\nx": " dprot = 2 &\n ^^^^^" + unknown,
		"iface = 火火 & dprot = 2":     "iface = 火火 & dprot = 2\n               ^^^^^" + unknown, // two columns each
		"iface = e\u0301 & dprot":    "iface = e� & dprot\n             ^^^^^" + unknown,
		long + "dprot = 2 & " + long: "…" + long[:60] + "dprot = 2 & dport = 1 & dport …\n" + strings.Repeat(" ", 61) + "^^^^^" + unknown,
		"dport = ":                   "dport = \n        ^\nunexpected end; expected a port from 0 to 65535 or a range such as 8000-8100",
		"iface = a\x1b[2J":           "iface = a�[2J\n         ^\nunexpected character U+001B",
	} {
		_, err := Parse(text)
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := e.Diagram(); got != want {
			t.Errorf("%q:\n%s\nwant\n%s", text, got, want)
		}
	}
	// An Error that somebody else filled in, perhaps wrongly, does not panic.
	for _, e := range []Error{{}, {Text: "ab", Offset: 5, Length: 9}, {Text: "ab", Offset: -1, Length: 1}, {Text: "ü", Offset: 1, Length: -3}} {
		_, _ = e.Error(), e.Diagram()
	}
}
