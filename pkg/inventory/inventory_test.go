package inventory

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const own = `# the fleet
hosts:
  - {name: fra-1, url: "https://fra-1.example:8145", id: 7c1, labels: {company: acme, site: fra}, groups: [edge]}
  - url: zrh-1.example
    labels: {site: zrh, rack: 7}
  - name: site-b
    url: "https://[2001:db8::1]:9000/weir"
    gateway: true
    auth: partner
groups:
  core: ["zrh-*"]
  wan: ["@core", fra-1, "@edge"]
`

func TestParse(t *testing.T) {
	list, err := Parse([]byte(own))
	if err != nil {
		t.Fatal(err)
	}
	want := &List{
		Entries: []Entry{
			{Name: "fra-1", URL: "https://fra-1.example:8145", ID: "7c1", Labels: map[string]string{"company": "acme", "site": "fra"}, Groups: []string{"edge"}},
			{Name: "zrh-1.example", URL: "zrh-1.example", Labels: map[string]string{"site": "zrh", "rack": "7"}},
			{Name: "site-b", URL: "https://[2001:db8::1]:9000/weir", Gateway: true, Auth: "partner"},
		},
		Groups: map[string][]string{"core": {"zrh-*"}, "wan": {"@core", "fra-1", "@edge"}},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
	entries, faults := Join([]Named{{"file", list}}, MaxHosts)
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprint(e.Name, e.Groups))
	}
	if diff := cmp.Diff([]string{"fra-1[edge wan]", "site-b[]", "zrh-1.example[core wan]"}, got); diff != "" || len(faults) > 0 {
		t.Errorf("%s, faults %v", diff, faults)
	}
	for _, text := range []string{"", "# nothing\n", "hosts:\n", "hosts: []\ngroups: {}\n", "---\n"} {
		if list, err := Parse([]byte(text)); err != nil || len(list.Entries) != 0 {
			t.Errorf("%q: %+v, %v", text, list, err)
		}
	}
}

