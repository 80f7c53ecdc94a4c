package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestNamed(t *testing.T) {
	a, b, c := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.3")
	r := &Result{Rows: []Row{
		{Attributes: Attributes{Source: a, Destination: b}}, {Attributes: Attributes{Source: b}}, {},
		{Attributes: Attributes{Source: netip.MustParseAddr("192.0.2.0"), SourceBits: 24, Destination: c}},
	}}
	for range 2000 {
		r.Rows = append(r.Rows, Row{Attributes: Attributes{Source: netip.AddrFrom4([4]byte{10, 0, byte(len(r.Rows) >> 8), byte(len(r.Rows))})}})
	}
	for _, test := range []struct {
		dns  *DNSResolution
		want int
	}{
		{nil, 0}, {&DNSResolution{MaxRows: 5}, 0}, {&DNSResolution{Enabled: true, MaxRows: 3}, 2},
		{&DNSResolution{Enabled: true, MaxRows: 4}, 3}, {&DNSResolution{Enabled: true}, 24}, {&DNSResolution{Enabled: true, MaxRows: 1 << 30}, maxNamed},
	} {
		q := &Query{Request: &Request{DNSResolution: test.dns}}
		if got := q.Named(r); len(got) != test.want {
			t.Errorf("%+v: %d addresses, want %d: %v", test.dns, len(got), test.want, got[:min(len(got), 30)])
		}
	}
}

// TestLookups shows what the names in a condition stood for, in the query and in JSON.
func TestLookups(t *testing.T) {
	request := &Request{Query: "sip", Ifaces: "any", Condition: "sip = www.example or dip = www.example"}
	asked := 0
	q, err := request.PrepareResolving(context.Background(), time.Unix(1795238520, 0), func(context.Context, string) ([]netip.Addr, error) {
		asked++
		return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
	})
	if err != nil || asked != 1 || fmt.Sprint(q.Lookups) != "map[www.example:[192.0.2.1]]" || strings.Contains(q.Request.Condition, "www") {
		t.Fatalf("%v, asked %d times, %v, %s", err, asked, q.Lookups, q.Request.Condition)
	}
	r := &Result{Query: Echo{Lookups: q.Lookups}, Summary: Summary{Names: map[netip.Addr]string{netip.MustParseAddr("192.0.2.1"): "<a>"}}}
	var b strings.Builder
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"names":{"192.0.2.1":"\u003ca\u003e"}`, `"lookups":{"www.example":["192.0.2.1"]}`} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("%s lacks %s", b.String(), part)
		}
	}
	var back Result
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || len(back.Summary.Names) != 1 {
		t.Errorf("%v, %v", err, back.Summary.Names)
	}
}
