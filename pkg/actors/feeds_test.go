package actors

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func readFeed(t testing.TB, name string) *List {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	l, err := Parse(data, "")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// written is what a list says, entry by entry.
func written(l *List) (lines []string) {
	for p := range l.Prefixes() {
		for _, e := range l.Entries(p) {
			line := fmt.Sprintf("%s %q by %q", e.Prefix, e.Label, e.Source)
			if e.Port > 0 || e.Protocol > 0 {
				line += fmt.Sprintf(" %s/%d", e.Protocol, e.Port)
			}
			if e.Confidence > 0 {
				line += fmt.Sprintf(" %d%%", e.Confidence)
			}
			if !e.From.IsZero() {
				line += " from " + e.From.Format(time.RFC3339)
			}
			if !e.Until.IsZero() {
				line += " until " + e.Until.Format(time.RFC3339)
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// Published formats and our own, as they are found out, with all that they say.
func TestFeeds(t *testing.T) {
	for _, test := range []struct {
		file, format, updated, expires string
		entries, faults                []string
	}{
		{"firehol.netset", "firehol", "2026-11-21 05:20:06", "", []string{
			`192.0.2.7/32 "example_level1" by "FireHOL"`, `198.51.100.0/24 "example_level1" by "FireHOL"`, `203.0.113.0/24 "example_level1" by "FireHOL"`}, nil},
		{"drop.txt", "drop", "2026-11-21 03:07:23", "2026-11-22 03:07:23", []string{
			`192.0.2.0/24 "SBL256894" by "Spamhaus DROP"`, `198.51.100.0/25 "SBL434604" by "Spamhaus DROP"`}, nil},
		{"drop_v6.json", "drop-json", "2026-11-21 03:07:23", "", []string{
			`192.0.2.0/24 "SBL256894" by "Spamhaus DROP"`, `2001:db8::/32 "SBL303641" by "Spamhaus DROP"`}, nil},
		{"feodo.csv", "feodo", "2026-11-21 05:10:02", "", []string{
			`192.0.2.130/32 "Pikabot" by "Feodo Tracker" tcp/443`, `198.51.100.16/32 "Dridex" by "Feodo Tracker" tcp/8080`}, nil},
		{"own.csv", "csv", "", "", []string{
			`192.0.2.66/32 "Casper, second stage" by "CERT" tcp/443 85% from 2026-10-01T00:00:00Z until 2026-11-20T23:59:59Z`,
			`192.0.2.66/32 "Casper" by "CERT" tcp/8443 60%`,
			`198.51.100.0/24 "scanner" by "own sensors" from 2026-11-01T06:00:00Z`,
			`2001:db8:bad::/48 "tunnel" by "partner" udp/53 100% until 2026-10-31T23:59:59Z`},
			[]string{`7 port "99999"`, `8 time "yesterday"`, "9 valid until 2026-11-01", `10 protocol "xyz"`, `11 confidence "101"`}},
	} {
		l := readFeed(t, test.file)
		h := l.Health()
		if diff := cmp.Diff(test.entries, written(l)); diff != "" || h.Format != test.format {
			t.Errorf("%s as %s: %s", test.file, h.Format, diff)
		}
		stamp := func(t time.Time) string {
			if t.IsZero() {
				return ""
			}
			return t.Format(time.DateTime)
		}
		if stamp(h.Updated) != test.updated || stamp(h.Expires) != test.expires {
			t.Errorf("%s: updated %s, expires %s", test.file, h.Updated, h.Expires)
		}
		if len(h.Faults) != len(test.faults) {
			t.Errorf("%s: faults %+v", test.file, h.Faults)
			continue
		}
		for i, want := range test.faults {
			line, part, _ := strings.Cut(want, " ")
			if f := h.Faults[i]; fmt.Sprint(f.Line) != line || !strings.HasPrefix(f.Message, part) {
				t.Errorf("%s: fault %+v, want %s", test.file, f, want)
			}
		}
		if same := mustParse(t, string(l.Text())); same.Hash() != l.Hash() {
			t.Errorf("%s: what is said of entries is part of the hash", test.file)
		}
	}
}

// A list that was cut says more entries than it has.
func TestIncompleteFeeds(t *testing.T) {
	for _, file := range []string{"firehol.netset", "drop_v6.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(data), "\n")
		cut := slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, "192.0.2.") })
		l := mustParse(t, strings.Join(cut, ""))
		if h := l.Health(); h.State != StateWarning || !strings.Contains(strings.Join(h.Warnings, ";"), "is it complete?") {
			t.Errorf("%s: %+v", file, h)
		}
	}
}

func TestFind(t *testing.T) {
	l := mustParse(t, "192.0.2.0/24\n192.0.2.128/25\n192.0.2.130\n2001:db8::/32\n2001:db8::1\n")
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.0/24", "192.0.2.129": "192.0.2.128/25", "192.0.2.130": "192.0.2.130/32", "::ffff:192.0.2.130": "192.0.2.130/32",
		"2001:db8::1": "2001:db8::1/128", "2001:db8::2": "2001:db8::/32", "192.0.3.1": "invalid Prefix", "2001:db9::": "invalid Prefix",
	} {
		got, found := l.Find(netip.MustParseAddr(address))
		if got.String() != want || found != (want != "invalid Prefix") {
			t.Errorf("%s: %s, %v", address, got, found)
		}
	}
	if _, found := l.Find(netip.Addr{}); found {
		t.Error("no address is in the list")
	}
	if l.Entries(netip.MustParsePrefix("192.0.2.0/26")) != nil {
		t.Error("a prefix that is no entry has entries")
	}
}

func TestDuring(t *testing.T) {
	l := readFeed(t, "own.csv")
	day := func(text string) time.Time {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, test := range []struct {
		first, last string
		expired     int
		want        string
	}{
		{"2026-10-01", "2026-11-21", 0, "192.0.2.66 198.51.100.0/24 2001:db8:bad::/48"},
		{"2026-11-02", "2026-11-21", 1, "192.0.2.66 198.51.100.0/24"},
		{"2026-09-01", "2026-09-30", 1, "192.0.2.66 2001:db8:bad::/48"}, // the second line of 192.0.2.66 is always valid
		{"2026-10-31", "2026-10-31", 1, "192.0.2.66 2001:db8:bad::/48"},
	} {
		valid, expired := l.During(day(test.first), day(test.last))
		if got := strings.Join(strings.Fields(string(valid.Text())), " "); got != test.want || expired != test.expired {
			t.Errorf("%s to %s: %s without %d, want %s", test.first, test.last, got, expired, test.want)
		}
		if (valid == l) != (test.expired == 0) {
			t.Error("a list that is valid as a whole is copied, or one that is not is kept")
		}
		for _, line := range written(valid) {
			if !slices.Contains(written(l), line) {
				t.Errorf("%s is said of the wrong entry", line)
			}
		}
	}
	if l.Bare().Hash() != l.Hash() || len(l.Bare().Entries(netip.MustParsePrefix("192.0.2.66/32"))) != 1 {
		t.Error("a bare list is another one, or says something")
	}
}

func TestCheck(t *testing.T) {
	now := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		file  string
		c     CheckConfig
		state Grade
		parts []string
	}{
		{"drop.txt", CheckConfig{Now: now}, StateOK, nil},
		{"drop.txt", CheckConfig{Now: now.Add(24 * time.Hour)}, StateWarning, []string{"holds until 2026-11-22 03:07:23, which is over"}},
		{"feodo.csv", CheckConfig{Now: now.Add(9 * 24 * time.Hour)}, StateWarning, []string{"9 days ago"}},
		{"feodo.csv", CheckConfig{Now: now.Add(9 * 24 * time.Hour), MaxAge: 240 * time.Hour}, StateOK, nil},
		{"feodo.csv", CheckConfig{Now: now.Add(-9 * 24 * time.Hour)}, StateWarning, []string{"yet to come"}},
		{"own.csv", CheckConfig{Now: now}, StateAlarm, []string{"1 of 3 entries are not valid any more", "5 of 11 lines"}},
		{"drop.txt", CheckConfig{Own: []netip.Prefix{netip.MustParsePrefix("198.51.100.64/26"), netip.MustParsePrefix("203.0.113.0/24")}}, StateWarning,
			[]string{"198.51.100.0/25 overlaps a range of our own"}},
	} {
		l := readFeed(t, test.file)
		before := fmt.Sprint(l.Health())
		h := l.Check(test.c)
		if h.State != test.state || test.state == StateOK && len(h.Warnings) > 0 {
			t.Errorf("%s, %+v: %s: %q", test.file, test.c, h.State, h.Warnings)
		}
		for _, part := range test.parts {
			if !strings.Contains(strings.Join(h.Warnings, "; "), part) {
				t.Errorf("%s: %q lacks %q", test.file, h.Warnings, part)
			}
		}
		if fmt.Sprint(l.Health()) != before {
			t.Errorf("%s: the check changed the list", test.file)
		}
	}
}

// Whatever a text is, reading it does not panic, its bounds hold, and what was read is read again from its plain form.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) < 5 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, format := range append(FormatNames(), "") {
			f.Add(data, format)
		}
	}
	f.Add([]byte("0.0.0.1-255.255.255.254\n1::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe\n"), "plain")
	f.Fuzz(func(t *testing.T, data []byte, format string) {
		l, err := Parse(data, format)
		if l == nil {
			if err == nil {
				t.Fatal("neither list nor error")
			}
			return
		}
		h := l.Health()
		if h.Entries != l.Len() || h.IPv4+h.IPv6 != h.Entries || len(h.Faults) > maxFaults || h.FaultCount > h.Lines {
			t.Fatalf("%+v", h)
		}
		n := 0
		for p := range l.Prefixes() {
			if n++; n > 1000 {
				break
			}
			if !p.IsValid() || p != p.Masked() {
				t.Fatalf("entry %s", p)
			}
			if entry, found := l.Find(p.Addr()); !found || entry.Bits() < p.Bits() || !l.Contains(p.Addr()) || !lastOf(p).Is4In6() && !l.Contains(lastOf(p)) {
				t.Fatalf("%s is not found: %s", p, entry)
			}
			for _, e := range l.Entries(p) {
				if e.Prefix != p || len(e.Label) > 3*maxText || e.Confidence > 100 {
					t.Fatalf("entry %+v", e)
				}
			}
		}
		if again, err := Parse(l.Text(), "plain"); l.Len() > 0 && (err != nil || again.Hash() != l.Hash()) {
			t.Fatalf("the plain form is another list: %v", err)
		}
		l.Check(CheckConfig{Now: time.Unix(1795238400, 0)})
	})
}

