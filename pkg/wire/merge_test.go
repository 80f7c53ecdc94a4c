package wire

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
)

// randomRows makes rows that a store without any grouping could hold, of a small world, so that groups collide.
func randomRows(r *rand.Rand, n int) []Row {
	rows := make([]Row, n)
	for i := range rows {
		host := r.IntN(3)
		rows[i] = Row{
			Labels: Labels{
				Timestamp: time.Unix(1790000100+300*int64(r.IntN(6)), 0).UTC(), Iface: fmt.Sprintf("eth%d", r.IntN(2)),
				Host: fmt.Sprintf("host%d", host), HostID: fmt.Sprintf("id%d", host),
			},
			Attributes: Attributes{
				Source: netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(4))}), DestinationPort: uint16(r.IntN(3)), Protocol: flow.TCP,
			},
			Counters: Counters{BytesReceived: r.Uint64N(50), BytesSent: r.Uint64N(50), PacketsReceived: r.Uint64N(3), PacketsSent: r.Uint64N(3)},
		}
		rows[i].FirstSeen = rows[i].Labels.Timestamp.Add(-time.Duration(r.IntN(3)) * time.Hour)
		rows[i].LastSeen = rows[i].Labels.Timestamp
	}
	return rows
}

// wrap is a result with the rows and their sum.
func wrap(rows []Row) *Result {
	var sum flow.Counters
	ifaces := map[string]bool{}
	for _, r := range rows {
		sum.Add(r.Counters.Flow())
		ifaces[r.Labels.Iface] = true
	}
	return &Result{Rows: rows, Summary: Summary{
		Interfaces: slices.Sorted(maps.Keys(ifaces)), Totals: CountersFrom(sum), DataAvailable: true,
		Hits: Hits{Displayed: int64(len(rows)), Total: int64(len(rows))},
	}}
}

// naive answers a query over rows in the plainest way: group by a printed key, sort, cut.
func naive(q *Query, rows []Row) (kept []Row, other flow.Counters) {
	groups := map[string]*Row{}
	for _, r := range rows {
		g := Row{Attributes: Attributes{}}
		if q.Has("sip") {
			g.Attributes.Source = r.Attributes.Source
		}
		if q.Has("dport") {
			g.Attributes.DestinationPort = r.Attributes.DestinationPort
		}
		if q.Has("time") {
			g.Labels.Timestamp = time.Unix(q.BinEnd(r.Labels.Timestamp.Unix()), 0).UTC()
		}
		if q.Has("iface") || !q.Merge {
			g.Labels.Iface = r.Labels.Iface
		}
		if q.Has("host") || !q.Merge {
			g.Labels.Host = r.Labels.Host
		}
		if !q.Merge {
			g.Labels.HostID = r.Labels.HostID
		}
		key := fmt.Sprint(g.Labels, g.Attributes)
		if groups[key] == nil {
			groups[key] = &g
		}
		sum := groups[key].Counters.Flow()
		sum.Add(r.Counters.Flow())
		into := groups[key]
		into.Counters = CountersFrom(sum)
		if into.FirstSeen.IsZero() || r.FirstSeen.Before(into.FirstSeen) {
			into.FirstSeen = r.FirstSeen
		}
		if r.LastSeen.After(into.LastSeen) {
			into.LastSeen = r.LastSeen
		}
	}
	for _, g := range groups {
		if !q.Seen {
			g.FirstSeen, g.LastSeen = time.Time{}, time.Time{}
		}
		kept = append(kept, *g)
	}
	SortRows(kept, q)
	if !q.Series && int64(len(kept)) > q.Limit {
		for _, r := range kept[q.Limit:] {
			other.Add(r.Counters.Flow())
		}
		kept = kept[:q.Limit]
	}
	return kept, other
}

// attributesOf drops from rows what a server that was asked q would not give.
func attributesOf(q *Query, rows []Row) []Row {
	rows = slices.Clone(rows)
	for i := range rows {
		if !q.Has("sip") {
			rows[i].Attributes.Source = netip.Addr{}
		}
		if !q.Has("dport") {
			rows[i].Attributes.DestinationPort = 0
		}
		rows[i].Attributes.Protocol = 0
	}
	return rows
}

