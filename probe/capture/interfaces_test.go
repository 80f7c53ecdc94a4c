package capture

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatch(t *testing.T) {
	existing := []string{"eth1", "eth0", "lo", "veth12", "wg0", "br-lan", "eth0.100"}
	for _, test := range []struct {
		name                       string
		patterns, exclude          []string
		wantMatched, wantUnmatched []string
	}{
		{"names", []string{"wg0", "eth0"}, nil, []string{"eth0", "wg0"}, nil},
		{"missing name", []string{"eth0", "eth9"}, nil, []string{"eth0"}, []string{"eth9"}},
		{"any", []string{"any"}, nil, []string{"eth1", "eth0", "veth12", "wg0", "br-lan", "eth0.100"}, nil},
		{"any and lo", []string{"any", "lo"}, []string{"eth*"}, []string{"lo", "veth12", "wg0", "br-lan"}, nil},
		{"glob", []string{"eth?"}, nil, []string{"eth1", "eth0"}, nil},
		{"glob class", []string{"[ew]*0"}, nil, []string{"eth0", "wg0", "eth0.100"}, nil},
		{"expression", []string{"/eth/"}, []string{"/^v/"}, []string{"eth1", "eth0", "eth0.100"}, nil},
		{"expression with slash", []string{"/a/b/"}, nil, nil, []string{"/a/b/"}},
		{"expression matches nothing", []string{"/^enp/", "en*"}, nil, nil, []string{"/^enp/", "en*"}},
		{"excluded is not unmatched", []string{"eth0"}, []string{"eth0"}, nil, nil},
		{"twice", []string{"eth0", "eth0", "/eth0$/"}, nil, []string{"eth0"}, nil},
		{"nothing asked", nil, nil, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			matched, unmatched, err := Match(test.patterns, test.exclude, existing)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.wantMatched, matched); diff != "" {
				t.Errorf("matched: %s", diff)
			}
			if diff := cmp.Diff(test.wantUnmatched, unmatched); diff != "" {
				t.Errorf("unmatched: %s", diff)
			}
		})
	}
}

func TestMatchRefuses(t *testing.T) {
	for _, pattern := range []string{"", " ", " eth0", "/", "//", "/eth", "/(/", "eth[", `eth\`} {
		if _, _, err := Match([]string{"lo", pattern}, nil, nil); err == nil {
			t.Errorf("%q is taken", pattern)
		}
		if _, _, err := Match(nil, []string{pattern}, nil); err == nil || !strings.Contains(err.Error(), "excluded") {
			t.Errorf("%q to exclude: %v", pattern, err)
		}
	}
	_, _, err := Match([]string{"/(/", "eth["}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "/(/") || !strings.Contains(err.Error(), "eth[") {
		t.Errorf("not every fault is named: %v", err)
	}
}

func TestInterfaces(t *testing.T) {
	names, err := Interfaces()
	if err != nil || len(names) == 0 || !slices.IsSorted(names) {
		t.Errorf("%v, %v", names, err)
	}
}
