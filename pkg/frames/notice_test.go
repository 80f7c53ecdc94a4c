package frames

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

func TestNotices(t *testing.T) {
	ok := wire.Status{Code: wire.CodeOK, State: wire.StateOK}
	for _, test := range []struct {
		name     string
		statuses map[string]wire.Status
		summary  wire.Summary
		warning  string
		info     string
	}{
		{name: "nothing to say", statuses: map[string]wire.Status{"a": ok, "b": {Code: wire.CodeEmpty}}},
		{
			name: "worst first, each with its reason",
			statuses: map[string]wire.Status{
				"a": ok,
				"b": {Code: wire.CodeError, State: wire.StateTimeout, Message: "no answer within 20s"},
				"c": {Code: wire.CodeError, State: wire.StateError, Message: "connection\n  refused"},
				"d": {Code: wire.CodeMissingData, State: wire.StateNoData, Message: "nothing stored"},
				"e": {Code: wire.CodeOK, State: wire.StatePartial, Message: "row limit reached"},
				"f": {Code: wire.CodeError, State: wire.StateSkipped, Message: "circuit open"},
			},
			warning: "2 of 6 hosts did not answer: c (connection refused), b (no answer within 20s); Save & test of the data source says what to do; " +
				"1 of 6 hosts were not asked: f (circuit open); 1 of 6 hosts answered in part: e (row limit reached); " +
				"1 of 6 hosts have no data in this range: d",
		},
		{
			name:     "a server that knows no states",
			statuses: map[string]wire.Status{"a": {Code: wire.CodeTooManyRequests}},
			warning:  "1 of 1 host did not answer: a (too many requests); Save & test of the data source says what to do",
		},
		{
			name:     "a state without words",
			statuses: map[string]wire.Status{"a": {Code: wire.CodeError, State: wire.StateTimeout}, "b": ok},
			warning:  "1 of 2 hosts did not answer: a (timeout); Save & test of the data source says what to do",
		},
		{
			name: "damage and losses", statuses: map[string]wire.Status{"a": ok},
			summary: wire.Summary{
				Stats:      wire.Stats{BlocksCorrupted: 1234},
				Accounting: &wire.Accounting{Received: 990, Dropped: 10},
			},
			warning: "1,234 stored blocks are damaged and not part of this answer; capture lost 10 of 1,000 packets in this range",
		},
		{
			name: "cut off", statuses: map[string]wire.Status{"a": ok},
			summary: wire.Summary{Hits: wire.Hits{Displayed: 25, Total: 1234567}},
			info:    "the first 25 of 1,234,567 rows are shown",
		},
		{
			name: "cut off, bound", statuses: map[string]wire.Status{"a": ok},
			summary: wire.Summary{Hits: wire.Hits{Displayed: 25, Total: 999, Bound: true}},
			info:    "the first 25 of at most 999 rows are shown",
		},
		{
			name: "cut off, but shown as a remainder", statuses: map[string]wire.Status{"a": ok},
			summary: wire.Summary{Hits: wire.Hits{Displayed: 25, Total: 999}, Other: &wire.Other{Groups: 974}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := map[data.NoticeSeverity]string{}
			for _, n := range (About{Result: &wire.Result{HostsStatuses: test.statuses, Summary: test.summary}}).notices() {
				if _, twice := got[n.Severity]; twice {
					t.Errorf("two notices of severity %s: a panel shows the last one only", n.Severity)
				}
				if strings.ContainsAny(n.Text, "\n\r") {
					t.Errorf("notice of several lines: %q", n.Text)
				}
				got[n.Severity] = n.Text
			}
			want := map[data.NoticeSeverity]string{}
			if test.warning != "" {
				want[data.NoticeSeverityWarning] = test.warning
			}
			if test.info != "" {
				want[data.NoticeSeverityInfo] = test.info
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("notices (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSeriesTruncationCountsNoRows(t *testing.T) {
	notices := About{Step: step, Result: &wire.Result{Summary: wire.Summary{Hits: wire.Hits{Displayed: 10, Total: 99}}}}.notices()
	if len(notices) != 1 || strings.Contains(notices[0].Text, "rows") {
		t.Errorf("notices of a cut off series: %v", notices)
	}
}

func TestOneLineIsBounded(t *testing.T) {
	got := OneLine(strings.Repeat("ä ", 10_000))
	if n := len([]rune(got)); n > reasonLength+1 || !strings.HasSuffix(got, "…") {
		t.Errorf("%d characters, ends %q", n, got[len(got)-3:])
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q, want %q", n, got, want)
		}
	}
}
