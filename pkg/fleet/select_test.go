package fleet

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weirflow/weir/pkg/wire"
)

var people = []Info{
	{Name: "fra-1", Labels: map[string]string{"company": "acme", "site": "fra"}, Groups: []string{"edge"}},
	{Name: "fra-2", Labels: map[string]string{"company": "acme", "site": "fra"}},
	{Name: "zrh-1", Labels: map[string]string{"company": "umbrella, inc", "site": "zrh"}, Groups: []string{"edge", "core"}},
	{Name: "lab"},
}

func TestSelect(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "fra-1 fra-2 zrh-1 lab",
		"any":                                  "fra-1 fra-2 zrh-1 lab",
		" Any , lab":                           "fra-1 fra-2 zrh-1 lab",
		"lab, fra-1":                           "fra-1 lab",
		"fra-*":                                "fra-1 fra-2",
		"*-1":                                  "fra-1 zrh-1",
		"?a?":                                  "lab",
		"@edge":                                "fra-1 zrh-1",
		"@core,lab":                            "zrh-1 lab",
		"site=fra":                             "fra-1 fra-2",
		"site=fra|zrh":                         "fra-1 fra-2 zrh-1",
		"site!=fra":                            "zrh-1 lab",
		"site=":                                "lab",
		"site!=":                               "fra-1 fra-2 zrh-1",
		"@edge,company=acme":                   "fra-1",
		`company="umbrella, inc"`:              "zrh-1",
		`company="umbrella, inc"|acme,site=z*`: "zrh-1",
		"fra-2,zrh-1,site!=zrh,company=acme":   "fra-2",
		"company=a*":                           "fra-1 fra-2",
	} {
		got, err := Select(people, text)
		var names []string
		for _, i := range got {
			names = append(names, people[i].Name)
		}
		if err != nil || strings.Join(names, " ") != want {
			t.Errorf("%q selects %q, want %q: %v", text, strings.Join(names, " "), want, err)
		}
	}
	if got, err := Select(nil, "any"); err != nil || len(got) != 0 {
		t.Errorf("of no hosts: %v, %v", got, err)
	}
}

func TestSelectRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"fra-3":                   `unknown host "fra-3"; did you mean "fra-1"?`,
		"ber-*":                   `no host's name matches "ber-*"; known are fra-1, fra-2, lab, zrh-1`,
		"@egde":                   `unknown group "egde"; did you mean "edge"?`,
		"sit=fra":                 `no host has the label "sit"; did you mean "site"?`,
		"site=fra|far":            `with the value "far"; did you mean "fra"?`,
		"site!=munich":            `with the value "munich"; known are fra, zrh`,
		"=x":                      "expected the name of a label",
		"site=zrh,company=acme":   "all together match none",
		"lab,site=fra":            "all together match none",
		strings.Repeat("x,", 9e5): "longer than",
		strings.Repeat("*,", 2e3): "more than 1000 patterns",
	} {
		got, err := Select(people, text)
		var p *wire.Problem
		if !errors.As(err, &p) || p.Status != 422 || got != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, %v; want %q", text, got, err, want)
		}
	}
	_, err := Select(people, "lab, fra-9")
	var p *wire.Problem
	if !errors.As(err, &p) || p.Errors[0].Position.Offset != 5 || p.Errors[0].Position.Length != 5 || p.Errors[0].Location != "body.query_hosts" {
		t.Errorf("%+v", p)
	}
}

// Whatever a selection says, it chooses hosts in order and each once, or says why not.
func FuzzSelect(f *testing.F) {
	for _, text := range []string{"any", "fra-*,@edge,site=fra|zrh", `company="a,b"`, "=", "!=", `"`, "a=\"|", "@", "**?*"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Select(people, text)
		if err != nil {
			var p *wire.Problem
			if !errors.As(err, &p) || len(p.Errors) == 0 || len(p.Errors) > maxFaults || len(p.Error()) > 64<<10 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) || len(got) == 0 {
			t.Fatalf("%q: %v", text, got)
		}
	})
}