// A range and the prefixes that cover it have the same addresses.
func FuzzRange(f *testing.F) {
	f.Add([]byte{10, 0, 0, 1}, []byte{10, 0, 3, 255})
	f.Add(netip.MustParseAddr("::").AsSlice(), netip.MustParseAddr("ffff::").AsSlice())
	f.Fuzz(func(t *testing.T, from, to []byte) {
		first, ok1 := netip.AddrFromSlice(from)
		last, ok2 := netip.AddrFromSlice(to)
		if !ok1 || !ok2 {
			return
		}
		first, last = first.Unmap(), last.Unmap()
		if first.BitLen() != last.BitLen() || last.Less(first) {
			return
		}
		list, err := parseRange(first.String() + "-" + last.String())
		if first.Is6() && !last.Less(firstMapped) && !lastMapped.Less(first) {
			if err == nil {
				t.Fatal("a range of IPv6 holds all of IPv4")
			}
			return
		}
		if err != nil || len(list) > 2*first.BitLen() {
			t.Fatalf("%d prefixes, %v", len(list), err)
		}
		next := first
		for _, p := range list {
			if p.Addr() != next {
				t.Fatalf("%s does not follow", p)
			}
			next = lastOf(p).Next()
		}
		if next != last.Next() {
			t.Fatalf("ends before %s", next)
		}
	})
}
