package wire

import (
	"net/netip"
	"testing"
)

// Origins that several servers know are kept for the rows that are left, and only where they are asked for.
func TestMergedOrigins(t *testing.T) {
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	answer := func(a netip.Addr, bytes uint64, o Origin) *Result {
		r := &Result{Rows: []Row{{Counters: Counters{BytesReceived: bytes}}}}
		r.Rows[0].Attributes.Source = a
		r.Summary.Enrichment = map[netip.Addr]Origin{a: o}
		return r
	}
	for _, asked := range []bool{true, false} {
		r := Request{Query: "sip", Ifaces: "any", Merge: true, NumResults: 1, Enrich: asked}
		q, err := r.Prepare(now)
		if err != nil {
			t.Fatal(err)
		}
		m := NewMerger(q)
		m.Add(answer(one, 5, Origin{Country: "DE"}))
		m.Add(answer(two, 9, Origin{Country: "FR", ASN: 64500}))
		m.Add(answer(two, 9, Origin{Country: "US"}))
		m.Add(&Result{})
		got := m.Result().Summary.Enrichment
		if asked && (len(got) != 1 || got[two] != Origin{Country: "FR", ASN: 64500}) || !asked && got != nil && len(got) > 0 {
			t.Errorf("asked %t: %+v", asked, got)
		}
	}
	q := &Query{Request: &Request{Enrich: true}}
	many := &Result{Rows: make([]Row, maxEnriched)}
	for i := range many.Rows {
		a := &many.Rows[i].Attributes
		a.Source, a.Destination = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)})
	}
	if n := len(q.Enriched(many)); n != maxEnriched {
		t.Errorf("%d addresses of many rows", n)
	}
	network := Row{Attributes: Attributes{Source: one, SourceBits: 24}}
	if n := len(q.Enriched(&Result{Rows: []Row{network}})); n != 0 {
		t.Error("a network has an origin")
	}
}
