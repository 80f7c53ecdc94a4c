package actors

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, text, format, want string
		faults                   []string
	}{
		{"plain", "192.0.2.1\n\n  2001:db8::1 \n# a comment\n198.51.100.0/24\r\n", "plain", "192.0.2.1 2001:db8::1 198.51.100.0/24", nil},
		{"order and duplicates", "9.9.9.9\n8.8.8.8\n9.9.9.9/32\n::ffff:8.8.8.8\n", "plain", "8.8.8.8 9.9.9.9", nil},
		{"host bits", "192.0.2.77/24\n::ffff:192.0.2.0/120", "plain", "192.0.2.0/24", nil},
		{"as FireHOL", "#\n# firehol_level1\n#\n1.10.16.0/20\n1.19.0.0/16\n", "plain", "1.10.16.0/20 1.19.0.0/16", nil},
		{"as DROP", "; Spamhaus DROP List\n1.10.16.0/20 ; SBL256894\n", "drop", "1.10.16.0/20", nil},
		{"titled", "first_seen_utc,dst_ip,dst_port\n2022-01-01,203.0.113.9,443\n2022-01-02,\"203.0.113.8\",80\n", "csv", "203.0.113.8 203.0.113.9", nil},
		{"titled, with comment", "# c2\nport,ip\n443,203.0.113.9\n", "csv", "203.0.113.9", nil},
		{"not titled", "443,203.0.113.9,x\n80,203.0.113.8,y\n", "csv", "203.0.113.8 203.0.113.9", nil},
		{"tabs", "203.0.113.9\tbad\n", "csv", "203.0.113.9", nil},
		{"byte order mark", "\xef\xbb\xbf203.0.113.9\n", "plain", "203.0.113.9", nil},
		{"faults", "192.0.2.1\n192.0.2.300\nbad host\n192.0.2.0/33\nfe80::1%eth0\n::ffff:0:0/90\n", "plain", "192.0.2.1",
			[]string{"2 neither an address", "3 expected one", "4 neither", "5 zone", "6 covers more"}},
		{"faults of a table", "ip,x\n192.0.2.1,1\nexample.org,2\n", "csv", "192.0.2.1", []string{"3 neither"}},
		{"ranges", "192.0.2.1-192.0.2.1\n192.0.2.254 - 192.0.3.1\n", "plain", "192.0.2.1 192.0.2.254/31 192.0.3.0/31", nil},
		{"faults of ranges", "192.0.2.1\n9.9.9.9-8.8.8.8\n1.1.1.1-::2\n1.1.1.1-\nfe80::1%a-fe80::2%a\n", "plain", "192.0.2.1",
			[]string{"2 ends before", "3 ends before", "4 no range", "5 no range"}},
		{"short line of a table", "x,ip\n1,192.0.2.1\n2\n", "csv", "192.0.2.1", []string{"3 1 columns"}},
	} {
		l, err := Parse([]byte(test.text), "")
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := strings.TrimSpace(strings.ReplaceAll(string(l.Text()), "\n", " ")); got != test.want || l.Health().Format != test.format {
			t.Errorf("%s: %s as %s, want %s as %s", test.name, got, l.Health().Format, test.want, test.format)
		}
		if len(l.Health().Faults) != len(test.faults) {
			t.Errorf("%s: faults %+v", test.name, l.Health().Faults)
			continue
		}
		for i, want := range test.faults {
			line, part, _ := strings.Cut(want, " ")
			if f := l.Health().Faults[i]; fmt.Sprint(f.Line) != line || !strings.Contains(f.Message, part) {
				t.Errorf("%s: fault %+v, want %s", test.name, f, want)
			}
		}
	}
}

func TestHealth(t *testing.T) {
	for _, test := range []struct {
		text  string
		state Grade
		parts []string
	}{
		{"8.8.8.8\n2606:4700::1111\n", StateOK, nil},
		{"8.8.8.8\n10.1.2.3\n", StateWarning, []string{"10.1.2.3/32 overlaps 10.0.0.0/8 (private)"}},
		{"0.0.0.0/0\n", StateWarning, []string{"0.0.0.0/0 covers a large part", "overlaps"}},
		{"2000::/3\n", StateWarning, []string{"covers a large part"}},
		{"8.8.8.8\nbad\n", StateWarning, []string{"1 of 2 lines"}},
		{"8.8.8.8\nbad\nworse\n", StateAlarm, []string{"2 of 3 lines"}},
		{"# nothing\n", StateAlarm, []string{"empty"}},
		{"", StateAlarm, []string{"empty"}},
		{strings.Repeat("10.0.0.1\n10.0.0.2\n10.0.0.3\n10.0.0.4\n10.0.0.5\n10.0.0.6\n10.0.0.7\n", 2), StateWarning, []string{"private"}},
	} {
		l, err := Parse([]byte(test.text), "plain")
		if err != nil && !errors.Is(err, ErrEmpty) {
			t.Fatal(err)
		}
		h := l.Health()
		text := strings.Join(h.Warnings, "; ")
		if h.State != test.state || len(h.Warnings) > 8 {
			t.Errorf("%.20q: %s: %s", test.text, h.State, text)
		}
		for _, part := range test.parts {
			if !strings.Contains(text, part) {
				t.Errorf("%.20q: %q lacks %q", test.text, text, part)
			}
		}
	}
}

