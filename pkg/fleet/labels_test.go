package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/wire"
)

// extended is a store that can do what our own servers do.
type extended struct {
	*store
	interval time.Duration
}

func (a extended) Abilities(context.Context) (wire.Abilities, error) {
	return wire.Abilities{Interval: a.interval,
		Features: []string{wire.FeatureThreshold, wire.FeatureGroups, wire.FeatureDedupe, wire.FeatureLabels}}, nil
}

func labelled(t *testing.T, hosts ...Host) *Fleet {
	t.Helper()
	cfg := DefaultConfig()
	cfg.FirstRows = 1
	f, err := New(hosts, cfg, Deps{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func labelRow(source byte, bytes uint64, labels map[string]string) wire.Row {
	return wire.Row{
		Labels:     wire.Labels{Timestamp: time.Unix(1790000100, 0).UTC(), Iface: "eth0", HostLabels: wire.HostLabelsFrom(labels)},
		Attributes: wire.Attributes{Source: netip.AddrFrom4([4]byte{192, 0, 2, source})}, Counters: wire.Counters{BytesReceived: bytes, PacketsReceived: 1},
	}
}

// Labels of the inventory win over the host's own; hosts are grouped by them, and not asked where they fail the condition.
func TestLabels(t *testing.T) {
	own := map[string]string{"site": "own", "company": "own"}
	a, b, c := &store{name: "a", rows: []wire.Row{labelRow(1, 5, own), labelRow(2, 1, own)}}, &store{name: "b", rows: []wire.Row{labelRow(1, 7, own)}},
		&store{name: "c", rows: []wire.Row{labelRow(1, 100, own)}}
	f := labelled(t, Host{Name: "a", Client: extended{store: a}, Labels: map[string]string{"company": "acme"}},
		Host{Name: "b", Client: extended{store: b}, Labels: map[string]string{"company": "acme"}},
		Host{Name: "c", Client: extended{store: c}, Labels: map[string]string{"company": "other"}})
	table := func(request wire.Request) string {
		request.Ifaces, request.Merge = "any", true
		_, result := ask(t, f, request)
		var lines []string
		for _, row := range result.Rows {
			text, err := json.Marshal(row.Labels.HostLabels)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, fmt.Sprintf("%s %s %d", text, row.Attributes.SourceText(), row.Counters.BytesReceived))
		}
		return strings.Join(lines, "\n")
	}
	for _, test := range []struct{ query, condition, want string }{
		{"label.company", "", "{\"company\":\"other\"}  100\n{\"company\":\"acme\"}  13"},
		{"label.company,sip", "", "{\"company\":\"other\"} 192.0.2.1 100\n{\"company\":\"acme\"} 192.0.2.1 12\n{\"company\":\"acme\"} 192.0.2.2 1"},
		{"label.company,label.site,sip", "label.company = acme", "{\"company\":\"acme\",\"site\":\"own\"} 192.0.2.1 12\n{\"company\":\"acme\",\"site\":\"own\"} 192.0.2.2 1"},
		{"sip", "label.company = acme", "{} 192.0.2.1 12\n{} 192.0.2.2 1"},
		{"sip", "label.company = acme | sip = 192.0.2.1", "{} 192.0.2.1 112\n{} 192.0.2.2 1"},
		{"label.rack", "", "{}  113"},
	} {
		if diff := cmp.Diff(test.want, table(wire.Request{Query: test.query, Condition: test.condition})); diff != "" {
			t.Errorf("%s where %q: %s", test.query, test.condition, diff)
		}
	}
	c.seen.Store(nil)
	_, result := ask(t, f, wire.Request{Query: "label.company,sip", Ifaces: "any", Merge: true, Condition: "label.company = acme & (label.site = own | sip = 192.0.2.1)"})
	status := result.HostsStatuses["c"]
	if c.seen.Load() != nil || status.State != wire.StateSkipped || status.Class != wire.ClassLabel {
		t.Errorf("c was asked %+v, its status is %+v", c.seen.Load(), status)
	}
	if result.Status.State != wire.StateOK {
		t.Errorf("a host that is not meant makes the answer %+v", result.Status)
	}
	if got := a.seen.Load(); got.Condition != "(label.site = own | sip = 192.0.2.1)" || got.Query != "sip" {
		t.Errorf("a was asked %q where %q: what its labels decide is no question to it", got.Query, got.Condition)
	}
	if _, none := ask(t, f, wire.Request{Query: "sip", Ifaces: "any", Merge: true, Condition: "label.company = nobody"}); none.Status.Code != wire.CodeEmpty ||
		!strings.Contains(none.Status.Message, "no host has the labels") {
		t.Errorf("%+v", none.Status)
	}
	top := table(wire.Request{Query: "label.company,sip", NumResults: 1})
	if top != `{"company":"other"} 192.0.2.1 100` {
		t.Errorf("in rounds: %s", top)
	}
}

// With max, a flow that several hosts saw counts once.
func TestDedupe(t *testing.T) {
	row := func(source byte, c wire.Counters) wire.Row {
		r := labelRow(source, 0, nil)
		r.Counters = c
		return r
	}
	first := &store{name: "first", rows: []wire.Row{row(1, wire.Counters{BytesReceived: 100, BytesSent: 10, PacketsReceived: 3, Attempts: 2}), row(2, wire.Counters{BytesReceived: 5, PacketsReceived: 1})}}
	second := &store{name: "second", rows: []wire.Row{row(1, wire.Counters{BytesReceived: 10, BytesSent: 99, PacketsReceived: 3, Attempts: 1, Accepts: 1}),
		row(3, wire.Counters{BytesReceived: 4, PacketsReceived: 1}), row(3, wire.Counters{BytesReceived: 4, PacketsReceived: 1})}}
	hosts := []Host{{Name: "first", Client: extended{store: first}}, {Name: "second", Client: extended{store: second}}}
	request := wire.Request{Query: "sip", Ifaces: "any", Merge: true, Dedupe: "max", Other: true, NumResults: 2}
	want := []wire.Counters{{BytesReceived: 100, BytesSent: 10, PacketsReceived: 3, Attempts: 2, Accepts: 1}, {BytesReceived: 8, PacketsReceived: 2}}
	for range 2 {
		_, result := ask(t, labelled(t, hosts...), request)
		var got []wire.Counters
		for _, r := range result.Rows {
			got = append(got, r.Counters)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		s := result.Summary
		if s.Totals.BytesReceived != 113 || s.Other.Counters.BytesReceived != 5 || s.Hits.Total != 3 || s.Bounded != nil {
			t.Errorf("%+v", s)
		}
		slices.Reverse(hosts)
		hosts[0].Name, hosts[1].Name = "b", "a" // another order of hosts
	}
	if r := first.seen.Load(); r.Dedupe != "max" {
		t.Errorf("a gateway would not know: %+v", r)
	}
}

// Where intervals of hosts are not equally long, bins are as long as all of them can fill.
func TestBinsOfDifferentIntervals(t *testing.T) {
	at := func(seconds int64, bytes uint64) wire.Row {
		r := labelRow(1, bytes, nil)
		r.Labels.Timestamp = time.Unix(1790000100+seconds, 0).UTC() // a multiple of five minutes
		return r
	}
	minutes := &store{name: "minutes", rows: []wire.Row{at(60, 1), at(120, 1), at(180, 1), at(240, 1), at(300, 1), at(360, 1)}}
	fives := &store{name: "fives", rows: []wire.Row{at(300, 10), at(600, 10)}}
	f := labelled(t, Host{Name: "minutes", Client: extended{minutes, time.Minute}}, Host{Name: "fives", Client: extended{fives, 5 * time.Minute}})
	for _, resolution := range []string{"", "1m", "7m"} {
		_, result := ask(t, f, wire.Request{Query: "time", Ifaces: "any", Merge: true, TimeResolution: resolution, First: "1790000000", Last: "1790009000"})
		var got []string
		for _, r := range result.Rows {
			got = append(got, fmt.Sprintf("%d:%d", r.Labels.Timestamp.Unix()-1790000100, r.Counters.BytesReceived))
		}
		want, length := "300:15 600:11", 5*time.Minute
		if resolution == "7m" {
			want, length = "300:15 900:11", 10*time.Minute // aligned to the epoch
		}
		if strings.Join(got, " ") != want || result.Summary.Timings.Resolution != length {
			t.Errorf("%q: %s in bins of %v, want %s", resolution, got, result.Summary.Timings.Resolution, want)
		}
	}
	same := labelled(t, Host{Name: "x", Client: extended{minutes, time.Minute}}, Host{Name: "y", Client: extended{fives, time.Minute}})
	if _, result := ask(t, same, wire.Request{Query: "time", Ifaces: "any", Merge: true, First: "1790000000", Last: "1790009000"}); len(result.Rows) != 7 || result.Summary.Timings.Resolution != 0 {
		t.Errorf("bins of hosts that are alike were changed: %+v", result.Rows)
	}
}

// What is streamed only ever grows, and the last answer is the one without a stream.
func TestStreaming(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	for _, query := range []wire.Request{{Query: "sip,dport"}, {Query: "time,sip", Series: true, Other: true}, {Query: "sip,dport", NumResults: 3, Other: true}, {Query: "host,sip"}} {
		query.Ifaces, query.Merge = "any", true
		var hosts []Host
		for i := range 12 {
			name := fmt.Sprintf("host%02d", i)
			hosts = append(hosts, Host{Name: name, Client: extended{store: &store{name: name, rows: world(random, name, 100)}}})
		}
		cfg := DefaultConfig()
		cfg.FirstRows, cfg.ProgressEvery = 1, 0
		f, err := New(hosts, cfg, Deps{Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		q, want := ask(t, f, query)
		var last wire.Progress
		partials, rows := 0, 0
		got, err := f.Query(t.Context(), q, func(p *wire.Result) {
			partials++
			far := p.Summary.Progress
			if far.Hosts != 12 || far.HostsDone < last.HostsDone || far.Rows < last.Rows || far.Bytes < last.Bytes || far.Rounds < last.Rounds || far.Rounds == 1 && len(p.Rows) < rows {
				t.Errorf("%s: %+v and %d rows after %+v and %d rows", query.Query, far, len(p.Rows), last, rows)
			}
			last, rows = *far, len(p.Rows)
		})
		if err != nil || partials < 12 || last.HostsDone != 12 {
			t.Fatalf("%s: %d partial results, the last is %+v: %v", query.Query, partials, last, err)
		}
		if diff := cmp.Diff(want, got, compareAddresses); diff != "" {
			t.Errorf("%s: streamed: %s", query.Query, diff)
		}
	}
}
