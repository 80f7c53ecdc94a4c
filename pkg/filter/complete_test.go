package filter

import (
	"slices"
	"strings"
	"testing"
)

var sampleKnown = Known{
	Interfaces: []string{"eth0", "eth1", "odd name"}, Hosts: []string{"fw1", "fw2"}, HostIDs: []string{"3d12ab"},
	Labels: map[string][]string{"site": {"Zurich", "New York"}, "company": {"Acme"}}, Lists: []string{"scanners"},
}

// The bar is the cursor. Words listed after a "-" must not be proposed.
func TestComplete(t *testing.T) {
	for _, test := range []struct{ text, want, not string }{
		{"|", "sip dport host iface label.company label.site bytes not", "src & ("},
		{"dp|", "dport", "sip"},
		{"s|", "sip snet src", "dip"},
		{"DP|", "dport", "sip"},
		{"LABEL.|", "label.company label.site", "iface"},
		{"dport |", "= != < <= > >= in not=in", "is &"},
		{"dport n|", "not=in", "in ="},
		{"dport not |", "in", "not"},
		{"dport <|", "<= 22", "< > >="},
		{"dport !|", "!=", "= 22"},
		{"dport =|", "22", "="},
		{"dport = 80 &|", "sip", "&"},
		{"sip |", "= != in not=in is is=not", "<"},
		{"sip is |", "private multicast not", "@scanners &"},
		{"sip is not pu|", "public", "private not"},
		{"sip = |", "private @scanners", "( )"},
		{"snet = |", "@scanners", "private"},
		{"sip in @s|", "@scanners", "shared"},
		{"dport in |", "( 22 443", ")"},
		{"dport in (|", "22 443", "( )"},
		{"dport in (2|", "22 25 2049", "443 )"},
		{"dport in (22, |", "443 )", "("},
		{"dport in (22 4|", "443 445", "22"},
		{"proto = t|", "tcp", "udp"},
		{`proto = "|`, `"tp++"`, "tcp"},
		{"ipversion = |", "4 6", "tcp"},
		{"verdict != r|", "rejected", "accepted"},
		{"dir = |", "in out uni bi", "inbound"},
		{"iface = e|", "eth0 eth1", "lo"},
		{"iface in (eth0, |", `eth1 "odd=name" )`, ""},
		{`iface = "o|`, `"odd=name"`, "eth0"},
		{`iface = "e|`, `"eth0" "eth1"`, "eth0"},
		{"hostname = FW|", "fw1 fw2", "eth0"},
		{"hostid = |", "3d12ab", "fw1"},
		{"label.site = |", `Zurich "New=York"`, "Acme"},
		{"label.company = a|", "Acme", "Zurich"},
		{"dport = 80 |", "& |", ") and"},
		{"dport = 80 a|", "and", "& attempts"},
		{"(dport = 80 |", "& | )", ""},
		{"dport = 80 & |", "sip not", "&"},
		{"dport = 80 and ds|", "dst", "sip"},
		{"not |", "sip not", "&"},
		{"dpo| = 80 & sip = ::1", "dport", ""},
		{"dport = 80 & i|fac = eth0", "iface", "ipproto="}, // the rest of the word is replaced, too
		{"nonsense = 80 & |", "", ""},                      // wrong before the cursor
		{"dport = 80 & (sip = |", "private", ")"},
		{"bytes > |", "", "1"},
		{"iface = 'e|", "", ""},
	} {
		text := strings.Replace(test.text, "|", "", 1)
		cursor := strings.IndexByte(test.text, '|')
		if strings.HasSuffix(test.text, " |") || test.text == "|" {
			cursor = len(test.text) - 1
		}
		got := Complete(text, cursor, sampleKnown)
		var words []string
		for _, c := range got {
			words = append(words, strings.ReplaceAll(c.Text, " ", "="))
		}
		if test.want == "" && len(words) > 0 {
			t.Errorf("%s: %q, want none", test.text, words)
		}
		for _, want := range strings.Fields(test.want) {
			if !slices.Contains(words, want) {
				t.Errorf("%s: %q lacks %s", test.text, words, want)
			}
		}
		for _, not := range strings.Fields(test.not) {
			if slices.Contains(words, not) {
				t.Errorf("%s: %q holds %s", test.text, words, not)
			}
		}
	}
}

func TestCompleteReplacesTheWord(t *testing.T) {
	text := "dport = 80 & ifax = eth0"
	for cursor := strings.Index(text, "if") + 1; cursor <= strings.Index(text, "x"); cursor++ {
		got := Complete(text, cursor, Known{})
		i := slices.IndexFunc(got, func(c Completion) bool { return c.Text == "iface" })
		if i < 0 {
			t.Fatalf("at %d: %v", cursor, got)
		}
		c := got[i]
		if done := text[:c.Offset] + c.Text + text[c.Offset+c.Length:]; done != "dport = 80 & iface = eth0" || c.Kind != CompleteAttribute || c.Description == "" {
			t.Errorf("at %d: %+v gives %q", cursor, c, done)
		}
	}
}

func TestCompleteIsBounded(t *testing.T) {
	known := Known{Interfaces: make([]string, 10*MaxCompletions)}
	for i := range known.Interfaces {
		known.Interfaces[i] = "eth" + strings.Repeat("0", i%50)
	}
	if got := Complete("iface = ", 8, known); len(got) != MaxCompletions {
		t.Errorf("%d completions", len(got))
	}
	for _, cursor := range []int{-1, 1 << 40} {
		if got := Complete("dp", cursor, known); len(got) == 0 {
			t.Errorf("cursor %d: no completions", cursor)
		}
	}
	if got := Complete("iface = ü", len("iface = ü")-1, Known{Interfaces: []string{"x"}}); len(got) != 1 {
		t.Errorf("a cursor within a character: %v", got)
	}
	if got := Complete(strings.Repeat(" ", MaxText+1), 5, known); got == nil {
		t.Error("the text behind the cursor matters")
	}
}
