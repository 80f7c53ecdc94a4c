package plugin

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// lastHour is the range of the tests' panels.
var lastHour = backend.TimeRange{From: noon.Add(-time.Hour), To: noon}

// ask runs queries by their reference ids.
func ask(t *testing.T, d *DataSource, headers map[string]string, queries map[string]string) backend.Responses {
	t.Helper()
	request := &backend.QueryDataRequest{Headers: headers}
	for refID, text := range queries {
		request.Queries = append(request.Queries, backend.DataQuery{
			RefID: refID, JSON: json.RawMessage(text), TimeRange: lastHour, MaxDataPoints: 1000,
		})
	}
	response, err := d.QueryData(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	return response.Responses
}

// askOne runs one query as a panel does.
func askOne(t *testing.T, d *DataSource, query string) backend.DataResponse {
	t.Helper()
	return ask(t, d, nil, map[string]string{"A": query})["A"]
}

var alertHeaders = map[string]string{backend.FromAlertHeaderName: "true"}

func TestTableQuery(t *testing.T) {
	a, b := newFake("amsterdam"), newFake("berlin")
	response := askOne(t, sourceOf([]string{"amsterdam", "berlin"}, a, b), `{"queryType":"table","attributes":["sip","dport"]}`)
	if response.Error != nil {
		t.Fatal(response.Error)
	}
	frame := response.Frames[0]
	if frame.Meta.Type != data.FrameTypeNumericLong || frame.Meta.TypeVersion != (data.FrameTypeVersion{0, 1}) {
		t.Errorf("type %s %v", frame.Meta.Type, frame.Meta.TypeVersion)
	}
	received, _ := frame.FieldByName("bytes_received")
	if received == nil || received.Len() != 1 || received.At(0) != uint64(6000) {
		t.Errorf("bytes_received is not the sum over both servers: %v", received)
	}
	if !strings.HasPrefix(frame.Meta.ExecutedQueryString, "weir query ") {
		t.Errorf("executed query %q is not a command line", frame.Meta.ExecutedQueryString)
	}
	for _, f := range []*fake{a, b} {
		if n := len(f.requests()); n == 0 {
			t.Error("a server was not asked")
		}
		for _, r := range f.requests() {
			if !r.Live || !r.Merge {
				t.Errorf("request %+v: a range that ends now is live, rows are merged", r)
			}
		}
	}
}

func TestServersAreChosenByName(t *testing.T) {
	a, b := newFake("amsterdam"), newFake("berlin")
	d := sourceOf([]string{"amsterdam", "berlin"}, a, b)
	if response := askOne(t, d, `{"servers":["berlin"]}`); response.Error != nil {
		t.Fatal(response.Error)
	}
	if len(a.requests()) != 0 || len(b.requests()) == 0 {
		t.Errorf("asked %d and %d times, want berlin only", len(a.requests()), len(b.requests()))
	}
	for query, want := range map[string]string{
		`{"servers":["berlim"]}`: `did you mean "berlin"?`,
		`{"servers":["cairo"]}`:  `server "cairo" is not in the data source's settings`,
	} {
		response := askOne(t, d, query)
		if response.Error == nil || !strings.Contains(response.Error.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", query, response.Error, want)
		}
	}
}

func TestSeriesQuery(t *testing.T) {
	f := newFake("amsterdam")
	d := sourceOf([]string{"amsterdam"}, f)
	response := askOne(t, d, `{"queryType":"timeseries","attributes":["sip"],"direction":"in"}`)
	if response.Error != nil {
		t.Fatal(response.Error)
	}
	if len(response.Frames) != 1 || response.Frames[0].Meta.Type != data.FrameTypeTimeSeriesWide {
		t.Fatalf("frames %v, want one of type timeseries-wide", response.Frames)
	}
	values := response.Frames[0].Fields[1]
	if diff := cmp.Diff([]any{80.0, 0.0}, []any{values.At(0), values.At(1)}); diff != "" {
		t.Errorf("bits per second (-want +got):\n%s", diff)
	}
	for _, r := range f.requests() {
		if r.TimeResolution != "5m0s" || !r.Series || !strings.HasPrefix(r.Query, "time,") {
			t.Errorf("request %+v", r)
		}
	}
}

func TestBinsFollowTheLongestInterval(t *testing.T) {
	a, b := newFake("amsterdam"), newFake("berlin")
	b.catalog.Interval = 15 * time.Minute
	d := sourceOf([]string{"amsterdam", "berlin"}, a, b)
	askOne(t, d, `{"queryType":"timeseries","attributes":["sip"]}`)
	bins := func() string {
		for _, r := range slices.Backward(a.requests()) {
			if r.TimeResolution != "" {
				return r.TimeResolution
			}
		}
		return ""
	}
	if got := bins(); got != "15m0s" {
		t.Errorf("bins of %s, want 15 minutes", got)
	}
	askOne(t, d, `{"queryType":"timeseries","attributes":["sip"],"servers":["amsterdam"]}`)
	if got := bins(); got != "5m0s" {
		t.Errorf("bins of %s for a server with an interval of 5 minutes", got)
	}
}

func TestAlertQueries(t *testing.T) {
	f := newFake("amsterdam")
	d := sourceOf([]string{"amsterdam"}, f)
	responses := ask(t, d, alertHeaders, map[string]string{
		"table":  `{"attributes":["sip","dport"],"value":"packets","direction":"out"}`,
		"series": `{"queryType":"timeseries","attributes":["sip"]}`,
		"time":   `{"attributes":["time","sip"]}`,
	})
	if r := responses["table"]; r.Error != nil || len(r.Frames[0].Fields) != 3 || r.Frames[0].Fields[2].Name != "packets_sent" {
		t.Errorf("table for an alert rule: %v %v", r.Error, r.Frames)
	}
	if r := responses["series"]; r.Error != nil || len(r.Frames[0].Fields) != 3 {
		t.Errorf("series for an alert rule: %v, %v", r.Error, r.Frames)
	}
	if r := responses["time"]; r.Error == nil || !strings.Contains(r.Error.Error(), "alert rule") {
		t.Errorf("table with time for an alert rule: error %v", r.Error)
	}
	for _, r := range f.requests() {
		if r.Live {
			t.Errorf("request %+v: alert rules look at closed intervals", r)
		}
	}
}

// TestOneServerDown: the rest is shown, and one notice names who is missing and why.
func TestOneServerDown(t *testing.T) {
	down := newFake("berlin")
	down.err = closed("berlin:8145")
	response := askOne(t, sourceOf([]string{"amsterdam", "berlin"}, newFake("amsterdam"), down), `{"attributes":["sip"]}`)
	if response.Error != nil {
		t.Fatal(response.Error)
	}
	frame := response.Frames[0]
	if frame.Rows() != 1 {
		t.Errorf("%d rows, want that of the server that is up", frame.Rows())
	}
	if len(frame.Meta.Notices) != 1 {
		t.Fatalf("notices %v, want one", frame.Meta.Notices)
	}
	n := frame.Meta.Notices[0]
	if n.Severity != data.NoticeSeverityWarning || !strings.Contains(n.Text, "1 of 2 hosts did not answer: berlin (") || !strings.Contains(n.Text, "refused") {
		t.Errorf("notice %v", n)
	}
	if _, ok := frame.Meta.Custom.(frames.Details).Hosts["berlin"]; !ok {
		t.Errorf("details %v do not have berlin", frame.Meta.Custom)
	}
}

func TestAllServersDown(t *testing.T) {
	a, b := newFake("amsterdam"), newFake("berlin")
	a.err, b.err = closed("amsterdam:8145"), errors.New("token refused")
	response := askOne(t, sourceOf([]string{"amsterdam", "berlin"}, a, b), `{}`)
	if response.Error == nil || len(response.Frames) != 0 {
		t.Fatalf("error %v, frames %v", response.Error, response.Frames)
	}
	for _, want := range []string{"no server answered", "amsterdam (", "refused", "berlin (", "token refused"} {
		if !strings.Contains(response.Error.Error(), want) {
			t.Errorf("error %q does not say %q", response.Error, want)
		}
	}
	if response.Status != http.StatusBadGateway || response.ErrorSource != backend.ErrorSourceDownstream {
		t.Errorf("status %d, source %s", response.Status, response.ErrorSource)
	}
}

func TestNoRows(t *testing.T) {
	f := newFake("amsterdam")
	f.answer = func(*wire.Request) (*wire.Result, error) {
		return &wire.Result{
			Status:        wire.Status{Code: wire.CodeEmpty, State: wire.StateEmpty},
			HostsStatuses: map[string]wire.Status{"amsterdam": {Code: wire.CodeEmpty, State: wire.StateEmpty}},
		}, nil
	}
	d := sourceOf([]string{"amsterdam"}, f)
	for query, want := range map[string]data.FrameType{
		`{"queryType":"table"}`: data.FrameTypeNumericLong, `{"queryType":"timeseries"}`: data.FrameTypeTimeSeriesWide,
	} {
		response := askOne(t, d, query)
		if response.Error != nil || len(response.Frames) != 1 || len(response.Frames[0].Fields) != 0 || response.Frames[0].Meta.Type != want {
			t.Errorf("%s: %v %v, want one typed frame without fields", query, response.Error, response.Frames)
		}
	}
}

// TestConditionOnSums: a condition on a group's sums looks at the fleet's, which no single server reaches.
func TestConditionOnSums(t *testing.T) {
	d := sourceOf([]string{"amsterdam", "berlin"}, newFake("amsterdam"), newFake("berlin"))
	for condition, rows := range map[string]int{"bytes > 5000": 1, "bytes > 5000 & dport = 443": 1, "bytes > 8000": 0} {
		response := askOne(t, d, `{"attributes":["sip","dip","dport","proto"],"condition":"`+condition+`"}`)
		if response.Error != nil || response.Frames[0].Rows() != rows {
			t.Errorf("%s: %v %v, want %d rows", condition, response.Error, response.Frames, rows)
		}
	}
}

// TestUsersFaults: what a user can mend is a 400 from downstream, on one line, without a word of Go.
func TestUsersFaults(t *testing.T) {
	f := newFake("amsterdam")
	d := sourceOf([]string{"amsterdam"}, f)
	for query, want := range map[string]string{
		`{"condition":"dport = 443 & dprt = 1"}`: "column 15",
		`{"condition":"(sip = 10.0.0.1"}`:        "column",
		`{"condition":"sip = $host"}`:            "$host",
		`{"interfaces":"/[/"}`:                   "/[/",
		`{"attributes":["nope"]}`:                "nope",
	} {
		response := askOne(t, d, query)
		if response.Error == nil {
			t.Errorf("%s is accepted", query)
			continue
		}
		text := response.Error.Error()
		if !strings.Contains(text, want) || strings.ContainsAny(text, "\n") || strings.Contains(text, "body.") {
			t.Errorf("%s: error %q, want one line with %q", query, text, want)
		}
		if response.Status != http.StatusBadRequest || response.ErrorSource != backend.ErrorSourceDownstream {
			t.Errorf("%s: status %d, source %s", query, response.Status, response.ErrorSource)
		}
	}
	if n := len(f.requests()); n != 0 {
		t.Errorf("the server was bothered %d times", n)
	}
}

// TestQueriesOfARequestAreIndependent: one fails, one is wrong, one is fine.
func TestQueriesOfARequestAreIndependent(t *testing.T) {
	f := newFake("amsterdam")
	good := f.answer
	f.answer = func(r *wire.Request) (*wire.Result, error) {
		if r.Query == "dport" {
			return nil, errors.New("broken in a way of its own")
		}
		return good(r)
	}
	d := sourceOf([]string{"amsterdam"}, f)
	responses := ask(t, d, nil, map[string]string{
		"A": `{"attributes":["sip"]}`, "B": `{"attributes":["dport"]}`, "C": `{"limit":-5}`,
	})
	if r := responses["A"]; r.Error != nil || len(r.Frames) != 1 {
		t.Errorf("A: %v %v", r.Error, r.Frames)
	}
	if r := responses["B"]; r.Error == nil || !strings.Contains(r.Error.Error(), "broken in a way of its own") {
		t.Errorf("B: %v", r.Error)
	}
	if r := responses["C"]; r.Error == nil || !strings.Contains(r.Error.Error(), "limit -5") {
		t.Errorf("C: %v", r.Error)
	}
}

// TestPanicStaysInsideItsQuery: the user gets a sentence, not a stack trace.
func TestPanicStaysInsideItsQuery(t *testing.T) {
	d := sourceOf([]string{"amsterdam"}, newFake("amsterdam"))
	d.now = func() time.Time { panic("the clock is broken") }
	response := askOne(t, d, `{"attributes":["sip"]}`)
	if response.Error == nil || strings.Contains(response.Error.Error(), "clock") || response.ErrorSource != backend.ErrorSourcePlugin {
		t.Errorf("error %v from %s", response.Error, response.ErrorSource)
	}
}

func TestQueryWithBadSettings(t *testing.T) {
	instance, err := New(t.Context(), backend.DataSourceInstanceSettings{JSONData: []byte(`{"servers":[{"name":"a","url":"unix:/run/x"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	d := instance.(*DataSource)
	defer d.Dispose()
	response := askOne(t, d, `{}`)
	if response.Error == nil || !strings.Contains(response.Error.Error(), "sockets and files of this machine are not read") {
		t.Errorf("error %v, want the settings' problem", response.Error)
	}
	empty, err := New(t.Context(), backend.DataSourceInstanceSettings{})
	if err != nil {
		t.Fatal(err)
	}
	if response := askOne(t, empty.(*DataSource), `{}`); response.Error == nil || !strings.Contains(response.Error.Error(), "no server is configured") {
		t.Errorf("error %v, want that nothing is configured", response.Error)
	}
}

func TestErrorsOfTheFleet(t *testing.T) {
	for _, test := range []struct {
		err    error
		status backend.Status
	}{
		{wire.NewProblem(422, "the request is wrong", wire.Fault{Message: "at fault", Location: "body.query"}), 422},
		{wire.NewProblem(500, "the server is wrong"), 502},
		{errors.New("whatever"), 502},
	} {
		if got := refused(test.err); got.Status != test.status || got.ErrorSource != backend.ErrorSourceDownstream {
			t.Errorf("%v: status %d from %s, want %d", test.err, got.Status, got.ErrorSource, test.status)
		}
	}
}
