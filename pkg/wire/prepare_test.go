package wire

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
)

func prepare(t *testing.T, r Request) *Query {
	t.Helper()
	q, err := r.Prepare(now)
	if err != nil {
		t.Fatalf("Prepare(%+v): %v", r, err)
	}
	return q
}

func names(q *Query) string {
	var list []string
	for _, c := range q.Columns {
		list = append(list, c.Name)
	}
	return strings.Join(list, ",")
}

func TestPrepareDefaults(t *testing.T) {
	q := prepare(t, Request{Query: "sip", Ifaces: "any"})
	if q.First != now.Add(-DefaultSpan).Unix()+1 || q.Last != EndOfTime {
		t.Errorf("span %d..%d", q.First, q.Last)
	}
	if q.Limit != 1000 || q.SortBy != SortBytes || q.Ascending || q.Direction != DirectionBoth || q.Resolution != 0 {
		t.Errorf("defaults: %+v", q)
	}
	if q.Condition != nil || !q.Matcher.Group(flow.Counters{}) {
		t.Errorf("an absent condition does not match everything")
	}
}

func TestPrepareColumns(t *testing.T) {
	for text, want := range map[string]string{
		"sip":                     "sip",
		" s ip , dip ":            "sip,dip",
		"src,dst,port,protocol":   "sip,dip,dport,proto",
		"ipproto,hostname":        "proto,host",
		"talk_conv,sip":           "sip,dip",
		"dip,talk_conv":           "dip,sip",
		"raw":                     "time,host,hostid,iface,sip,dip,dport,proto",
		"agg_talk_port,time":      "sip,dip,dport,proto,time",
		"apps_port,talk_src,host": "dport,proto,sip,host",
		"time":                    "time",
		"verdict":                 "verdict",
	} {
		if got := names(prepare(t, Request{Query: text, Ifaces: "any"})); got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}

func TestPrepareColumnFaults(t *testing.T) {
	for _, test := range []struct {
		text, part string
		position   Position
	}{
		{"sip,dipp", `unknown attribute "dipp"; did you mean "dip"?`, Position{Offset: 4, Length: 4, Nearest: "dip"}},
		{"sip, SIP", `did you mean "sip"?`, Position{Offset: 5, Length: 3, Nearest: "sip"}},
		{"sip,label.", "a label is named by up to 64", Position{Offset: 4, Length: 6, Expected: []string{"label.NAME"}}},
		{"sip,,dip", "empty name", Position{Offset: 4}},
		{"bytes_sent", "unknown attribute", Position{Length: 10, Expected: ColumnNames()}},
	} {
		_, faults := parseColumns(test.text)
		if len(faults) != 1 || !strings.Contains(faults[0].Message, test.part) {
			t.Errorf("%q: faults %+v, want one with %q", test.text, faults, test.part)
			continue
		}
		if diff := cmp.Diff(test.position, *faults[0].Position); diff != "" {
			t.Errorf("%q: position: %s", test.text, diff)
		}
	}
}

func TestPrepareSorting(t *testing.T) {
	for _, test := range []struct {
		request Request
		want    SortKey
	}{
		{Request{Query: "sip"}, SortBytes},
		{Request{Query: "sip", SortBy: "packets"}, SortPackets},
		{Request{Query: "sip", SortBy: "time"}, SortTime},
		{Request{Query: "time,sip", SortBy: "bytes"}, SortTime}, // as goQuery sends it
		{Request{Query: "time,sip", SortBy: "packets", Series: true}, SortPackets},
		{Request{Query: "time,sip", SortBy: "time", Series: true}, SortBytes},
	} {
		test.request.Ifaces = "any"
		if got := prepare(t, test.request).SortBy; got != test.want {
			t.Errorf("%+v is sorted by %s, want %s", test.request, got, test.want)
		}
	}
}

func TestPrepareDirection(t *testing.T) {
	for want, r := range map[Direction]Request{
		DirectionBoth: {In: true, Out: true}, DirectionIn: {In: true}, DirectionOut: {Out: true},
		DirectionSum: {Sum: true, In: true, Out: true},
	} {
		if got := direction(&r); got != want {
			t.Errorf("%+v: %s, want %s", r, got, want)
		}
	}
}

func TestPrepareSpan(t *testing.T) {
	q := prepare(t, Request{Query: "sip", Ifaces: "any", First: " ", Last: ""})
	if q.First != now.Add(-DefaultSpan).Unix()+1 || q.Last != EndOfTime {
		t.Errorf("blank bounds give %d..%d", q.First, q.Last)
	}
	q = prepare(t, Request{Query: "sip", Ifaces: "any", First: "2026-11-20T05:00:00.2Z", Last: "2026-11-20T05:00:10.9Z"})
	if q.First != 1795150801 || q.Last != 1795150810 {
		t.Errorf("fractions are not rounded to the inside: %d..%d", q.First, q.Last)
	}
	q = prepare(t, Request{Query: "sip", Ifaces: "any", First: "1790000000", Last: "1790000000"})
	if q.First != q.Last {
		t.Errorf("a span of one second became %d..%d", q.First, q.Last)
	}
	q = prepare(t, Request{Query: "sip", Ifaces: "any", First: "-40000d", Last: "9223371974719179007"})
	if q.First != 0 || q.Last != EndOfTime {
		t.Errorf("far bounds give %d..%d", q.First, q.Last)
	}
}

func TestPrepareResolution(t *testing.T) {
	for _, test := range []struct {
		query, first, last, resolution string
		want                           time.Duration
	}{
		{"sip", "-1h", "", "5m", 0}, // goQuery sends it always
		{"time", "-1h", "", "", 0},
		{"time", "-1h", "", "5m", 5 * time.Minute},
		{"time", "-1h", "", "1d", 24 * time.Hour},
		{"time", "-1h", "", "1s", time.Second},
		{"time", "-1h", "", "auto", 5 * time.Minute},
		{"time", "-1d", "", "auto", 5 * time.Minute},
		{"time", "-2d", "", "auto", 10 * time.Minute},
		{"time", "-30d", "9223371974719179007", "auto", 150 * time.Minute},
		{"time", "0", "86400", "auto", 5 * time.Minute},
	} {
		r := Request{Query: test.query, Ifaces: "any", First: test.first, Last: test.last, TimeResolution: test.resolution}
		if got := prepare(t, r).Resolution; got != test.want {
			t.Errorf("%+v: %v, want %v", test, got, test.want)
		}
	}
	for _, text := range []string{"0s", "-5m", "1.5s", "300ms", "5", "often"} {
		r := Request{Query: "sip", Ifaces: "any", TimeResolution: text}
		if _, err := r.Prepare(now); err == nil {
			t.Errorf("time_resolution %q is accepted", text)
		}
	}
}

func TestPrepareListsAllFaults(t *testing.T) {
	r := Request{
		Query: "sipp", Ifaces: "!lo", Condition: "dport = foo", First: "soon", Last: "later", TimeResolution: "often",
		Format: "xml", SortBy: "bites", NumResults: -1, MaxMemPct: 101, KeepAlive: -1, Series: true,
		DNSResolution: &DNSResolution{Timeout: -1, MaxRows: -1},
	}
	_, err := r.Prepare(now)
	var p *Problem
	if !errors.As(err, &p) || p.Status != 422 {
		t.Fatalf("Prepare: %v", err)
	}
	var got []string
	for _, f := range p.Errors {
		got = append(got, f.Location)
		if f.Message == "" {
			t.Errorf("%s: no message", f.Location)
		}
	}
	want := []string{"body.query", "body.format", "body.sort_by", "body.ifaces", "body.first", "body.last",
		"body.time_resolution", "body.num_results", "body.max_mem_pct", "body.keepalive", "body.dns_resolution.timeout",
		"body.dns_resolution.max_rows", "body.condition"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	last := p.Errors[len(p.Errors)-1]
	if last.Position == nil || last.Position.Offset != 8 || last.Value != "dport = foo" {
		t.Errorf("the fault of the condition does not point at foo: %+v", last)
	}
}

func TestPrepareFirstAfterLast(t *testing.T) {
	r := Request{Query: "sip", Ifaces: "any", First: "-1h", Last: "-2h"}
	_, err := r.Prepare(now)
	var p *Problem
	if !errors.As(err, &p) || len(p.Errors) != 1 || p.Errors[0].Location != "body.first" {
		t.Errorf("Prepare: %v", err)
	}
}

func TestPrepareSeriesNeedsTime(t *testing.T) {
	r := Request{Query: "sip", Ifaces: "any", Series: true}
	if _, err := r.Prepare(now); err == nil || !strings.Contains(err.Error(), "time,sip") {
		t.Errorf("Prepare: %v", err)
	}
}

func TestPrepareLongCondition(t *testing.T) {
	r := Request{Query: "sip", Ifaces: "any", Condition: strings.Repeat("(", 1<<20)}
	_, err := r.Prepare(now)
	if err == nil || len(err.Error()) > 4096 {
		t.Errorf("a condition of 1 MiB gives %.100v", err)
	}
}

func TestPrepareResolving(t *testing.T) {
	r := Request{Query: "sip", Ifaces: "any", Condition: "sip = www.example.org & dport = 443"}
	if _, err := r.Prepare(now); err == nil {
		t.Error("a name is accepted without a lookup: it would match everything or nothing")
	}
	address := netip.MustParseAddr("192.0.2.7")
	q, err := r.PrepareResolving(t.Context(), now, func(ctx context.Context, name string) ([]netip.Addr, error) {
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > time.Second {
			t.Error("the lookup is not bounded")
		}
		if name != "www.example.org" {
			t.Errorf("looks up %q", name)
		}
		return []netip.Addr{address}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(q.Request.Condition, "192.0.2.7") || strings.Contains(q.Request.Condition, "example") {
		t.Errorf("the request to send on has the condition %q", q.Request.Condition)
	}
	if r.Condition != "sip = www.example.org & dport = 443" {
		t.Errorf("the caller's request was changed to %q", r.Condition)
	}
	_, err = r.PrepareResolving(t.Context(), now, func(context.Context, string) ([]netip.Addr, error) {
		return nil, errors.New("no such host")
	})
	var p *Problem
	if !errors.As(err, &p) || p.Errors[0].Location != "body.condition" || !strings.Contains(p.Error(), "no such host") {
		t.Errorf("a failed lookup gives %v", err)
	}
}

func TestBinEnd(t *testing.T) {
	for _, test := range []struct {
		size        time.Duration
		stamp, want int64
	}{{0, 299, 299}, {5 * time.Minute, 300, 300}, {5 * time.Minute, 301, 600}, {time.Hour, 1, 3600}, {time.Hour, 0, 0}} {
		q := Query{Resolution: test.size}
		if got := q.BinEnd(test.stamp); got != test.want {
			t.Errorf("bin of %d by %v ends at %d, want %d", test.stamp, test.size, got, test.want)
		}
	}
}

func TestEcho(t *testing.T) {
	q := prepare(t, Request{Query: "time,iface,dip,sip", Ifaces: "any", Condition: "dport=80"})
	if got := q.Echo(); !slices.Equal(got.Attributes, []string{"dip", "sip"}) || got.Condition == "" {
		t.Errorf("Echo() = %+v", got)
	}
	if got := prepare(t, Request{Query: "time", Ifaces: "any"}).Echo(); got.Attributes == nil {
		t.Error("no attributes must be an empty list: clients of goProbe take no null")
	}
}
