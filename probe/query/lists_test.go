package query

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
)

// TestListsAsRanges holds that the ranges a list is turned into hold what the list holds, beside those of the term.
func TestListsAsRanges(t *testing.T) {
	list, err := actors.Parse([]byte(strings.Join([]string{"10.0.0.1", "10.0.0.2", "10.0.1.0/24", "10.0.0.0/30", "255.255.255.255", "0.0.0.0",
		"fd00::1", "fd00::/64", "fd01::8000:0:0:0/65", "ffff::/16", "::"}, "\n")), "")
	if err != nil {
		t.Fatal(err)
	}
	term := []filter.Range4{{First: 0x0a000002, Last: 0x0a000100}}
	c := &condition{four: term}
	c.addLists([]filter.Set{list})
	if len(c.lists) != 0 || term[0].Last != 0x0a000100 {
		t.Fatalf("%d lists are left, the term is %v", len(c.lists), term)
	}
	for i, r := range c.four[1:] {
		if r.First <= c.four[i].Last {
			t.Fatalf("ranges %v and %v", c.four[i], r)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		v := 0x0a000000 + r.Uint32N(1<<10)
		if r.IntN(4) == 0 {
			v = []uint32{0, 1, 1<<32 - 2, 1<<32 - 1}[r.IntN(4)]
		}
		want := list.Contains(address4(v).Netip(flow.IPv4)) || v >= term[0].First && v <= term[0].Last
		got := false
		for _, in := range c.four {
			got = got || v >= in.First && v <= in.Last
		}
		if got != want {
			t.Fatalf("%v: %t, want %t", address4(v).Netip(flow.IPv4), got, want)
		}
		six := number6{Hi: []uint64{0, 0xfd00 << 48, 0xfd01 << 48, 0xffff << 48, 1<<64 - 1}[r.IntN(5)], Lo: r.Uint64() >> (r.UintN(64))}
		a := netip.AddrFrom16(address6(six))
		got = false
		for _, in := range c.six {
			got = got || six.Compare(in.first) >= 0 && six.Compare(in.last) <= 0
		}
		if want := list.Contains(a); got != want {
			t.Fatalf("%v: %t, want %t", a, got, want)
		}
	}
}
