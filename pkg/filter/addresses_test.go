package filter

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
)

// The networks of a range are disjoint, in order, and together the range.
func TestRangesSplitIntoNetworks(t *testing.T) {
	g := newGenerator(3)
	check := func(from, to netip.Addr, networks []netip.Prefix) {
		t.Helper()
		next := from
		for i, n := range networks {
			last := addr6(number6(n.Addr()).last(n.Bits()))
			if n.Addr().Is4() {
				last = addr4(number4(n.Addr()) | uint32(uint64(1)<<(32-n.Bits())-1))
			}
			if n.Masked() != n || n.Addr() != next || to.Less(last) || i == len(networks)-1 && last != to {
				t.Fatalf("%s-%s splits into %v", from, to, networks)
			}
			next = last.Next()
		}
		if len(networks) == 0 || len(networks) > 2*from.BitLen() {
			t.Fatalf("%s-%s splits into %d networks", from, to, len(networks))
		}
	}
	for range 3000 {
		var networks []netip.Prefix
		add := func(p netip.Prefix) { networks = append(networks, p) }
		a, b := uint32(g.Uint64()>>(32+g.IntN(32))), uint32(g.Uint64()>>(32+g.IntN(32)))
		makeRange4(min(a, b), max(a, b)).prefixes(add)
		check(addr4(min(a, b)), addr4(max(a, b)), networks)

		networks = nil
		x, y := address6{g.Uint64() >> g.IntN(64), g.Uint64()}, address6{g.Uint64() >> g.IntN(64), g.Uint64()}
		if y.compare(x) < 0 {
			x, y = y, x
		}
		range6{x, y}.prefixes(add)
		check(addr6(x), addr6(y), networks)
	}
	for _, whole := range []string{"0.0.0.0/0", "::/0", "128.0.0.0/1", "255.255.255.255/32", "::/128", "ffff::/16"} {
		var s addressSet
		s.addPrefix(netip.MustParsePrefix(whole))
		for r := range s.spans {
			if got := netip.PrefixFrom(r.from, r.length).String(); !r.network || got != whole {
				t.Errorf("%s turns into %s", whole, got)
			}
		}
	}
}

// Sets of every size, which take different ways to match, hold what they should, by a plain walk.
func TestSetsOfAllSizes(t *testing.T) {
	for _, n := range []int{1, 5, largeSet - 1, largeSet, 500} {
		for _, mix := range []string{"addresses", "networks", "ranges", "all"} {
			t.Run(fmt.Sprintf("%d %s", n, mix), func(t *testing.T) { checkSet(t, n, mix) })
		}
	}
}

func checkSet(t *testing.T, n int, mix string) {
	g := newGenerator(uint64(n))
	draw := func() netip.Addr { // dense, so that items overlap and lookups hit
		if g.IntN(2) == 0 {
			return addr4(10<<24 | g.Uint32N(uint32(8*n)))
		}
		return addr6(address6{0x20010db8 << 32, g.Uint64N(uint64(8 * n))})
	}
	var items []string
	var contains []func(netip.Addr) bool
	for range n {
		a, kind := draw(), mix
		if mix == "all" {
			kind = g.of("addresses", "networks", "ranges")
		}
		switch kind {
		case "networks":
			p := netip.PrefixFrom(a, a.BitLen()-g.IntN(4)).Masked()
			items, contains = append(items, p.String()), append(contains, p.Contains)
		case "ranges":
			b := a
			for range g.IntN(5) {
				b = b.Next()
			}
			items = append(items, a.String()+"-"+b.String())
			contains = append(contains, func(x netip.Addr) bool { return x.Is4() == a.Is4() && a.Compare(x) <= 0 && x.Compare(b) <= 0 })
		default:
			items, contains = append(items, a.String()), append(contains, func(x netip.Addr) bool { return x == a })
		}
	}
	text := "sip in (" + strings.Join(items, ",") + ")"
	matchers := []*Matcher{mustCompile(t, text), mustCompile(t, mustParse(t, text).String())}
	for range 2000 {
		a := draw()
		want := slices.ContainsFunc(contains, func(f func(netip.Addr) bool) bool { return f(a) })
		var row Row
		row.Key.Source, row.Key.Family = flow.AddressFrom(a)
		for i, m := range matchers {
			if got := m.Row(&row); got != want {
				t.Fatalf("matcher %d on %s: %t, want %t", i, a, got, want)
			}
		}
		row.Key.Family = 0
		if matchers[0].Row(&row) {
			t.Fatal("a row without a family matches")
		}
	}
}