func TestMergerEqualsNaive(t *testing.T) {
	random := testenv.Random(t)
	queries := []string{"sip", "sip,dport", "time,sip", "time", "iface,sip", "host", "host,time,dport"}
	for range 300 {
		r := Request{
			Query: queries[random.IntN(len(queries))], Ifaces: "any", NumResults: 1 + random.Int64N(20), Other: true,
			Merge: random.IntN(2) == 0, SortAscending: random.IntN(2) == 0, In: random.IntN(2) == 0, Out: random.IntN(2) == 0,
			SortBy: []string{"bytes", "packets"}[random.IntN(2)], TimeResolution: []string{"", "10m"}[random.IntN(2)],
		}
		r.Seen = random.IntN(2) == 0 && !strings.Contains(r.Query, "time")
		q := prepare(t, r)
		rows := attributesOf(q, randomRows(random, random.IntN(200)))
		m := NewMerger(q)
		for part := range slices.Chunk(rows, 1+random.IntN(50)) {
			m.Add(wrap(part))
			m.Result() // asking in between changes nothing
		}
		got := m.Result()
		want, other := naive(q, rows)
		if diff := cmp.Diff(want, got.Rows, compareAddresses); diff != "" && len(want)+len(got.Rows) > 0 {
			t.Fatalf("%+v: %s", r, diff)
		}
		if got.Summary.Other.Counters.Flow() != other {
			t.Fatalf("%+v: other is %+v, want %+v", r, got.Summary.Other, other)
		}
		if got.Summary.Hits.Total != got.Summary.Hits.Displayed+got.Summary.Other.Groups {
			t.Fatalf("%+v: hits %+v, other %d", r, got.Summary.Hits, got.Summary.Other.Groups)
		}
		if got.Summary.Totals != wrap(rows).Summary.Totals {
			t.Fatalf("%+v: totals %+v", r, got.Summary.Totals)
		}
	}
}

func TestMergerSeries(t *testing.T) {
	random := testenv.Random(t)
	for range 100 {
		limit := 1 + random.Int64N(5)
		q := prepare(t, Request{Query: "time,sip", Ifaces: "any", Merge: true, Series: true, Other: true, NumResults: limit, TimeResolution: "10m"})
		rows := attributesOf(q, randomRows(random, 100))
		got := merged(q, rows)
		// The groups kept are the first of the same query without time.
		groups, _ := naive(prepare(t, Request{Query: "sip", Ifaces: "any", Merge: true, NumResults: limit}), rows)
		best := map[netip.Addr]bool{}
		for _, g := range groups {
			best[g.Attributes.Source] = true
		}
		all, _ := naive(q, rows)
		var want []Row
		var other flow.Counters
		bins := map[int64]*flow.Counters{}
		for _, row := range all {
			if best[row.Attributes.Source] {
				want = append(want, row)
				continue
			}
			other.Add(row.Counters.Flow())
			if bins[row.Labels.Timestamp.Unix()] == nil {
				bins[row.Labels.Timestamp.Unix()] = &flow.Counters{}
			}
			bins[row.Labels.Timestamp.Unix()].Add(row.Counters.Flow())
		}
		if diff := cmp.Diff(want, got.Rows, compareAddresses); diff != "" {
			t.Fatal(diff)
		}
		if got.Summary.Other.Counters.Flow() != other || len(got.Summary.Other.Bins) != len(bins) {
			t.Fatalf("other %+v, want %+v in %d bins", got.Summary.Other, other, len(bins))
		}
		for _, b := range got.Summary.Other.Bins {
			if b.Counters.Flow() != *bins[b.Timestamp.Unix()] {
				t.Fatalf("other in the bin of %v is %+v", b.Timestamp, b.Counters)
			}
		}
		if got.Summary.Hits.Displayed != int64(len(best)) {
			t.Fatalf("%d groups displayed, want %d", got.Summary.Hits.Displayed, len(best))
		}
	}
}

func merged(q *Query, parts ...[]Row) *Result {
	m := NewMerger(q)
	for _, rows := range parts {
		m.Add(wrap(rows))
	}
	return m.Result()
}

func TestMergerGroupTerms(t *testing.T) {
	q := prepare(t, Request{Query: "sip", Ifaces: "any", Merge: true, Condition: "dir = bi"})
	in := Row{Attributes: Attributes{Source: netip.MustParseAddr("192.0.2.1")}, Counters: Counters{BytesReceived: 5, PacketsReceived: 1}}
	out := in
	out.Counters = Counters{BytesSent: 7, PacketsSent: 1}
	lone := in
	lone.Attributes.Source = netip.MustParseAddr("192.0.2.2")
	m := NewMerger(q)
	m.ApplyGroupTerms()
	m.Add(wrap([]Row{in, lone}))
	m.Add(wrap([]Row{out}))
	got := m.Result()
	if len(got.Rows) != 1 || got.Rows[0].Counters.BytesSent != 7 || got.Summary.Totals.BytesReceived != 5 || got.Summary.Hits.Total != 1 {
		t.Errorf("the term on directions is not applied to the sums: %+v", got)
	}
}

