package filter

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weirflow/weir/pkg/flow"
)

// seeds are the documented cases, the refused ones, and texts that once were or might be trouble.
func seeds() []string {
	texts := append([]string(nil), docErrors...)
	for _, cases := range docTables {
		for _, c := range cases {
			texts = append(texts, c.example)
		}
	}
	for _, c := range docFaults {
		texts = append(texts, c.condition)
	}
	return append(texts, "", " ", "host is(", "!", "((((", "dport in (", "sip = 10.0.0.0/-9", `iface = "\`, `iface = "\ü"`, "iface = '", "\x00", "\xff",
		"iface = \u202e", "dport = 80 \u00a0& \u3000 dport = 81", "sip = 1.2.3.4-", "dport = -", "dport = 1-", "bytes > 18446744073709551615",
		"bytes > 99999999999999999999", "bytes > 1.5.5", "bytes > .5kB", "rtt = -5ms", "rtt = 1µs", "label. = x", "label.a.b = ''", `proto = "tp++"`,
		"sip = 0.0.0.0-255.255.255.255", "sip = ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "sip = fe80::1%eth0", `ipversion = ""`, `bytes > ""`,
		strings.Repeat("!(", 600), strings.Repeat("(", 600)+"dport = 1"+strings.Repeat(")", 600))
}

// FuzzParse: never panics; an error lies within the text and is harmless to print; a canonical text is stable, is
// not much longer than what was typed, and matches the same.
func FuzzParse(f *testing.F) {
	for _, text := range seeds() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			checkError(t, text, err)
			return
		}
		if c == nil {
			if strings.TrimSpace(text) != "" {
				t.Fatalf("%q is a nil condition", text)
			}
			return
		}
		canonical := c.String()
		if len(canonical) > 4*len(text)+8 {
			t.Fatalf("%d bytes turn into %d: %q", len(text), len(canonical), canonical)
		}
		checkPrintable(t, canonical)
		again, err := Parse(canonical)
		if err != nil {
			t.Fatalf("%q prints as %q: %v", text, canonical, err)
		}
		if got := again.String(); got != canonical {
			t.Fatalf("%q prints as %q, then as %q", text, canonical, got)
		}
		compareOnSamples(t, c, again)
	})
}

func checkError(t *testing.T, text string, err error) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%q: %T is no *Error", text, err)
	}
	if e.Text != text || e.Offset < 0 || e.Length < 0 || e.Offset+e.Length > len(text) || e.Message == "" {
		t.Fatalf("%q: bad place or message: %+v", text, e)
	}
	checkPrintable(t, e.Error())
	lines := strings.Split(e.Diagram(), "\n")
	if len(lines) != 3 {
		t.Fatalf("%q: the diagram has %d lines: %q", text, len(lines), lines)
	}
	for _, line := range lines {
		checkPrintable(t, line)
	}
	if utf8.RuneCountInString(lines[0]) > 120 {
		t.Fatalf("%q: the diagram is too wide: %q", text, lines[0])
	}
}

// checkPrintable fails where a terminal would do anything but show characters in a row.
func checkPrintable(t *testing.T, s string) {
	t.Helper()
	for _, r := range s {
		if shown, _ := harmless(r); shown != r && shown != ' ' && r != utf8.RuneError && r < 0x300 || r < ' ' || r == 0x7f || r == 0x202e {
			t.Fatalf("%q holds %U", s, r)
		}
	}
	if !utf8.ValidString(s) {
		t.Fatalf("%q is not valid UTF-8", s)
	}
}

func compareOnSamples(t *testing.T, a, b *Condition) {
	t.Helper()
	ma, errA := a.Compile()
	mb, errB := b.Compile()
	if (errA == nil) != (errB == nil) {
		t.Fatalf("%q compiles: %v, printed: %v", a, errA, errB)
	}
	for _, r := range sampleRows {
		if ma.Row(r.row()) != mb.Row(r.row()) {
			t.Fatalf("%q and its canonical text differ on %s", a, r.name)
		}
	}
	for _, g := range sampleGroups {
		if ma.Group(g.counters) != mb.Group(g.counters) {
			t.Fatalf("%q and its canonical text differ on %s", a, g.name)
		}
	}
}

// FuzzComplete: never panics; what is proposed replaces part of the text at the cursor, and the text up to its end
// is a condition or the beginning of one.
func FuzzComplete(f *testing.F) {
	for _, text := range seeds() {
		f.Add(text, len(text)/2)
		f.Add(text, len(text))
	}
	known := Known{Interfaces: []string{"eth0", "a b", "*"}, Hosts: []string{"fw1", "\x1b[2J"}, HostIDs: []string{"3d12"},
		Lists: []string{"scanners", "not a name"}, Labels: map[string][]string{"company": {"Acme", `"`}, "a b": {"x"}}}
	f.Fuzz(func(t *testing.T, text string, cursor int) {
		completions := Complete(text, cursor, known)
		if len(completions) > MaxCompletions {
			t.Fatalf("%d completions", len(completions))
		}
		for _, c := range completions {
			if c.Offset < 0 || c.Length < 0 || c.Offset+c.Length > len(text) || c.Offset > max(cursor, 0) || c.Text == "" {
				t.Fatalf("%q at %d: %+v is not at the cursor", text, cursor, c)
			}
			checkPrintable(t, c.Text)
			done := text[:c.Offset] + c.Text
			if _, err := parse(done); err != nil && err.want.kind == wantNothing {
				t.Fatalf("%q at %d: %+v leads to %v", text, cursor, c, err)
			}
		}
	})
}

func TestEmptyMatchesEverything(t *testing.T) {
	for _, text := range []string{"", " ", "\t\n", "\u00a0\u3000"} {
		c, err := Parse(text)
		if c != nil || err != nil {
			t.Errorf("Parse(%q) = %v, %v", text, c, err)
		}
	}
	var c *Condition
	if c.String() != "" || c.Names() != nil || c.Lists() != nil {
		t.Error("a nil condition has a text or names")
	}
	if r, err := c.Resolve(nil); r != nil || err != nil {
		t.Errorf("Resolve of nil = %v, %v", r, err)
	}
	if r, err := c.WithLists(nil); r != nil || err != nil {
		t.Errorf("WithLists of nil = %v, %v", r, err)
	}
	m, err := c.Compile()
	if m != nil || err != nil {
		t.Errorf("Compile of nil = %v, %v", m, err)
	}
	if !m.Row(&Row{}) || !m.Group(flow.Counters{}) || m.HasGroup() || m.Rows() != nil {
		t.Error("a nil matcher does not match everything")
	}
}