func TestResolve(t *testing.T) {
	c := mustParse(t, "host = www.Example.org & (sip != gateway | dip in (gateway, 1.2.3.4, www.example.org.)) & dport = 80")
	if want := []string{"www.example.org", "gateway", "www.example.org."}; !slices.Equal(c.Names(), want) {
		t.Errorf("names are %q, want %q", c.Names(), want)
	}
	if _, err := c.Compile(); err == nil || !strings.Contains(err.Error(), `column 8: the host name "www.example.org" has not been looked up`) {
		t.Errorf("compiled with open names: %v", err)
	}
	asked := make(map[string]int)
	before := c.String()
	resolved, err := c.Resolve(func(name string) ([]netip.Addr, error) {
		asked[name]++
		return lookupSample(strings.TrimSuffix(name, "."))
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"www.example.org": 1, "gateway": 1, "www.example.org.": 1}, asked); diff != "" {
		t.Errorf("lookups: %s", diff)
	}
	const both = "in (93.184.216.34, 2606:4700::1111)"
	if got, want := resolved.String(), "((sip "+both+" | dip "+both+") & (sip != 10.200.1.1 | dip in (1.2.3.4, 10.200.1.1, 93.184.216.34, 2606:4700::1111)) & dport = 80)"; got != want {
		t.Errorf("resolved: %s, want %s", got, want)
	}
	if len(resolved.Names()) != 0 || c.String() != before || len(c.Names()) != 3 {
		t.Error("the names are still open, or the original has changed")
	}
	if _, err := resolved.Compile(); err != nil {
		t.Error(err)
	}
}

func TestResolveErrors(t *testing.T) {
	cause := errors.New("no such\x1b[2J host")
	c := mustParse(t, "dport = 1 & sip = nowhere")
	for _, test := range []struct {
		addresses []netip.Addr
		err       error
		want      string
	}{
		{nil, cause, "condition, column 19: looking up nowhere: no such\ufffd[2J host"},
		{nil, nil, "condition, column 19: looking up nowhere: it has no address"},
		{[]netip.Addr{{}}, nil, "condition, column 19: looking up nowhere: the answer holds an invalid address"},
		{make([]netip.Addr, maxLookup+1), nil, "condition, column 19: looking up nowhere: it has more than 1024 addresses"},
	} {
		_, err := c.Resolve(func(string) ([]netip.Addr, error) { return test.addresses, test.err })
		var e *Error
		if !errors.As(err, &e) || err.Error() != test.want || test.err != nil && !errors.Is(err, cause) {
			t.Errorf("%v; want %s", err, test.want)
		}
	}
}

func TestWithLists(t *testing.T) {
	c := mustParse(t, "host in @scanners & sip not in (@scanners, @Other.List-1, 10.0.0.0/8)")
	if want := []string{"scanners", "Other.List-1"}; !slices.Equal(c.Lists(), want) {
		t.Errorf("lists are %q, want %q", c.Lists(), want)
	}
	if _, err := c.Compile(); err == nil || err.Error() != "condition, column 9: the list @scanners is not known here" {
		t.Errorf("compiled with open lists: %v", err)
	}
	if _, err := c.WithLists(findSample); err == nil || err.Error() != "condition, column 44: reading the list @Other.List-1: there is no such list" {
		t.Errorf("an unknown list: %v", err)
	}
	asked := 0
	bound, err := c.WithLists(func(string) (Set, error) {
		asked++
		return addresses{netip.MustParseAddr("203.0.113.9")}, nil
	})
	if err != nil || asked != 2 || bound.String() != c.String() || len(bound.Lists()) != 0 || len(c.Lists()) != 2 {
		t.Errorf("%v; asked %d times; %s, open %q", err, asked, bound, bound.Lists())
	}
	if _, err := bound.Compile(); err != nil {
		t.Error(err)
	}
}