// Servers that know no networks give whole addresses; servers that do give networks. Both merge alike.
func TestMergerNetworks(t *testing.T) {
	q := prepare(t, Request{Query: "sip/30,dip/40", Ifaces: "any", Merge: true})
	random := rand.New(rand.NewPCG(3, 4))
	rows := randomRows(random, 200)
	for i := range rows {
		rows[i].Attributes = Attributes{
			Source:      netip.AddrFrom4([4]byte{192, 0, 2, byte(random.IntN(16))}),
			Destination: netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:1::1", random.IntN(4)<<6)),
		}
	}
	masked := slices.Clone(rows)
	for i := range masked {
		a := &masked[i].Attributes
		a.Source, a.SourceBits = netip.PrefixFrom(a.Source, 30).Masked().Addr(), 30
		a.Destination, a.DestinationBits = netip.PrefixFrom(a.Destination, 40).Masked().Addr(), 40
	}
	want := merged(q, masked)
	if len(want.Rows) != 4 {
		t.Fatalf("%d networks, want 4", len(want.Rows))
	}
	for _, parts := range [][][]Row{{rows}, {rows[:100], masked[100:]}} {
		if diff := cmp.Diff(want, merged(q, parts...), compareAddresses); diff != "" {
			t.Error(diff)
		}
	}
}

func TestMergerCompare(t *testing.T) {
	q := prepare(t, Request{Query: "sip", Ifaces: "any", First: "-1h", Merge: true, Compare: "1d"})
	row := func(address string, now uint64, before *Counters) Row {
		return Row{Attributes: Attributes{Source: netip.MustParseAddr(address)}, Counters: Counters{BytesReceived: now}, Before: before}
	}
	got := merged(q, []Row{row("192.0.2.1", 5, &Counters{BytesReceived: 1}), row("192.0.2.2", 3, nil)},
		[]Row{row("192.0.2.1", 5, &Counters{BytesReceived: 2, BytesSent: 4})})
	want := []Row{row("192.0.2.1", 10, &Counters{BytesReceived: 3, BytesSent: 4}), row("192.0.2.2", 3, &Counters{})}
	if diff := cmp.Diff(want, got.Rows, compareAddresses); diff != "" {
		t.Error(diff)
	}
}

func TestMergerFoldedAndExplain(t *testing.T) {
	q := prepare(t, Request{Query: "sip", Ifaces: "any", Explain: true})
	parts := make([]*Result, 5)
	for i := range parts {
		steps := make([]ExplainStep, 500)
		for k := range steps {
			steps[k] = ExplainStep{Source: fmt.Sprintf("eth%d", k), Method: "rows", BytesRead: uint64((k * 7919) % 997)}
		}
		parts[i] = &Result{Hostname: fmt.Sprintf("h%d", i), Summary: Summary{
			Folded: &Folded{Packets: 2, Bytes: 120, Intervals: 1}, Explain: &Explain{Steps: steps, Omitted: 1, BytesRead: 10},
		}}
	}
	add := func(order ...int) *Result {
		m := NewMerger(q)
		for _, i := range order {
			m.Add(parts[i])
			m.Result() // asking in between changes nothing
		}
		return m.Result()
	}
	got := add(0, 1, 2, 3, 4)
	if diff := cmp.Diff(&Folded{Packets: 10, Bytes: 600, Intervals: 5}, got.Summary.Folded); diff != "" {
		t.Error(diff)
	}
	e := got.Summary.Explain
	if len(e.Steps) != MaxExplainSteps || e.Omitted != 5+1500 || e.BytesRead != 50 {
		t.Errorf("%d steps, %d omitted, %d bytes", len(e.Steps), e.Omitted, e.BytesRead)
	}
	for _, s := range e.Steps {
		if s.Host == "" || s.BytesRead < 500 {
			t.Fatalf("step %+v is kept", s)
		}
	}
	if diff := cmp.Diff(got, add(4, 2, 0, 1, 3)); diff != "" {
		t.Errorf("the outcome depends on the order: %s", diff)
	}
}

