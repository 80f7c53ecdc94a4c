//go:build linux

package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/demo/host"
)

// The dashboard of the benchmark: its panels refresh at once, and the second half of them asks what the first half asks.
const (
	boardHosts  = 100
	boardPanels = 20
	boardAtOnce = 2 // requests to one host
)

// gauge is how many there are, and the most that there have been at once.
type gauge struct{ now, most atomic.Int32 }

func (g *gauge) enter() {
	n := g.now.Add(1)
	for m := g.most.Load(); n > m && !g.most.CompareAndSwap(m, n); m = g.most.Load() {
	}
}

func (g *gauge) leave() { g.now.Add(-1) }

// watchedHost is a server that counts the queries, those at once, and its connections.
type watchedHost struct {
	next                  http.Handler
	requests, connections gauge
	queries               atomic.Int32
}

// ServeHTTP answers a query when it is no longer counted: who has the answer may ask again at once.
func (h *watchedHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		h.next.ServeHTTP(w, r)
		return
	}
	h.queries.Add(1)
	answer := httptest.NewRecorder()
	h.requests.enter()
	h.next.ServeHTTP(answer, r)
	h.requests.leave()
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = answer.Body.WriteTo(w) // the client says if it fails
}

// listen serves the host on loopback.
func (h *watchedHost) listen(b *testing.B) string {
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			h.connections.enter()
		case http.StateClosed, http.StateHijacked:
			h.connections.leave()
		case http.StateActive, http.StateIdle:
		}
	}
	s.Start()
	b.Cleanup(s.Close)
	return s.URL
}

// BenchmarkDashboard is a dashboard of 20 panels over the last 24 hours, tables and graphs, that refreshes: each panel is
// a request of its own to the plugin's process, as Grafana sends them, over 100 hosts with stores of their own. refresh-s
// is the time until the last panel is answered. Of the host that has the most: at-once is how much it was asked at once,
// bounded by what is configured, connections how many it had at once, queries how often it is asked in a refresh, and
// different-queries how often by the first half of the panels alone: no less, because equal panels are one question.
func BenchmarkDashboard(b *testing.B) {
	hosts := make([]*watchedHost, boardHosts)
	servers := make([]map[string]string, boardHosts)
	for i := range hosts {
		name := fmt.Sprintf("host-%04d", i)
		hosts[i] = &watchedHost{next: simulate(b, name, uint64(i), benchDay)}
		servers[i] = map[string]string{"name": name, "url": hosts[i].listen(b)}
	}
	settings, err := json.Marshal(map[string]any{"servers": servers, "timeoutSeconds": 20, "concurrency": boardAtOnce, "cacheMegabytes": 0})
	if err != nil {
		b.Fatal(err)
	}
	plugin := newPlugin(b, host.DataSource{UID: "weir", Name: "Weir", JSONData: settings})
	refresh := func(panels int) (took time.Duration, queries int32) {
		before := make([]int32, len(hosts))
		for i, h := range hosts {
			before[i] = h.queries.Load()
		}
		started := time.Now()
		var wait sync.WaitGroup
		for panel := range panels {
			wait.Go(func() { askPanel(b, plugin, panel%(boardPanels/2), started) })
		}
		wait.Wait()
		took = time.Since(started)
		for i, h := range hosts {
			queries = max(queries, h.queries.Load()-before[i])
		}
		return took, queries
	}
	refresh(boardPanels) // starts the process, learns what the hosts offer
	_, different := refresh(boardPanels / 2)
	var all, worst time.Duration
	var queries int32
	n := 0
	for b.Loop() {
		took, asked := refresh(boardPanels)
		all, worst, queries, n = all+took, max(worst, took), max(queries, asked), n+1
	}
	var most, connections int32
	for _, h := range hosts {
		most, connections = max(most, h.requests.most.Load()), max(connections, h.connections.most.Load())
	}
	if most > boardAtOnce || queries > different {
		b.Errorf("a host was asked %d things at once, %d times in a refresh; want at most %d, and %d times", most, queries, boardAtOnce, different)
	}
	b.ReportMetric((all / time.Duration(n)).Seconds(), "refresh-s")
	b.ReportMetric(worst.Seconds(), "worst-s")
	b.ReportMetric(float64(most), "at-once")
	b.ReportMetric(float64(connections), "connections")
	b.ReportMetric(float64(queries), "queries")
	b.ReportMetric(float64(different), "different-queries")
	b.ReportMetric(pluginPeak(b), "peak-MiB")
	b.ReportMetric(0, "ns/op")
}

// askPanel asks one of the questions of the dashboard and checks that every host answered it.
func askPanel(b *testing.B, plugin *host.Host, question int, to time.Time) {
	query := map[string]any{"version": 2, "refId": "A", "queryType": "table", "interfaces": "any", "limit": 25,
		"attributes": []string{"sip", "dip"}, "condition": fmt.Sprintf("dport != %d", 60_000+question)}
	if question%2 == 1 {
		query["queryType"], query["attributes"] = "timeseries", []string{"dport"}
	}
	text, err := json.Marshal(query)
	if err != nil {
		b.Error(err)
		return
	}
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	response, err := plugin.Client().QueryData(ctx, &backend.QueryDataRequest{Queries: []backend.DataQuery{{
		RefID: "A", JSON: text, MaxDataPoints: 500, TimeRange: backend.TimeRange{From: to.Add(-24 * time.Hour), To: to}}}})
	if err != nil {
		b.Error(err)
		return
	}
	answer := response.Responses["A"]
	if answer.Error != nil || len(answer.Frames) == 0 || answer.Frames[0].Rows() < 10 {
		b.Errorf("question %d: %d frames, error %v", question, len(answer.Frames), answer.Error)
		return
	}
	for _, n := range answer.Frames[0].Meta.Notices {
		if n.Severity != data.NoticeSeverityInfo {
			b.Errorf("question %d: %s", question, n.Text)
		}
	}
}

// pluginPeak is the most memory that the plugin's process, a child of this one, has held, in MiB.
func pluginPeak(b *testing.B) float64 {
	paths, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), fmt.Sprintf("\nPPid:\t%d\n", os.Getpid())) || !strings.HasPrefix(string(text), "Name:\tgpx_weir") {
			continue // of another program, or one that has ended
		}
		return peakOf(b, text)
	}
	b.Fatal("the plugin's process is not there")
	return 0
}
