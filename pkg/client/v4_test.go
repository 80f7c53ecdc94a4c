package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/wire"
)

// sensor is a goProbe v4 sensor as far as it matters: it refuses members it does not know, ignores num_results, and
// may be asked by one caller at a time only.
func sensor(t *testing.T, kind, rows string, seen *map[string]any) routes {
	known := map[string]bool{"query": true, "ifaces": true, "condition": true, "first": true, "last": true, "num_results": true,
		"sort_by": true, "in": true, "out": true, "sum": true, "live": true, "caller": true, "query_hosts": true, "dns_resolution": true,
		"max_mem_pct": true, "low_mem": true, "format": true}
	var busy atomic.Int32
	var mu sync.Mutex
	return routes{
		"GET /-/info": says(200, "application/json", fmt.Sprintf(`{"$schema":"x","name":%q,"version":"devel"}`, kind)),
		"GET /config": says(200, "application/json", `{"status_code":200,"ifaces":{"eth0":{},"wg0":{}}}`),
		"POST /_query/validate": func(w http.ResponseWriter, r *http.Request) {
			var body map[string]any
			if json.NewDecoder(r.Body).Decode(&body) != nil || body["format"] != "json" || body["query_hosts"] == nil {
				w.WriteHeader(422)
				return
			}
			w.WriteHeader(204)
		},
		"POST /_query": func(w http.ResponseWriter, r *http.Request) {
			if busy.Add(1) > 1 && kind == "goprobe" {
				t.Error("two queries at once")
			}
			defer busy.Add(-1)
			var body map[string]any
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			for name := range body {
				if !known[name] {
					says(422, wire.ProblemType, fmt.Sprintf(`{"status":422,"detail":"validation failed","errors":[{"message":"unexpected property","location":"body.%s"}]}`, name))(w, r)
					return
				}
			}
			mu.Lock()
			if seen != nil {
				*seen = body
			}
			mu.Unlock()
			io.WriteString(w, `{"$schema":"x","hostname":"vm","status":{"code":"ok"},"hosts_statuses":{"vm":{"code":"ok"}},"summary":{"interfaces":["eth0"],"time_first":"2026-09-21T14:00:00Z","time_last":"2026-09-21T14:10:00Z","totals":{"br":60},"timings":{"query_start":"2026-09-21T14:12:00Z","query_duration_ns":5},"hits":{"displayed":4,"total":4},"data_available":true},"query":{"attributes":["sip"]},"rows":`+rows+`}`)
		},
	}
}

const liveRows = `[
{"labels":{"iface":"eth0","host":"vm","host_id":"1"},"attributes":{"sip":"192.0.2.1"},"counters":{"br":10}},
{"labels":{"iface":"eth0","host":"vm","host_id":"1"},"attributes":{"sip":"192.0.2.2"},"counters":{"br":15}},
{"labels":{"iface":"eth0","host":"vm","host_id":"1"},"attributes":{"sip":"192.0.2.1"},"counters":{"br":30}},
{"labels":{"iface":"eth1","host":"vm","host_id":"1"},"attributes":{"sip":"192.0.2.1"},"counters":{"br":5}}]`