// A host that is wrong is named with its line and costs the others nothing.
func TestParseNamesWhatIsWrong(t *testing.T) {
	for entry, want := range map[string]string{
		"{name: a, lables: {x: y}, url: a}":                `line 3: unknown field "lables"`,
		"{name: a}":                                        "the url is missing",
		"{name: 'a b', url: a}":                            "a host cannot have the name",
		"{name: any, url: a}":                              "a host cannot have the name",
		"{name: '@x', url: a}":                             "a host cannot have the name",
		"{name: a, url: 'ftp://a'}":                        "unknown scheme",
		"{name: a, url: 'https://me:secret@a'}":            "credentials do not belong into the address",
		"{name: a, url: 'https://a?x=1'}":                  "expected https://host:8145",
		"{name: a, url: a, labels: {'b d': x}}":            `label "b d"`,
		"{name: a, url: a, labels: {b: \"a\\x07\"}}":       "what cannot be shown",
		"{name: a, url: a, groups: ['a,b']}":               `group "a,b"`,
		"{name: a, url: a, labels: [x]}":                   "line 3",
		"seven":                                            "line 3",
		"":                                                 "null was used",
		"{name: " + strings.Repeat("a", 300) + ", url: a}": "longer than 253 bytes",
	} {
		list, err := Parse([]byte("hosts:\n  - {name: first, url: first}\n  - " + entry + "\n  - {name: last, url: last}\n"))
		if err != nil || len(list.Entries) != 2 || list.FaultCount != 1 || !strings.Contains(list.Faults[0], want) {
			t.Errorf("%s: %+v, %v; want a fault with %q", entry, list, err, want)
		}
		if list != nil && strings.Contains(strings.Join(list.Faults, ""), "secret") {
			t.Errorf("a fault shows a password: %v", list.Faults)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"hosts: 7":                      "line 1: expected a list of hosts",
		"host: []":                      `line 1: unknown key "host"`,
		"[]":                            "expected names with values",
		"a: &x 1\nhosts: *x":            "anchors and aliases are not taken",
		"hosts: []\n---\nhosts: []":     "a second document begins here",
		"hosts: [":                      "line 1",
		"hosts:\n\t- a":                 "line",
		strings.Repeat("[", 1e5):        "nested deeper than",
		strings.Repeat("- ", 1e5):       "nested deeper than",
		strings.Repeat("a", MaxBytes+1): "longer than",
		"hosts: [" + strings.Repeat("{},", MaxHosts) + "{}]": "at most 20000",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func TestParseTargets(t *testing.T) {
	json := `[
	  {"targets": ["10.0.0.1:8145", "b.example:8145"], "labels": {"site": "fra", "__meta_datacenter": "x", "__scheme__": "http"}},
	  {"targets": ["c.example:8145"], "labels": {"__weir_name__": "cc", "__weir_groups__": "edge, core", "__weir_gateway__": "true", "__weir_auth__": "p", "__weir_id__": "9"}},
	  {"targets": ["d.example:1", "d.example:2"]}
	]`
	yaml := `
- targets: ["10.0.0.1:8145", "b.example:8145"]
  labels: {site: fra, __meta_datacenter: x, __scheme__: http}
- targets: [c.example]
  labels: {__weir_name__: cc, __weir_groups__: "edge, core", __weir_gateway__: "true", __weir_auth__: p, __weir_id__: "9"}
- targets: ["d.example:1", "d.example:2"]
`
	labels := func(site string) map[string]string { return map[string]string{"company": "acme", "site": site} }
	want := []Entry{
		{Name: "10.0.0.1", URL: "http://10.0.0.1:8145", Labels: labels("fra"), Auth: "default", Discovered: true},
		{Name: "b.example", URL: "http://b.example:8145", Labels: labels("fra"), Auth: "default", Discovered: true},
		{Name: "cc", URL: "https://c.example:8145", ID: "9", Labels: labels("?"), Groups: []string{"edge", "core"}, Gateway: true, Auth: "p", Discovered: true},
		{Name: "d.example:1", URL: "https://d.example:1", Labels: labels("?"), Auth: "default", Discovered: true},
		{Name: "d.example:2", URL: "https://d.example:2", Labels: labels("?"), Auth: "default", Discovered: true},
	}
	for name, text := range map[string]string{"JSON": json, "YAML": yaml} {
		list, err := ParseTargets([]byte(text), Defaults{Labels: labels("?"), Auth: "default"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, list.Entries); diff != "" || list.FaultCount > 0 {
			t.Errorf("%s: %s %v", name, diff, list.Faults)
		}
	}
}

// What comes from elsewhere may not lead to this machine, whatever form the address has.
func TestDiscoveredTargetsAreNotLocal(t *testing.T) {
	local := []string{"127.0.0.1:8145", "localhost:8145", "LOCALHOST.:8145", "x.localhost:80", "[::1]:8145", "169.254.169.254:80", "[fe80::1]:8145",
		"[::ffff:127.0.0.1]:8145", "0.0.0.0:8145", "[::]:8145", "224.0.0.1:1"}
	text := `[{"targets": ["` + strings.Join(local, `","`) + `", "10.1.2.3:8145"]}]`
	list, err := ParseTargets([]byte(text), Defaults{})
	if err != nil || len(list.Entries) != 1 || list.FaultCount != len(local) {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err = ParseTargets([]byte(text), Defaults{AllowLocal: true}); err != nil || len(list.Entries) != len(local)+1 {
		t.Errorf("allowed: %+v, %v", list, err)
	}
	if list, err := Parse([]byte("hosts: [{name: me, url: '127.0.0.1'}, {name: socket, url: 'unix:/run/weir/probe.sock'}]")); err != nil || len(list.Entries) != 2 {
		t.Errorf("the operator's own file: %+v, %v", list, err)
	}
}

func TestParseTargetsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"targets": []}`:           "expected a list",
		`[{"targets": "a"}]`:        "is not what is expected",
		`[{"targets": ["a:1"]}`:     "line",
		`[1]`:                       "is not what is expected",
		strings.Repeat("[", 20_000): "nested deeper",
		`[` + strings.Repeat(`{"targets":["a:1"]},`, MaxHosts) + `{"targets":["a:1"]}]`: "more than 20000 targets",
	} {
		if _, err := ParseTargets([]byte(text), Defaults{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	for target, want := range map[string]string{"https://a:1": "expected host:port", "": "expected https://host:8145", "a b:1": "expected https", "me:pw@a:1": "expected https"} {
		list, err := ParseTargets([]byte(`[{"targets": ["`+target+`", "good:1"]}]`), Defaults{})
		if err != nil || len(list.Entries) != 1 || list.FaultCount != 1 || !strings.Contains(list.Faults[0], want) || strings.Contains(list.Faults[0], "pw") {
			t.Errorf("%q: %+v, %v", target, list, err)
		}
	}
}

func TestJoinNamesDuplicatesAndCircles(t *testing.T) {
	one := &List{Entries: []Entry{{Name: "a", URL: "https://a:8145", ID: "1"}, {Name: "b", URL: "https://b"}},
		Groups: map[string][]string{"x": {"@y", "a"}, "y": {"@z"}, "z": {"@x", "b"}, "w": {"@none", "c", "d*", "@w"}}}
	two := &List{Entries: []Entry{{Name: "a", URL: "https://other"}, {Name: "c", URL: "HTTPS://A:8145/"}, {Name: "d", URL: "https://d", ID: "1"}, {Name: "e", URL: "https://e"}, {Name: "f", URL: "https://f"}}}
	entries, faults := Join([]Named{{"one", one}, {"two", two}}, 3)
	var names []string
	for _, e := range entries {
		names = append(names, fmt.Sprint(e.Name, e.Groups))
	}
	if diff := cmp.Diff([]string{"a[x]", "b[x y z]", "e[]"}, names); diff != "" {
		t.Error(diff)
	}
	for source, wants := range map[string][]string{
		"one": {"the groups form a circle: x → y → z → x", "circle: w → w", "no group @none", `no host is named "c"`, `no host is named "d*"`},
		"two": {"a: a second host with this name, at https://other; the first one is from one", "c: HTTPS://A:8145/ is also the address of a from one",
			"d: has the same id 1 as a from one", "f: beyond the limit of 3 hosts"},
	} {
		for _, want := range wants {
			if !slices.ContainsFunc(faults[source], func(f string) bool { return strings.Contains(f, want) }) {
				t.Errorf("%s: no fault says %q: %q", source, want, faults[source])
			}
		}
	}
}

// parsed are the parsers under one roof.
func parsed(text []byte) []*List {
	var lists []*List
	if l, err := Parse(text); err == nil {
		lists = append(lists, l)
	}
	if l, err := ParseTargets(text, Defaults{}); err == nil {
		lists = append(lists, l)
	}
	return lists
}

// Whatever the bytes are, what comes out can be used as it is.
func FuzzParse(f *testing.F) {
	f.Add([]byte(own))
	f.Add([]byte(`[{"targets": ["10.0.0.1:8145"], "labels": {"site": "fra", "__scheme__": "http"}}]`))
	f.Add([]byte("- targets: [a]\n  labels: {b: c}\n"))
	f.Add([]byte("hosts: [{name: a, url: b}]\ngroups: {g: ['@g', '*']}"))
	f.Add([]byte("hosts: [~, {? a : b}, !!str x, |\n  y\n]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, l := range parsed(text) {
			entries, _ := Join([]Named{{"x", l}}, MaxHosts)
			seen := map[string]bool{}
			for _, e := range entries {
				if CheckName(e.Name) != nil || seen[e.Name] || e.URL == "" || e.check() != nil || !utf8.ValidString(e.Name) {
					t.Fatalf("%q gives %+v", text, e)
				}
				seen[e.Name] = true
			}
			if len(l.Faults) > maxFaults || len(l.Faults) > l.FaultCount {
				t.Fatalf("%d faults of %d", len(l.Faults), l.FaultCount)
			}
		}
	})
}
