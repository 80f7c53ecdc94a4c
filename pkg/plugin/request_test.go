package plugin

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/wire"
)

// noon is the clock of the tests.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func lasting(from time.Time, d time.Duration) backend.TimeRange {
	return backend.TimeRange{From: from, To: from.Add(d)}
}

func TestBinLength(t *testing.T) {
	const m, h = time.Minute, time.Hour
	for _, test := range []struct {
		name            string
		interval, rng   time.Duration
		points          int64
		wanted, correct time.Duration
	}{
		{"short range: the interval", 5 * m, h, 1000, 0, 5 * m},
		{"a day on a wide panel", 5 * m, day, 1000, 0, 5 * m},
		{"a week: next divisor of the day", 5 * m, 7 * day, 1000, 0, 15 * m},
		{"35 minutes would not divide the day", 5 * m, 24 * day, 1000, 0, 40 * m},
		{"a year", 5 * m, 365 * day, 1000, 0, 12 * h},
		{"ten years: whole days", 5 * m, 3650 * day, 1000, 0, 4 * day},
		{"the panel's own interval", 5 * m, h, 1000, time.Hour, h},
		{"the panel's interval is below ours", 5 * m, h, 1000, 15 * time.Second, 5 * m},
		{"points not given", 5 * m, 7 * day, 0, 0, 15 * m},
		{"one point", 5 * m, 6 * h, 1, 0, 6 * h},
		{"a demo's seconds", 5 * time.Second, 15 * m, 300, 0, 5 * time.Second},
		{"an interval that does not divide the day", 7 * m, day, 100, 0, 21 * m},
	} {
		q := backend.DataQuery{Interval: test.wanted, MaxDataPoints: test.points, TimeRange: lasting(noon, test.rng)}
		got := binLength(test.interval, q)
		if got != test.correct {
			t.Errorf("%s: %s, want %s", test.name, got, test.correct)
		}
		if got%test.interval != 0 {
			t.Errorf("%s: %s is no multiple of %s", test.name, got, test.interval)
		}
	}
}

func TestSpans(t *testing.T) {
	now := noon.Add(3*time.Minute + 700*time.Millisecond)
	for _, test := range []struct {
		name  string
		rng   backend.TimeRange
		alert bool
		step  time.Duration // 0: table
		want  span
	}{
		{"neighbours do not share an interval", lasting(noon.Add(-2*time.Hour), time.Hour), false, 0,
			span{first: noon.Add(-2*time.Hour + time.Second), last: noon.Add(-time.Hour)}},
		{"a range that ends now is live", backend.TimeRange{From: noon, To: now}, false, 0,
			span{first: noon.Add(time.Second), last: noon.Add(3 * time.Minute), live: true}},
		{"also when the answer was asked for a while ago", backend.TimeRange{From: noon, To: now.Add(-59 * time.Second)}, false, 0,
			span{first: noon.Add(time.Second), last: noon.Add(2*time.Minute + time.Second), live: true}},
		{"an alert rule is not", backend.TimeRange{From: noon, To: now}, true, 0,
			span{first: noon.Add(time.Second), last: noon.Add(3 * time.Minute)}},
		{"the first bin is whole", lasting(noon.Add(-2*time.Hour+7*time.Minute), time.Hour), false, 10 * time.Minute,
			span{first: noon.Add(-2*time.Hour + time.Second), last: noon.Add(-53 * time.Minute), step: 10 * time.Minute}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := tableSpan(test.rng, now, test.alert)
			if test.step > 0 {
				got, err = seriesSpan(test.rng, now, test.alert, test.step)
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(span{})); diff != "" {
				t.Errorf("span (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := tableSpan(lasting(noon, 0), now, false); err == nil {
		t.Error("an empty range is accepted")
	}
}

func TestResolution(t *testing.T) {
	for _, test := range []struct {
		text string
		bin  time.Duration
		want string // of the error
	}{
		{"5m", 5 * time.Minute, ""}, {"1h", time.Hour, ""}, {"1d", day, ""},
		{"1m", 0, "not a multiple of the interval of 5m"}, {"7m", 0, "not a multiple of the interval of 5m"},
		{"soon", 0, `"soon"`}, {"-5m", 0, "-5m"}, {"0s", 0, "0s"},
	} {
		got, err := resolution(test.text, 5*time.Minute, day)
		if got != test.bin || (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %s, %v; want %s, %q", test.text, got, err, test.bin, test.want)
		}
	}
	if _, err := resolution("5m", 5*time.Minute, 365*day); err == nil || !strings.Contains(err.Error(), "105120 bins") {
		t.Errorf("a year in bins of five minutes: %v", err)
	}
}

func TestRequest(t *testing.T) {
	within := span{first: noon.Add(time.Second), last: noon.Add(time.Hour), live: true}
	series := within
	series.step = 15 * time.Minute
	for _, test := range []struct {
		name  string
		query string
		span  span
		want  wire.Request
	}{
		{"table", `{"attributes":["sip","dport"],"condition":" dport = 443 ","limit":7,"other":true}`, within, wire.Request{
			Query: "sip,dport", Ifaces: "any", Condition: "dport = 443", First: "2026-11-21T12:00:01Z", Last: "2026-11-21T13:00:00Z",
			SortBy: "bytes", NumResults: 7, Caller: "grafana", Live: true, Merge: true, Other: true,
		}},
		{"series", `{"queryType":"timeseries","attributes":["host"],"interfaces":"eth0","direction":"in","value":"packets"}`, series, wire.Request{
			Query: "time,host", Ifaces: "eth0", First: "2026-11-21T12:00:01Z", Last: "2026-11-21T13:00:00Z", TimeResolution: "15m0s",
			In: true, SortBy: "packets", NumResults: 10, Caller: "grafana", Live: true, Merge: true, Series: true,
		}},
		{"series of everything, sent", `{"queryType":"timeseries","attributes":[],"direction":"out"}`, series, wire.Request{
			Query: "time", Ifaces: "any", First: "2026-11-21T12:00:01Z", Last: "2026-11-21T13:00:00Z", TimeResolution: "15m0s",
			Out: true, SortBy: "bytes", NumResults: 10, Caller: "grafana", Live: true, Merge: true, Series: true,
		}},
		{"everything a table can ask for", `{"version":2,"hosts":"fra-*","attributes":["host","sip/24"],"sort":"packets","ascending":true,"compare":"1w"}`, within, wire.Request{
			Query: "host,sip/24", Ifaces: "any", QueryHosts: "fra-*", First: "2026-11-21T12:00:01Z", Last: "2026-11-21T13:00:00Z",
			SortBy: "packets", SortAscending: true, Compare: "1w", NumResults: 25, Caller: "grafana", Live: true, Merge: true,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			q, err := sourceOf([]string{"a"}, newFake("a")).question(t.Context(), backend.DataQuery{JSON: []byte(test.query)}, false)
			if err != nil {
				t.Fatal(err)
			}
			got := q.request(test.span)
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}
