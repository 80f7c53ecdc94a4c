package plugin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// v4Rows are a sensor's answer at ten minutes past two: two intervals of a talker, one of another.
const v4Rows = `[
{"labels":{"timestamp":"2026-09-21T14:05:00Z","iface":"eth0","host":"vm","host_id":"1"},"attributes":{"sip":"192.0.2.1"},"counters":{"br":3000,"bs":600,"pr":30,"ps":6}},
{"labels":{"timestamp":"2026-09-21T14:10:00Z","iface":"eth1","host":"vm","host_id":"1"},"attributes":{"sip":"192.0.2.1"},"counters":{"br":6000,"bs":0,"pr":60}},
{"labels":{"timestamp":"2026-09-21T14:10:00Z","iface":"eth0","host":"vm","host_id":"1"},"attributes":{"sip":"192.0.2.2"},"counters":{"br":15,"pr":1}}]`

// v4 is a goProbe v4 sensor or global-query server as far as it matters here: it refuses members that it does not know.
func v4(t *testing.T, kind string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	reply := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, text)
		}
	}
	mux.HandleFunc("GET /-/info", reply(fmt.Sprintf(`{"name":%q,"version":"v4.1"}`, kind)))
	mux.HandleFunc("GET /config", reply(`{"status_code":200,"ifaces":{"eth0":{}}}`))
	mux.HandleFunc("POST /_query", func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"merge", "series", "other", "time_resolution", "compare", "seen", "dedupe", "threshold", "groups", "enrich", "actors"} {
			if _, ok := body[name]; ok {
				t.Errorf("the server is sent the member %q, which it refuses", name)
			}
		}
		rows := v4Rows
		if query, _ := body["query"].(string); !strings.Contains(query, "time") {
			rows = strings.NewReplacer(`"timestamp":"2026-09-21T14:05:00Z",`, "", `"timestamp":"2026-09-21T14:10:00Z",`, "").Replace(rows)
		}
		hostname := `"hostname":"vm",`
		if kind == "global_query" {
			hostname = ""
		}
		reply(`{`+hostname+`"status":{"code":"ok"},"hosts_statuses":{"vm":{"code":"ok"}},"summary":{"interfaces":["eth0","eth1"],
			"time_first":"2026-09-21T14:00:00Z","time_last":"2026-09-21T14:10:00Z","totals":{"br":9015,"bs":600,"pr":91,"ps":6},
			"timings":{"query_start":"2026-09-21T14:12:00Z","query_duration_ns":5},"hits":{"displayed":3,"total":3},"data_available":true},
			"query":{"attributes":["sip"]},"rows":`+rows+`}`)(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// TestDeployedGoProbe: tables and series work, and what such a server can't tell is said.
func TestDeployedGoProbe(t *testing.T) {
	span := backend.TimeRange{From: time.Date(2026, 9, 21, 14, 0, 0, 0, time.UTC), To: time.Date(2026, 9, 21, 14, 10, 0, 0, time.UTC)}
	for _, kind := range []string{"goprobe", "global_query"} {
		d := instance(t, map[string]any{"servers": []map[string]string{{"name": "old", "url": v4(t, kind).URL}}, "timeoutSeconds": 5})
		run := func(query string) backend.DataResponse {
			return d.query(t.Context(), backend.DataQuery{JSON: []byte(query), TimeRange: span, MaxDataPoints: 100}, false)
		}
		series := run(`{"version":2,"queryType":"timeseries","attributes":["sip"],"direction":"in","limit":1,"other":true}`)
		if series.Error != nil {
			t.Fatalf("%s: %v", kind, series.Error)
		}
		frame := series.Frames[0]
		if len(frame.Fields) != 3 || frame.Fields[1].At(0) != 80.0 || frame.Fields[1].At(1) != 160.0 || frame.Fields[2].Config.DisplayNameFromDS != "Other" {
			t.Errorf("%s: series %v", kind, frame.Fields)
		}
		table := run(`{"version":2,"attributes":["sip"]}`)
		if table.Error != nil {
			t.Fatalf("%s: %v", kind, table.Error)
		}
		if got := cells(t, table.Frames[0], "sip", "bytes", "packets"); len(got) != 2 || got[0] != "192.0.2.1 9600 96" {
			t.Errorf("%s: table %v", kind, got)
		}
		if notices := fmt.Sprint(table.Frames[0].Meta.Notices); !strings.Contains(notices, "goProbe servers tell no connection attempts") || !strings.Contains(notices, "old") {
			t.Errorf("%s: notices %s", kind, notices)
		}
		if verdict := run(`{"version":2,"attributes":["verdict"]}`); verdict.Error == nil || !strings.Contains(verdict.Error.Error(), "goProbe v4 does not know the attribute verdict") {
			t.Errorf("%s: verdicts: %v", kind, verdict.Error)
		}
	}
}