// An engine with dictionaries evaluates the tree by column and gets what Row gives.
func TestTreeByColumn(t *testing.T) {
	forEachSeed(t, func(t *testing.T, seed uint64) {
		g := newGenerator(seed)
		text := "(" + g.tree(3, g.rowTerm) + ") & bytes > 5 & dir = in"
		m := compileText(t, text)
		if m.Rows() == nil {
			t.Fatalf("%q has no terms on rows", text)
		}
		for term := range m.Rows().Terms {
			if term.attribute.group() || term.Attribute().String() == "invalid" {
				t.Fatalf("%q: %s is among the terms on rows", text, term)
			}
		}
		for range 5 {
			row := g.row()
			if got, want := byColumn(m.Rows(), row), m.Row(row); got != want {
				t.Fatalf("%q on %+v: %t, by column %t", text, row, want, got)
			}
		}
	})
}

func TestTreeDescribesItself(t *testing.T) {
	m := mustCompile(t, "dport = 80 & (label.site = a | sip is not private) & !(bytes > 5)")
	root := m.Rows()
	if got, want := root.String(), "(dport = 80 & (label.site = a | sip is not private))"; got != want {
		t.Errorf("the tree is %s, want %s", got, want)
	}
	var terms, keys []string
	for term := range root.Terms {
		terms, keys = append(terms, term.Attribute().String()+": "+term.String()), append(keys, term.Key())
	}
	if want := []string{"dport: dport = 80", "label: label.site = a", "sip: sip is not private"}; !slices.Equal(terms, want) {
		t.Errorf("the terms are %q, want %q", terms, want)
	}
	if want := []string{"", "site", ""}; !slices.Equal(keys, want) {
		t.Errorf("the keys are %q, want %q", keys, want)
	}
	for term := range m.groups.Terms {
		if term.Attribute() != Counter || term.Key() != "bytes" || term.MatchText("") {
			t.Errorf("the term on groups is %s, %q", term.Attribute(), term.Key())
		}
	}
	root.Terms(func(*Term) bool { return false }) // an iterator that is left early
	if Attribute(0).String() != "invalid" || Attribute(200).String() != "invalid" {
		t.Error("attributes that are none have names")
	}
}

func byColumn(n *Node, r *Row) bool {
	switch n.Kind() {
	case All:
		return !slices.ContainsFunc(n.Operands(), func(o *Node) bool { return !byColumn(o, r) })
	case Any:
		return slices.ContainsFunc(n.Operands(), func(o *Node) bool { return byColumn(o, r) })
	}
	t := n.Term()
	// The methods of other attributes than the term's are false, so that asking all finds the right one.
	return t.Attribute() == Source && t.MatchAddress(r.Key.Source, r.Key.Family) ||
		t.Attribute() == Destination && t.MatchAddress(r.Key.Destination, r.Key.Family) ||
		t.MatchPort(r.Key.DestinationPort, r.Key.Protocol) || t.MatchProtocol(r.Key.Protocol) ||
		t.MatchVersion(r.Key.Family) || t.MatchVerdict(r.Counters.Verdict()) || t.MatchGroup(r.Counters) ||
		t.Attribute() == Interface && t.MatchText(r.Interface) || t.Attribute() == Label && t.MatchText(r.Labels[t.Key()])
}

// One matcher serves many queries at once. Worth its name under the race detector.
func TestMatcherIsSafeForConcurrentUse(t *testing.T) {
	text, _ := manyAddresses(200, flow.IPv4)
	c := mustParse(t, text+" | dport = 80 | host = www.example.org | iface = e*0")
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			resolved, err := c.Resolve(lookupSample)
			if err != nil {
				t.Error(err)
				return
			}
			m, err := resolved.Compile()
			if err != nil {
				t.Error(err)
				return
			}
			var inner sync.WaitGroup
			for range 4 {
				inner.Go(func() {
					for _, r := range sampleRows {
						m.Row(r.row())
					}
					_ = c.String()
				})
			}
			inner.Wait()
		})
	}
	wait.Wait()
}
