package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInterfaces(t *testing.T) {
	known := []string{"wg0", "eth1", "eth0", "lo", "eth0.100", "br-1a2b", "eth1", "eth0~gre", "eth0~vxlan.42"}
	for _, test := range []struct{ text, canonical, selected string }{
		{"any", "any", "br-1a2b eth0 eth0.100 eth1 lo wg0"},
		{"ANY", "any", "br-1a2b eth0 eth0.100 eth1 lo wg0"},
		{"eth0", "eth0", "eth0"},
		{" eth1 , eth0,eth0", "eth0,eth1", "eth0 eth1"},
		{"any,!lo", "any,!lo", "br-1a2b eth0 eth0.100 eth1 wg0"},
		{"any,eth0", "any", "br-1a2b eth0 eth0.100 eth1 lo wg0"},
		{"eth0,eth1,!eth1", "eth0,eth1,!eth1", "eth0"},
		{"absent", "absent", ""},
		{"/eth[0-1]/", "/eth[0-1]/", "eth0 eth0.100 eth1"},
		{"/^eth.$/", "/^eth.$/", "eth0 eth1"},
		{"eth0~vxlan.42", "eth0~vxlan.42", "eth0~vxlan.42"},
		{"any,eth0~gre,eth0", "any,eth0~gre", "br-1a2b eth0 eth0.100 eth0~gre eth1 lo wg0"},
		{"any,!eth0~gre", "any,!eth0~gre", "br-1a2b eth0 eth0.100 eth1 lo wg0"},
		{"/^eth0/", "/^eth0/", "eth0 eth0.100"},
		{"/^eth0~/", "/^eth0~/", "eth0~gre eth0~vxlan.42"},
	} {
		s, err := ParseInterfaces(test.text)
		if err != nil {
			t.Errorf("ParseInterfaces(%q): %v", test.text, err)
			continue
		}
		if got := s.String(); got != test.canonical {
			t.Errorf("ParseInterfaces(%q) prints %q, want %q", test.text, got, test.canonical)
		}
		if got := strings.Join(s.Select(known), " "); got != test.selected {
			t.Errorf("%q selects %q, want %q", test.text, got, test.selected)
		}
	}
}

func TestInterfacesFaults(t *testing.T) {
	for text, part := range map[string]string{
		"":                                   "no interface is named",
		" ":                                  "no interface is named",
		"eth0,,eth1":                         "empty name",
		"eth0,":                              "empty name",
		"!":                                  "empty name",
		"!lo":                                `did you mean "any,!lo"`,
		"any,!any":                           "leaves no interface",
		"eth 0":                              "cannot stand in a name",
		"eth*":                               "regular expression",
		"../etc":                             "cannot stand in a name",
		"eth0\x1b[2J":                        "cannot stand in a name",
		"/eth":                               "no closing slash",
		"/":                                  "no closing slash",
		"//":                                 "is empty",
		"/eth[/":                             "invalid regular expression",
		"/(a{1000}){1000}/":                  "invalid regular expression",
		strings.Repeat("a", 65):              "more than the limit of 64",
		strings.Repeat("a,", 4e3):            "more than the limit of 4096",
		"/" + strings.Repeat("a", 300) + "/": "more than the limit of 256",
	} {
		if s, err := ParseInterfaces(text); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("ParseInterfaces(%.40q) = %v, %v; want an error with %q", text, s, err, part)
		}
	}
}

func TestInterfacesZeroSelectsNothing(t *testing.T) {
	if got := (InterfaceSelection{}).Select([]string{"eth0"}); len(got) > 0 {
		t.Errorf("the zero selection selects %v", got)
	}
}

func FuzzParseInterfaces(f *testing.F) {
	for _, seed := range []string{"any,!lo", "eth0,eth1", "/eth[0-3]/", "!lo", "eth0~vxlan.42"} {
		f.Add(seed)
	}
	known := []string{"any", "eth0", "eth0.1", "eth1", "lo"}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseInterfaces(text)
		if err != nil {
			return
		}
		again, err := ParseInterfaces(s.String())
		if err != nil {
			t.Fatalf("%q prints as %q, which does not parse: %v", text, s, err)
		}
		if diff := cmp.Diff(s.Select(known), again.Select(known)); diff != "" {
			t.Errorf("%q prints as %q, which selects otherwise: %s", text, s, diff)
		}
	})
}
