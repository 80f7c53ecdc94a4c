package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/wire"
)

// mixingSensor does what a goProbe v4 sensor does wrong: who asks while another is answered gets the other's rows;
// num_results and time_resolution are ignored, rows of the current interval come ungrouped and without a time stamp, the
// host has one name in the answer and another in the inventory, and a query beyond the rate gets a 429 and nothing else.
type mixingSensor struct {
	t        *testing.T
	mu       sync.Mutex
	last     string // what was asked last, by anybody
	busy     atomic.Int64
	together atomic.Int64
	refusing atomic.Int64 // so many more queries are over the rate
}

func (s *mixingSensor) query(w http.ResponseWriter, r *http.Request) {
	if s.refusing.Add(-1) >= 0 {
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if s.busy.Add(1) > 1 {
		s.together.Add(1)
	}
	defer s.busy.Add(-1)
	var asked struct {
		Condition  string
		NumResults int64 `json:"num_results"`
		Resolution any   `json:"time_resolution"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.NumResults < 1000 || asked.Resolution != nil {
		s.t.Errorf("asked %+v, %v", asked, err)
	}
	s.mu.Lock()
	s.last = asked.Condition
	s.mu.Unlock()
	<-time.After(time.Millisecond)
	s.mu.Lock()
	port := strings.TrimPrefix(s.last, "dport = ")
	s.mu.Unlock()
	row := func(rest string) string {
		return `{"labels":{` + rest + `"iface":"eth0","host":"vm","host_id":"1"},"attributes":{"sip":"192.0.2.1","dport":` + port + `},"counters":{"br":10}}`
	}
	fmt.Fprintf(w, `{"$schema":"x","hostname":"vm","status":{"code":"ok"},"hosts_statuses":{"vm":{"code":"ok"}},"summary":{"interfaces":["eth0"],`+
		`"time_first":"2026-09-21T14:00:00Z","time_last":"2026-09-21T14:10:00Z","totals":{"br":30},"timings":{"query_start":"2026-09-21T14:12:00Z","query_duration_ns":5},`+
		`"hits":{"displayed":3,"total":3},"data_available":true},"query":{"attributes":["sip","dport"]},"rows":[%s,%s,%s]}`,
		row(`"timestamp":"2026-09-21T14:05:00Z",`), row(`"timestamp":"2026-09-21T14:10:00Z",`), row(""))
}

func (s *mixingSensor) serve(t *testing.T) *Client {
	s.t = t
	_, c := serving(t, routes{
		"GET /-/info":  says(200, "application/json", `{"name":"goprobe","version":"v4.2.13-ba1abd12"}`),
		"POST /_query": s.query,
	})
	return c
}

// Many callers of one client get their own answers, although the sensor would mix them up.
func TestAnswersOfASensorAreNotMixedUp(t *testing.T) {
	s := &mixingSensor{}
	c := s.serve(t)
	var callers sync.WaitGroup
	for port := 1; port <= 32; port++ {
		callers.Go(func() {
			got, err := c.Query(t.Context(), &wire.Request{Query: "sip,dport", Ifaces: "any", Condition: fmt.Sprint("dport = ", port), NumResults: 1})
			if err != nil {
				t.Error(err)
				return
			}
			if len(got.Rows) != 1 || int(got.Rows[0].Attributes.DestinationPort) != port || got.Rows[0].Counters.BytesReceived != 30 {
				t.Errorf("port %d: %+v", port, got.Rows)
			}
		})
	}
	callers.Wait()
	if n := s.together.Load(); n > 0 {
		t.Errorf("%d queries met another", n)
	}
}

func TestQuirksOfASensor(t *testing.T) {
	s := &mixingSensor{}
	c := s.serve(t)
	got, err := c.Query(t.Context(), &wire.Request{Query: "time,dport", Ifaces: "any", Condition: "dport = 53", TimeResolution: "1h", Merge: true, Series: true, NumResults: 1, Live: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 1 || got.Rows[0].Counters.BytesReceived != 30 || got.Rows[0].Labels.Timestamp.Format("15:04") != "15:00" || got.Rows[0].Labels.Host != "" {
		t.Errorf("bins: %+v", got.Rows)
	}
	if got.HostsStatuses["vm"].Code != wire.CodeOK {
		t.Errorf("the host's own name is lost: %v", got.HostsStatuses)
	}
}

// A 429 without a word is waited for, up to a number of times.
func TestTooManyRequestsIsAskedAgain(t *testing.T) {
	s := &mixingSensor{}
	c := s.serve(t)
	s.refusing.Store(1)
	if _, err := c.Query(t.Context(), &wire.Request{Query: "sip,dport", Ifaces: "any", Condition: "dport = 53"}); err != nil {
		t.Errorf("one 429: %v", err)
	}
	for header, attempts := range map[string]int64{"0": 1 + patience, "3600": 1, "99999999": 1 + patience} {
		var asked atomic.Int64
		_, c := serving(t, routes{"POST /_query": func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.Header().Set("Retry-After", strings.Replace(header, "99999999", "0", 1))
			w.WriteHeader(http.StatusTooManyRequests)
		}})
		_, err := c.Query(t.Context(), question)
		if kindOf(err) != KindServer || asked.Load() != attempts {
			t.Errorf("Retry-After %s: asked %d times, %v", header, asked.Load(), err)
		}
	}
}

// plainRow is a row of an answer as any JSON reader sees it: members that are absent are zero.
func plainRow(row map[string]any) string {
	get := func(outer, inner string) any {
		m, _ := row[outer].(map[string]any)
		if v, ok := m[inner]; ok {
			if text, isText := v.(string); isText && inner == "timestamp" {
				if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
					return at.UTC().Format(time.RFC3339)
				}
			}
			if n, isNumber := v.(json.Number); isNumber {
				return n.String()
			}
			return v
		}
		return ""
	}
	var parts []string
	for _, name := range []string{"timestamp", "iface", "host", "host_id"} {
		parts = append(parts, fmt.Sprint(get("labels", name)))
	}
	for _, name := range []string{"sip", "dip", "dport", "proto"} {
		parts = append(parts, fmt.Sprint(get("attributes", name)))
	}
	for _, name := range []string{"br", "bs", "pr", "ps"} {
		parts = append(parts, fmt.Sprint(get("counters", name)))
	}
	return strings.Join(parts, " ")
}

// readRows are the rows of a JSON answer, sorted, and what was asked for.
func readRows(t *testing.T, text string) (rows []string) {
	t.Helper()
	var answer struct{ Rows []map[string]any }
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&answer); err != nil {
		t.Fatal(err)
	}
	for _, row := range answer.Rows {
		rows = append(rows, plainRow(row))
	}
	slices.Sort(rows)
	return rows
}

// Every answer of a goProbe server that was recorded comes out with the rows that any reader of JSON finds in it.
func TestRecordedRows(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testenv.Shared(t, "goprobe-v4-samples"), "*query*.response.txt"))
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
		if _, final, ok := strings.Cut(body, "event: finalResult\ndata: "); ok {
			body = final
		}
		if !strings.HasPrefix(head, "HTTP/1.1 200") || !strings.HasPrefix(body, "{") {
			continue
		}
		tested++
		_, c := serving(t, routes{
			"GET /-/info":  says(200, "application/json", `{"name":"global_query"}`),
			"POST /_query": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) },
		})
		want := readRows(t, body)
		asked := "sip,dip,dport,proto"
		if strings.Contains(body, `"timestamp"`) {
			asked = "raw"
		}
		got, err := c.Query(t.Context(), &wire.Request{Query: asked, Ifaces: "any", First: "0", NumResults: 1 << 30})
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		var b strings.Builder
		if err := got.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		have := readRows(t, b.String())
		if strings.Contains(filepath.Base(file), "live") { // rows of the current interval are summed by group
			if len(have) == 0 || len(have) > len(want) {
				t.Errorf("%s: %d rows of %d", filepath.Base(file), len(have), len(want))
			}
			continue
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s (-recorded +client): %s", filepath.Base(file), diff)
		}
	}
	if tested < 8 {
		t.Errorf("only %d answers were found", tested)
	}
}