func TestHashIsOfTheSet(t *testing.T) {
	var hashes []string
	for _, text := range []string{"8.8.8.8\n1.1.1.0/24\n", "# same\r\n1.1.1.9/24\n8.8.8.8/32\n8.8.8.8\n", "ip,n\n8.8.8.8,1\n1.1.1.0/24,2\n", "8.8.8.8\n"} {
		l, err := Parse([]byte(text), "")
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(l.Text(), "plain")
		if err != nil || again.Hash() != l.Hash() {
			t.Errorf("the plain form has another hash: %v", err)
		}
		hashes = append(hashes, l.Hash())
	}
	if hashes[0] != hashes[1] || hashes[0] != hashes[2] || hashes[0] == hashes[3] || len(hashes[0]) != 64 {
		t.Errorf("%q", hashes)
	}
}

// The set agrees with asking every prefix.
func TestContains(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	var prefixes []netip.Prefix
	for range 500 {
		p := netip.PrefixFrom(randomAddress(random), 0)
		p = netip.PrefixFrom(p.Addr(), 8+random.IntN(p.Addr().BitLen()-7)).Masked()
		prefixes = append(prefixes, p)
		fmt.Fprintln(&text, p)
	}
	l, err := Parse([]byte(text.String()), "")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for range 20000 {
		a := randomAddress(random)
		want := false
		for _, p := range prefixes {
			want = want || p.Contains(a)
		}
		if want {
			found++
		}
		if got := l.Contains(a); got != want {
			t.Errorf("%s: %v", a, got)
		}
		if a.Is4() && l.Contains(netip.AddrFrom16(a.As16())) != want {
			t.Errorf("%s as mapped address", a)
		}
	}
	if found < 100 {
		t.Errorf("only %d addresses were found", found)
	}
	if l.Contains(netip.Addr{}) {
		t.Error("no address is in the list")
	}
}

// randomAddress is one of a small part of the Internet, so that networks are hit.
func randomAddress(random *rand.Rand) netip.Addr {
	if random.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{byte(random.IntN(4)), byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256))})
	}
	return netip.AddrFrom16([16]byte{0x20, byte(random.IntN(4)), byte(random.IntN(256)), byte(random.IntN(256)), 15: byte(random.IntN(256))})
}

func TestBounds(t *testing.T) {
	if _, err := Parse(make([]byte, MaxBytes+1), ""); err == nil {
		t.Error("a list that is too long is read")
	}
	if _, err := Parse([]byte("8.8.8.8\n"), "excel"); err == nil || !strings.Contains(err.Error(), "csv, drop, drop-json, feodo, firehol, plain") {
		t.Errorf("unknown format: %v", err)
	}
	if _, err := Parse([]byte(strings.Repeat("8.8.8.8\n", MaxEntries+1)), ""); err == nil || !strings.Contains(err.Error(), "more than 1048576 entries") {
		t.Errorf("too many entries: %v", err)
	}
	l, err := Parse([]byte(strings.Repeat("x", 10000)+"\n8.8.8.8\n"+strings.Repeat("bad\n", 100)), "plain")
	if err != nil || l.Len() != 1 || l.Health().FaultCount != 101 || len(l.Health().Faults) != maxFaults {
		t.Errorf("%v: %+v", err, l.Health())
	}
}

func mustParse(t *testing.T, text string) *List {
	t.Helper()
	l, err := Parse([]byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestStore(t *testing.T) {
	clock := time.Unix(1790000000, 0)
	s := NewStore(StoreConfig{Lists: 3, Entries: 5}, func() time.Time { clock = clock.Add(time.Second); return clock })
	a, b, c, d := mustParse(t, "8.8.8.1\n"), mustParse(t, "8.8.8.2\n8.8.8.3\n"), mustParse(t, "8.8.8.4\n"), mustParse(t, "8.8.8.5\n8.8.8.6\n8.8.8.7\n")
	put := func(l *List, name string, wantFresh bool) {
		t.Helper()
		if fresh, err := s.Put(l, name); err != nil || fresh != wantFresh {
			t.Errorf("fresh %v, %v", fresh, err)
		}
	}
	put(a, "", true)
	put(a, "", false)
	put(b, "", true)
	put(c, "named", true)
	s.Get(a.Hash())  // b is the least recently used now
	put(d, "", true) // 1 + 1 + 3 entries
	present := func() string {
		var names []string
		for i, l := range []*List{a, b, c, d} {
			if s.Get(l.Hash()) != nil {
				names = append(names, string("abcd"[i]))
			}
		}
		return strings.Join(names, "")
	}
	if got := present(); got != "acd" || s.Get("named") != c || s.Get("other") != nil {
		t.Errorf("kept %s", got)
	}
	if _, err := s.Put(mustParse(t, "8.8.4.1\n8.8.4.2\n8.8.4.3\n8.8.4.4\n8.8.4.5\n"), ""); err == nil || present() != "acd" {
		t.Errorf("named lists make room: %v, kept %s", err, present())
	}
	// Under its own name a list may take the place of the one it follows.
	if _, err := s.Put(mustParse(t, "8.8.4.1\n8.8.4.2\n8.8.4.3\n8.8.4.4\n8.8.4.5\n"), "named"); err != nil || present() != "" {
		t.Errorf("%v, kept %s", err, present())
	}
	if diff := cmp.Diff([]string{"named"}, names(s.Healths())); diff != "" {
		t.Error(diff)
	}
}

func names(list []Health) (names []string) {
	for _, h := range list {
		names = append(names, h.Name)
	}
	return names
}
