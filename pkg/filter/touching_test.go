package filter

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/weirflow/weir/pkg/flow"
)

// A set given beside a condition keeps what the condition matches and has an address in the set; printed and read
// again, it still does.
func TestAndTouching(t *testing.T) {
	forEachSeed(t, func(t *testing.T, seed uint64) {
		g := newGenerator(seed)
		text := g.tree(3, g.rowTerm)
		var entries []string
		var networks []netip.Prefix
		for range 1 + g.IntN(5) {
			a := g.addr()
			p := netip.PrefixFrom(a, g.IntN(a.BitLen()+1))
			if g.IntN(2) == 0 {
				p = netip.PrefixFrom(a, a.BitLen())
				entries = append(entries, " "+a.String())
			} else {
				entries = append(entries, p.String())
			}
			networks = append(networks, p.Masked())
		}
		inside := func(a netip.Addr) bool {
			for _, p := range networks {
				if p.Contains(a) {
					return true
				}
			}
			return false
		}
		condition := mustParse(t, text)
		set, faults := Touching("actors", entries)
		if len(faults) > 0 {
			t.Fatalf("%q: %v", entries, faults)
		}
		both := And(condition, set)
		alone, err := condition.Compile()
		if err != nil {
			t.Fatal(err)
		}
		m, err := both.Compile()
		if err != nil {
			t.Fatal(err)
		}
		printed := compileText(t, both.String())
		for range rowsPerCondition {
			row := g.row()
			want := alone.Row(row) && (inside(row.Key.SourceAddr()) || inside(row.Key.DestinationAddr()))
			if m.Row(row) != want || printed.Row(row) != want {
				t.Errorf("%s on %+v: %t and %t, want %t", both, row, m.Row(row), printed.Row(row), want)
				return
			}
		}
	})
}

func TestAndKeepsTermsOnGroupsApart(t *testing.T) {
	set, _ := Touching("actors", []string{"10.0.0.5"})
	both := And(mustParse(t, "bytes > 5"), set)
	m, err := both.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if !m.HasGroup() || m.Rows() == nil || m.Group(flow.Counters{}) {
		t.Errorf("%s", both)
	}
	if And(nil, set) != set || And(set, nil) != set || And(nil, nil) != nil {
		t.Error("nothing joined to a condition changes it")
	}
}

func TestTouchingFaults(t *testing.T) {
	many := make([]string, MaxItems+1)
	for i := range many {
		many[i] = "10.0.0.1"
	}
	for _, test := range []struct {
		entries []string
		want    string
	}{
		{[]string{"10.0.0.1", "x", "::1/129"}, `1: "x" is no address, network or range of addresses; 2: "::1/129": "129" is no prefix length from 0 to 128`},
		{many, fmt.Sprintf("%d: the set has more than %d entries", MaxItems, MaxItems)},
		{[]string{"\x1b[2J", "::1%eth0", "1.1.1.9-1.1.1.1", "1.1.1.1-::1"}, `0: "\x1b[2J" is no address, network or range of addresses; ` +
			`1: "::1%eth0": an address of a set has no zone; 2: the range "1.1.1.9-1.1.1.1" ends before it starts; 3: the range "1.1.1.1-::1" mixes IPv4 and IPv6`},
	} {
		_, faults := Touching("actors", test.entries)
		var texts []string
		for _, f := range faults {
			texts = append(texts, fmt.Sprintf("%d: %s", f.Index, f.Message))
		}
		if got := strings.Join(texts, "; "); got != test.want {
			t.Errorf("%s\nwant %s", got, test.want)
		}
	}
	for _, bad := range []string{"", "a b", "a)", strings.Repeat("a", 65), "ü"} {
		if TouchingList(bad) != nil {
			t.Errorf("a list is named %q", bad)
		}
	}
	if got := TouchingList("a.B-c_1").String(); got != "(sip in @a.B-c_1 | dip in @a.B-c_1)" {
		t.Error(got)
	}
}

// FuzzTouching: never panics, and what is taken matches itself.
func FuzzTouching(f *testing.F) {
	for _, entry := range []string{"10.0.0.1", "::/0", "1.1.1.1-1.1.1.3", "::ffff:1.2.3.4/96", "10.0.0.0/-9", "-", "/", "fe80::1%e"} {
		f.Add(entry)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		c, faults := Touching("actors", []string{entry})
		if (c == nil) == (len(faults) == 0) {
			t.Fatalf("%q: %v, %v", entry, c, faults)
		}
		for _, fault := range faults {
			checkPrintable(t, fault.Message)
		}
		if c == nil {
			return
		}
		if again := mustParse(t, c.String()).String(); again != c.String() {
			t.Fatalf("%q is %s, then %s", entry, c, again)
		}
	})
}