func TestSensorQuery(t *testing.T) {
	var seen map[string]any
	_, c := serving(t, sensor(t, "goprobe", liveRows, &seen))
	got, err := c.Query(t.Context(), &wire.Request{
		Query: "sip", Ifaces: "any", First: "-1h", NumResults: 1, Merge: true, Other: true, TimeResolution: "5m", KeepAlive: 1, Live: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 1 || got.Rows[0].Counters.BytesReceived != 45 || got.Rows[0].Labels != (wire.Labels{}) {
		t.Errorf("rows are not merged, ranked and cut: %+v", got.Rows)
	}
	if got.Summary.Other == nil || got.Summary.Other.Counters.BytesReceived != 15 || got.Summary.Hits.Total != 2 {
		t.Errorf("other %+v, hits %+v", got.Summary.Other, got.Summary.Hits)
	}
	if seen["first"] != "1789996400" || seen["num_results"] != float64(4294967295) || seen["live"] != true || seen["last"] != nil {
		t.Errorf("asked %v", seen)
	}
}

func TestSensorKeepsRowsApart(t *testing.T) {
	_, c := serving(t, sensor(t, "goprobe", liveRows, nil))
	got, err := c.Query(t.Context(), &wire.Request{Query: "sip", Ifaces: "any"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 3 || got.Rows[0].Counters.BytesReceived != 40 || got.Rows[0].Labels.Iface != "eth0" {
		t.Errorf("%+v", got.Rows)
	}
}

func TestSensorSeries(t *testing.T) {
	_, c := serving(t, sensor(t, "goprobe", `[
{"labels":{"timestamp":"2026-09-21T14:03:21Z","iface":"eth0"},"attributes":{"sip":"192.0.2.1"},"counters":{"br":10}},
{"labels":{"timestamp":"2026-09-21T16:08:21+02:00","iface":"eth0"},"attributes":{"sip":"192.0.2.1"},"counters":{"br":10}},
{"labels":{"timestamp":"2026-09-21T14:08:21Z","iface":"eth0"},"attributes":{"sip":"192.0.2.2"},"counters":{"br":15}},
{"labels":{"iface":"eth0"},"attributes":{"sip":"192.0.2.1"},"counters":{"br":3}}]`, nil))
	got, err := c.Query(t.Context(), &wire.Request{Query: "time,sip", Ifaces: "any", Merge: true, Series: true, NumResults: 1, Other: true, TimeResolution: "5m"})
	if err != nil {
		t.Fatal(err)
	}
	var points []string
	for _, r := range got.Rows {
		points = append(points, fmt.Sprintf("%s %d", r.Labels.Timestamp.Format("15:04"), r.Counters.BytesReceived))
	}
	// The row without a time stamp is of the interval that ran when the query did.
	if diff := cmp.Diff([]string{"14:05 10", "14:10 10", "14:15 3"}, points); diff != "" {
		t.Error(diff)
	}
	if len(got.Summary.Other.Bins) != 1 {
		t.Errorf("other %+v", got.Summary.Other)
	}
}

func TestSensorSeen(t *testing.T) {
	var seen map[string]any
	_, c := serving(t, sensor(t, "goprobe", `[
{"labels":{"timestamp":"2026-09-21T16:08:21+02:00","iface":"eth0"},"attributes":{"sip":"192.0.2.1"},"counters":{"br":10}},
{"labels":{"timestamp":"2026-09-21T14:03:21Z","iface":"eth0"},"attributes":{"sip":"192.0.2.1"},"counters":{"br":10}},
{"labels":{"iface":"eth0"},"attributes":{"sip":"192.0.2.2"},"counters":{"br":15}}]`, &seen))
	got, err := c.Query(t.Context(), &wire.Request{Query: "sip", Ifaces: "any", Merge: true, Seen: true})
	if err != nil {
		t.Fatal(err)
	}
	var spans []string
	for _, r := range got.Rows {
		spans = append(spans, fmt.Sprintf("%d %s %s %v", r.Counters.BytesReceived, r.FirstSeen.Format("15:04:05"), r.LastSeen.Format("15:04:05"), r.Labels.Timestamp.IsZero()))
	}
	// The row without a time stamp is of the interval that ran when the query did.
	if diff := cmp.Diff([]string{"20 14:03:21 14:08:21 true", "15 14:15:00 14:15:00 true"}, spans); diff != "" {
		t.Error(diff)
	}
	if seen["query"] != "sip,time" || seen["seen"] != nil {
		t.Errorf("asked %v", seen)
	}
}

func TestSensorIsAskedOneQueryAtATime(t *testing.T) {
	_, c := serving(t, sensor(t, "goprobe", liveRows, nil))
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if _, err := c.Query(t.Context(), question); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

func TestSensorDoesNotKnowVerdicts(t *testing.T) {
	_, c := serving(t, sensor(t, "goprobe", liveRows, nil))
	_, err := c.Query(t.Context(), &wire.Request{Query: "sip,verdict", Ifaces: "any"})
	if kindOf(err) != KindUser || !strings.Contains(err.Error(), "verdict") {
		t.Errorf("Query: %v", err)
	}
}

func TestSensorDoesNotExplain(t *testing.T) {
	_, c := serving(t, sensor(t, "goprobe", liveRows, nil))
	_, err := c.Query(t.Context(), &wire.Request{Query: "sip", Ifaces: "any", Explain: true})
	if kindOf(err) != KindUser || !strings.Contains(err.Error(), "goProbe v4 does not say what it reads") {
		t.Errorf("Query: %v", err)
	}
}

func TestSensorWithoutData(t *testing.T) {
	m := sensor(t, "goprobe", "", nil)
	m["POST /_query"] = says(500, wire.ProblemType, `{"title":"Internal Server Error","status":500,"detail":"unexpected error occurred","errors":[{"message":"no interfaces provided"}]}`)
	_, c := serving(t, m)
	got, err := c.Query(t.Context(), question)
	if err != nil || got.Status.Code != wire.CodeMissingData || len(got.Rows) != 0 {
		t.Errorf("Query: %+v, %v", got, err)
	}
}

func TestSensorTooManyRequests(t *testing.T) {
	m := sensor(t, "goprobe", "", nil)
	m["POST /_query"] = says(200, "application/json", `{"status":{"code":"too many requests","message":"too many concurrent requests"},"rows":null,"hosts_statuses":null}`)
	_, c := serving(t, m)
	if _, err := c.Query(t.Context(), question); kindOf(err) != KindServer {
		t.Errorf("Query: %v", err)
	}
}

func TestMissingDataIsReadInBothSpellings(t *testing.T) {
	for _, spelling := range []string{"missing data", "missing_data"} {
		for _, kind := range []string{"goprobe", "weir-probe"} {
			m := sensor(t, kind, "", nil)
			m["POST /_query"] = says(200, "application/json", fmt.Sprintf(`{"status":{"code":%q},"rows":null}`, spelling))
			_, c := serving(t, m)
			got, err := c.Query(t.Context(), question)
			if err != nil || got.Status.Code != wire.CodeMissingData || len(got.Rows) != 0 {
				t.Errorf("%s of %s: %+v, %v", spelling, kind, got, err)
			}
		}
	}
}

func TestGlobalQueryIsAskedForAllHosts(t *testing.T) {
	var seen map[string]any
	_, c := serving(t, sensor(t, "global_query", liveRows, &seen))
	if _, err := c.Query(t.Context(), question); err != nil || seen["query_hosts"] != "any" {
		t.Errorf("asked %v: %v", seen, err)
	}
	if _, err := c.Query(t.Context(), &wire.Request{Query: "sip", Ifaces: "any", QueryHosts: "a,b"}); err != nil || seen["query_hosts"] != "a,b" {
		t.Errorf("asked %v: %v", seen, err)
	}
}

func TestV4Validate(t *testing.T) {
	_, c := serving(t, sensor(t, "goprobe", "", nil))
	if err := c.Validate(t.Context(), question); err != nil {
		t.Error(err)
	}
	if err := c.Validate(t.Context(), &wire.Request{Query: "sipp", Ifaces: "any"}); kindOf(err) != KindUser {
		t.Errorf("Validate: %v", err)
	}
}

func TestV4Catalog(t *testing.T) {
	_, c := serving(t, sensor(t, "goprobe", liveRows, nil))
	got, err := c.Catalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []wire.CatalogInterface{{Name: "eth0", Capturing: true}, {Name: "wg0", Capturing: true}}
	if diff := cmp.Diff(want, got.Interfaces); diff != "" || got.Kind != "goprobe" || got.Host != "vm" || got.Interval != 5*time.Minute {
		t.Errorf("%+v: %s", got, diff)
	}
	for _, f := range got.Fields {
		if f.Name == "verdict" {
			t.Error("the catalog offers what the server does not know")
		}
	}
}

// The rows of every recorded answer come through, in number and in sum.
func TestRecordedAnswers(t *testing.T) {
	folder := testenv.Shared(t, "goprobe-v4-samples")
	files, err := filepath.Glob(filepath.Join(folder, "*query*.response.txt"))
	if err != nil {
		t.Fatal(err)
	}
	tested := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(strings.ReplaceAll(string(text), "\r", ""), "\n\n")
		if !strings.HasPrefix(head, "HTTP/1.1 200") || !strings.Contains(head, "application/json") {
			continue
		}
		kind := "goprobe"
		if strings.HasPrefix(filepath.Base(file), "gq-") {
			kind = "global_query"
		}
		_, c := serving(t, routes{
			"GET /-/info":  says(200, "application/json", fmt.Sprintf(`{"name":%q}`, kind)),
			"POST /_query": says(200, "application/json", body),
		})
		var answer wire.Result
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		got, err := c.Query(t.Context(), &wire.Request{Query: "raw", Ifaces: "any", NumResults: 1 << 30})
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		sum := func(r *wire.Result) (c wire.Counters) {
			s := c.Flow()
			for _, row := range r.Rows {
				s.Add(row.Counters.Flow())
			}
			return wire.CountersFrom(s)
		}
		if sum(got) != sum(&answer) || len(got.Rows) > len(answer.Rows) || len(got.Rows) == 0 && len(answer.Rows) > 0 {
			t.Errorf("%s: %d rows with %+v became %d with %+v", filepath.Base(file), len(answer.Rows), sum(&answer), len(got.Rows), sum(got))
		}
		tested++
	}
	if tested < 6 {
		t.Errorf("only %d answers were found", tested)
	}
}
