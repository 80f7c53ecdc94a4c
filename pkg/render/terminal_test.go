package render

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/weirflow/weir/pkg/wire"
)

func longNames() *wire.Result {
	r := pair()
	for i := range r.Rows {
		r.Rows[i].Labels.Host = string(rune('a'+i)) + "-in-the-basement-of-the-house.example.org"
	}
	r.Rows[0].Labels.Iface = "enp130s0f1np1~vxlan.42"
	return r
}

func TestTerminal(t *testing.T) {
	view := View{Query: prepare(t, wire.Request{Query: "dip,dport", Ifaces: "any"}), Hosts: true, Zone: time.UTC}
	for name, change := range map[string]func(*View){
		"terminal-100.txt":    func(v *View) { v.Width = 100 },
		"terminal-80.txt":     func(v *View) { v.Width = 80 },
		"terminal-colour.txt": func(v *View) { v.Width, v.Colour = 200, true },
	} {
		v := view
		change(&v)
		var b strings.Builder
		if err := v.Text(&b, longNames()); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
		var plain strings.Builder
		if err := view.Text(&plain, longNames()); err != nil {
			t.Fatal(err)
		}
		if without := strings.NewReplacer("\x1b[2m", "", "\x1b[35m", "", "\x1b[36m", "", "\x1b[0m", "").Replace(b.String()); v.Colour && without != plain.String() {
			t.Errorf("%s: more than colours is different:\n%s", name, without)
		}
	}
}

// TestDifferentNames: what is shortened stays apart.
func TestDifferentNames(t *testing.T) {
	v := View{Query: prepare(t, wire.Request{Query: "host", Ifaces: "any", Merge: true}), Zone: time.UTC, Width: 20}
	r := longNames()
	for i := range r.Rows {
		r.Rows[i].Labels.Host = "in-the-basement-" + string(rune('a'+i)) + "-of-the-house.example.org"
	}
	var b strings.Builder
	if err := v.Text(&b, r); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, line := range strings.Split(b.String(), "\n")[2:7] {
		seen[strings.Fields(line)[0]] = true
	}
	if len(seen) != 5 {
		t.Errorf("names that look the same:\n%s", b.String())
	}
}

func TestShorten(t *testing.T) {
	for _, text := range []string{"", "short", "exactly-twelv", "probe-in-the-basement.example.org", "überlangernamemitumlauten"} {
		for width := shortest; width < 40; width++ {
			got := shorten(text, width)
			n := utf8.RuneCountInString(text)
			if n <= width && got != text || n > width && (utf8.RuneCountInString(got) != width || !strings.Contains(got, "…")) {
				t.Errorf("shorten(%q, %d) = %q", text, width, got)
			}
			if before, after, ok := strings.Cut(got, "…"); ok && (!strings.HasPrefix(text, before) || !strings.HasSuffix(text, after)) {
				t.Errorf("shorten(%q, %d) = %q", text, width, got)
			}
		}
	}
}
