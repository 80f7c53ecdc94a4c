package flow

import (
	"regexp"
	"slices"
	"testing"
)

func TestFieldsAreConsistent(t *testing.T) {
	word := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	names, wires, titles, columns := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	unique := func(what string, seen map[string]bool, value string) {
		t.Helper()
		if value == "" || seen[value] {
			t.Errorf("%s %q is empty or stands twice", what, value)
		}
		seen[value] = true
	}
	for _, f := range Fields() {
		unique("wire name", wires, f.Wire)
		unique("title", titles, f.Title)
		unique("column", columns, f.Column)
		for _, name := range append([]string{f.Name}, f.Aliases...) {
			unique("name", names, name)
			if !word.MatchString(name) {
				t.Errorf("%q is no word of the language", name)
			}
			if got, ok := LookupField(name); !ok || got.Name != f.Name {
				t.Errorf("LookupField(%q) = %q, %t; want %q", name, got.Name, ok, f.Name)
			}
		}
		if f.Kind.String() == "invalid" || f.Type.String() == "invalid" || f.Description == "" {
			t.Errorf("%s has no kind, type or description", f.Name)
		}
		if f.Query == (f.Kind == KindCounter) {
			t.Errorf("%s: attributes and labels can be grouped by, counters cannot", f.Name)
		}
	}
	if f, ok := LookupField("sport"); ok {
		t.Errorf("LookupField found %q for a name that is not there", f.Name)
	}
}

// What peers send and expect is not ours to change.
func TestFieldsWireNamesOfPeers(t *testing.T) {
	for name, wire := range map[string]string{
		"time": "timestamp", "host": "host", "hostid": "host_id", "iface": "iface", "sip": "sip", "dip": "dip",
		"dport": "dport", "proto": "proto", "bytes_received": "br", "bytes_sent": "bs", "packets_received": "pr",
		"packets_sent": "ps", "attempts": "ca", "accepts": "cc", "rejects": "cr", "rtt_sum": "rtt_ns", "rtt_count": "rtt_n",
	} {
		if f, ok := LookupField(name); !ok || f.Wire != wire {
			t.Errorf("%s is %q on the wire, want %q", name, f.Wire, wire)
		}
	}
	for _, alias := range [][2]string{{"src", "sip"}, {"dst", "dip"}, {"port", "dport"}, {"protocol", "proto"}, {"ipproto", "proto"}, {"hostname", "host"}} {
		if f, _ := LookupField(alias[0]); f.Name != alias[1] {
			t.Errorf("%s stands for %q, want %s", alias[0], f.Name, alias[1])
		}
	}
}

func TestFieldsReturnsACopy(t *testing.T) {
	Fields()[0].Name = "changed"
	if Fields()[0].Name != "time" {
		t.Error("Fields hands out its own table")
	}
	Shorthands()[0].Name = "changed"
	if Shorthands()[0].Name != "talk_src" {
		t.Error("Shorthands hands out its own table")
	}
}

func TestShorthands(t *testing.T) {
	for _, s := range Shorthands() {
		if _, ok := LookupField(s.Name); ok {
			t.Errorf("%s is a field and a shorthand", s.Name)
		}
		for i, name := range s.Fields {
			if f, ok := LookupField(name); !ok || !f.Query || f.Name != name {
				t.Errorf("%s: %s is no field that can be grouped by, by its own name", s.Name, name)
			}
			if slices.Contains(s.Fields[:i], name) {
				t.Errorf("%s names %s twice", s.Name, name)
			}
		}
	}
}

func TestKindAndTypeNames(t *testing.T) {
	if Kind(99).String() != "invalid" || Type(99).String() != "invalid" {
		t.Error("values out of range are not called invalid")
	}
	seen := map[string]bool{}
	for typ := TypeAddress; typ <= TypeDuration; typ++ {
		if seen[typ.String()] {
			t.Errorf("two types are called %q", typ)
		}
		seen[typ.String()] = true
	}
	if Kind(0).String() != "invalid" || Type(0).String() != "invalid" {
		t.Error("the zero values are not called invalid")
	}
}