func TestMergerSummary(t *testing.T) {
	q := prepare(t, Request{Query: "time,sip", Ifaces: "any", Series: true, TimeResolution: "5m"})
	at := func(s int64) time.Time { return time.Unix(1790000000+s, 0).UTC() }
	m := NewMerger(q)
	m.Add(&Result{Summary: Summary{TimeFirst: at(0), TimeLast: at(9999)}}) // no data: its span is the question's
	m.Add(&Result{Summary: Summary{
		TimeFirst: at(600), TimeLast: at(1200), Interfaces: []string{"eth1"}, DataAvailable: true,
		Accounting: &Accounting{Received: 10, Metered: 8, Dropped: 1, Issues: map[string]uint64{"not_ip": 2}},
		Coverage:   []BinCoverage{{at(100), 200}, {at(400), 300}}, Stats: Stats{BytesLoaded: 7}, Hits: Hits{Displayed: 1, Total: 5},
	}})
	m.Add(&Result{Summary: Summary{
		TimeFirst: at(300), TimeLast: at(900), Interfaces: []string{"eth0", "eth1"}, DataAvailable: true,
		Accounting: &Accounting{Received: 1, Metered: 1}, Coverage: []BinCoverage{{at(100), 300}}, Stats: Stats{BytesLoaded: 3},
	}})
	got := m.Result().Summary
	want := Summary{
		Interfaces: []string{"eth0", "eth1"}, TimeFirst: at(300), TimeLast: at(1200), DataAvailable: true,
		Accounting: &Accounting{Received: 11, Metered: 9, Dropped: 1, Issues: map[string]uint64{"not_ip": 2}},
		Coverage:   []BinCoverage{{at(100), 300}, {at(400), 300}}, Stats: Stats{BytesLoaded: 10}, Hits: Hits{Total: 4},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSortRowsIsTotalAndStable(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, r := range []Request{{Query: "sip,dport"}, {Query: "sip,dport", SortAscending: true}, {Query: "time,sip"}, {Query: "sip", SortBy: "time"}} {
		r.Ifaces = "any"
		q := prepare(t, r)
		rows, _ := naive(&Query{Columns: q.Columns, Limit: 1 << 30, SortBy: q.SortBy}, randomRows(random, 300))
		for range 5 {
			shuffled := slices.Clone(rows)
			random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			SortRows(shuffled, q)
			SortRows(rows, q)
			if diff := cmp.Diff(rows, shuffled, compareAddresses); diff != "" {
				t.Fatalf("%+v: the order depends on the input: %s", r, diff)
			}
		}
	}
}

func TestSortRows(t *testing.T) {
	row := func(port uint16, received, sent, packets uint64) Row {
		return Row{Attributes: Attributes{DestinationPort: port}, Counters: Counters{BytesReceived: received, BytesSent: sent, PacketsReceived: packets}}
	}
	rows := []Row{row(3, 5, 5, 1), row(1, 9, 0, 1), row(2, 1, 10, 1), row(4, 5, 5, 7)}
	for _, test := range []struct {
		request Request
		want    string
	}{
		{Request{}, "2 3 4 1"},
		{Request{Sum: true}, "2 3 4 1"},
		{Request{SortAscending: true}, "1 3 4 2"},
		{Request{In: true}, "1 3 4 2"},
		{Request{Out: true}, "2 3 4 1"},
		{Request{SortBy: "packets"}, "4 1 2 3"},
		{Request{SortBy: "packets", SortAscending: true}, "1 2 3 4"},
		{Request{SortBy: "time"}, "1 2 3 4"},
	} {
		test.request.Query, test.request.Ifaces = "dport", "any"
		sorted := slices.Clone(rows)
		SortRows(sorted, prepare(t, test.request))
		var got []string
		for _, r := range sorted {
			got = append(got, fmt.Sprint(r.Attributes.DestinationPort))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%+v: %v, want %s", test.request, got, test.want)
		}
	}
}

func BenchmarkMerge(b *testing.B) {
	q, err := (&Request{Query: "sip,dport", Ifaces: "any", Merge: true}).Prepare(now)
	if err != nil {
		b.Fatal(err)
	}
	rows := randomRows(rand.New(rand.NewPCG(1, 2)), 100_000)
	for i := range rows {
		rows[i].Attributes.Source = netip.AddrFrom4([4]byte{10, byte(i >> 12), byte(i >> 4), byte(i)})
	}
	r := wrap(rows)
	b.ReportAllocs()
	for b.Loop() {
		m := NewMerger(q)
		m.Add(r)
		m.Add(r)
		m.Result()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*2*len(rows)), "ns/row")
}
