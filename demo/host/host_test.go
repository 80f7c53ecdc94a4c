package host

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// body is a request of a panel with these queries.
func body(queries ...string) string {
	return `{"from":"now-1h","to":"now","queries":[` + strings.Join(queries, ",") + `]}`
}

const table = `{"refId":"A","datasource":{"uid":"weir"},"queryType":"table","attributes":["sip","dport","proto"],"maxDataPoints":500,"intervalMs":1000}`

// results decodes the answer of a query.
func results(t *testing.T, text string) backend.Responses {
	t.Helper()
	var response backend.QueryDataResponse
	if err := json.Unmarshal([]byte(text), &response); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return response.Responses
}

func TestQueryThroughTheProcess(t *testing.T) {
	h := start(t, sourceFor(map[string]string{"amsterdam": probe{host: "amsterdam"}.url(t)}), nil)
	status, text := do(t, h, http.MethodPost, "/api/ds/query",
		body(table, `{"refId":"B","queryType":"timeseries","attributes":["sip"],"direction":"in"}`))
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, text)
	}
	got := results(t, text)
	frame := got["A"].Frames[0]
	if frame.Meta.Type != data.FrameTypeNumericLong || frame.Rows() != 1 {
		t.Errorf("table: %s", text)
	}
	want := map[string]any{"sip": "10.0.0.1", "dport": "443", "proto": "tcp", "bytes_received": uint64(3000), "bytes": uint64(3600)}
	for name, value := range want {
		field, _ := frame.FieldByName(name)
		if field == nil || field.At(0) != value {
			t.Errorf("%s is not %v: %v", name, value, field)
		}
	}
	if b := got["B"]; b.Error != nil || len(b.Frames) != 1 || b.Frames[0].Meta.Type != data.FrameTypeTimeSeriesWide {
		t.Errorf("series: %+v", b)
	}
}

// TestQueryErrors: the status is the failing query's, the good one's frames are there all the same.
func TestQueryErrors(t *testing.T) {
	h := start(t, sourceFor(map[string]string{"amsterdam": probe{host: "amsterdam"}.url(t), "berlin": "http://127.0.0.1:1"}), nil)
	status, text := do(t, h, http.MethodPost, "/api/ds/query", body(table,
		`{"refId":"B","queryType":"table","attributes":["sip"],"condition":"dport = 443 & dprt = 1"}`,
		`{"refId":"C","queryType":"table","attributes":["sip"],"servers":["berlin"]}`))
	if status != http.StatusBadRequest {
		t.Errorf("status %d, want 400", status)
	}
	got := results(t, text)
	if a := got["A"]; a.Error != nil || len(a.Frames) != 1 || len(a.Frames[0].Meta.Notices) != 1 ||
		!strings.Contains(a.Frames[0].Meta.Notices[0].Text, "berlin (") {
		t.Errorf("A: %+v", a)
	}
	if b := got["B"]; b.Error == nil || !strings.Contains(b.Error.Error(), "column 15") || b.Status != http.StatusBadRequest {
		t.Errorf("B: %+v", b)
	}
	if c := got["C"]; c.Error == nil || !strings.Contains(c.Error.Error(), "berlin") || c.Status != http.StatusBadGateway {
		t.Errorf("C: %+v", c)
	}
	for name, wrong := range map[string]string{
		"no queries": body(), "not JSON": "{", "another source": body(`{"refId":"A","datasource":{"uid":"other"}}`),
		"from": `{"from":"yesterday","to":"now","queries":[{}]}`,
	} {
		if status, text := do(t, h, http.MethodPost, "/api/ds/query", wrong); status != http.StatusBadRequest || !strings.Contains(text, `"message"`) {
			t.Errorf("%s: status %d: %s", name, status, text)
		}
	}
}

// TestAlertQuery: the header makes the table one an alert rule can read.
func TestAlertQuery(t *testing.T) {
	h := start(t, sourceFor(map[string]string{"amsterdam": probe{host: "amsterdam"}.url(t)}), nil)
	_, text := do(t, h, http.MethodPost, "/api/ds/query", body(table), backend.FromAlertHeaderName, "true")
	frame := results(t, text)["A"].Frames[0]
	numbers := 0
	for _, f := range frame.Fields {
		if f.Type().Numeric() {
			numbers++
		}
	}
	if numbers != 1 {
		t.Errorf("%d numeric columns in %s", numbers, text)
	}
}

func TestHealth(t *testing.T) {
	h := start(t, sourceFor(map[string]string{"amsterdam": probe{host: "amsterdam"}.url(t)}), nil)
	status, text := do(t, h, http.MethodGet, "/api/datasources/uid/weir/health", "")
	if status != http.StatusOK || !strings.Contains(text, `"status":"OK"`) || !strings.Contains(text, "1 server answers: amsterdam") {
		t.Errorf("status %d: %s", status, text)
	}
	bad := start(t, sourceFor(map[string]string{"berlin": "http://127.0.0.1:1"}), nil)
	status, text = do(t, bad, http.MethodGet, "/api/datasources/uid/weir/health", "")
	if status != http.StatusBadRequest || !strings.Contains(text, `"status":"ERROR"`) || !strings.Contains(text, "berlin") || !strings.Contains(text, "verboseMessage") {
		t.Errorf("status %d: %s", status, text)
	}
}

func TestResources(t *testing.T) {
	h := start(t, sourceFor(map[string]string{"amsterdam": probe{host: "amsterdam"}.url(t)}), nil)
	const prefix = "/api/datasources/uid/weir/resources/"
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{http.MethodGet, "interfaces", "", 200, `["eth0"]`},
		{http.MethodGet, "interfaces?server=nowhere", "", 200, `[]`},
		{http.MethodGet, "fields", "", 200, `"name":"dport"`},
		{http.MethodGet, "catalog", "", 200, `"state":"ok"`},
		{http.MethodPost, "validate", `{"condition":"dport = 443"}`, 200, `"valid":true`},
		{http.MethodPost, "validate", `{"condition":"dprt = 443"}`, 200, `"nearest":"dport"`},
		{http.MethodPost, "command", `{"attributes":["sip"]}`, 200, `weir query`},
		{http.MethodPost, "validate", `{`, 400, `"message"`},
		{http.MethodGet, "nothing", "", 404, `404`},
	} {
		status, text := do(t, h, test.method, prefix+test.path, test.body)
		if status != test.status || !strings.Contains(text, test.want) {
			t.Errorf("%s %s: status %d, %.200s; want %d with %s", test.method, test.path, status, text, test.status, test.want)
		}
	}
}

// TestSettings: a change reaches the running plugin, secrets go in and never come out.
func TestSettings(t *testing.T) {
	source := sourceFor(map[string]string{"amsterdam": probe{host: "amsterdam"}.url(t)})
	source.SecureJSONData = map[string]string{"token": "first-secret"}
	h := start(t, source, nil)
	byHost := `{"refId":"A","queryType":"table","attributes":["host"]}`
	hostOf := func() any {
		t.Helper()
		_, text := do(t, h, http.MethodPost, "/api/ds/query", body(byHost))
		return results(t, text)["A"].Frames[0].Fields[0].At(0)
	}
	if got := hostOf(); got != "amsterdam" {
		t.Errorf("host %v before the change", got)
	}
	status, text := do(t, h, http.MethodGet, "/api/datasources", "")
	if status != http.StatusOK || !strings.Contains(text, `"secureJsonFields":{"token":true}`) || strings.Contains(text, "first-secret") {
		t.Errorf("status %d: %s", status, text)
	}
	changed := sourceFor(map[string]string{"berlin": probe{host: "berlin"}.url(t)})
	status, text = do(t, h, http.MethodPut, "/api/datasources/uid/weir", `{"jsonData":`+string(changed.JSONData)+`,"secureJsonData":{"token":""}}`)
	if status != http.StatusOK || !strings.Contains(text, "Datasource updated") || !strings.Contains(text, `"secureJsonFields":{}`) {
		t.Errorf("status %d: %s", status, text)
	}
	if got := hostOf(); got != "berlin" {
		t.Errorf("host %v after the change", got)
	}
	for _, wrong := range []string{`{"jsonData":[]}`, `{`} {
		if status, _ := do(t, h, http.MethodPut, "/api/datasources/uid/weir", wrong); status != http.StatusBadRequest {
			t.Errorf("PUT %s: status %d", wrong, status)
		}
	}
	if status, _ := do(t, h, http.MethodGet, "/api/datasources/uid/other", ""); status != http.StatusNotFound {
		t.Errorf("another data source: status %d", status)
	}
}

// kill ends the plugin's process as a crash would.
func kill(t *testing.T, h *Host) int {
	t.Helper()
	pid := h.process.pid()
	if pid == 0 {
		t.Fatal("the plugin does not run")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestKilledPluginComesBack(t *testing.T) {
	h := start(t, sourceFor(map[string]string{"amsterdam": probe{host: "amsterdam"}.url(t)}), nil)
	for range 2 {
		if status, text := do(t, h, http.MethodPost, "/api/ds/query", body(table)); status != http.StatusOK {
			t.Fatalf("status %d: %s", status, text)
		}
		killed := kill(t, h)
		if status, text := do(t, h, http.MethodPost, "/api/ds/query", body(table)); status != http.StatusOK {
			t.Errorf("after the kill: status %d: %s", status, text)
		}
		if now := h.process.pid(); now == killed || now == 0 {
			t.Errorf("process %d was killed, %d runs", killed, now)
		}
	}
}

// TestKilledWithoutACall: the plugin is back without anybody asking for it.
func TestKilledWithoutACall(t *testing.T) {
	h := start(t, sourceFor(nil), nil)
	if _, err := h.Client().CheckHealth(t.Context()); err != nil {
		t.Fatal(err)
	}
	killed := kill(t, h)
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if pid := h.process.pid(); pid != 0 && pid != killed {
			return
		}
		select {
		case <-deadline:
			t.Fatal("the plugin did not come back")
		case <-tick.C:
		}
	}
}

// TestKilledDuringAQuery: the query is made again, to the new process.
func TestKilledDuringAQuery(t *testing.T) {
	var asked atomic.Int32
	reached := make(chan struct{})
	slow := probe{host: "amsterdam", query: func(ctx context.Context) error {
		if asked.Add(1) == 1 {
			close(reached)
			<-ctx.Done() // the plugin's death closes the connection
			return ctx.Err()
		}
		return nil
	}}
	h := start(t, sourceFor(map[string]string{"amsterdam": slow.url(t)}), nil)
	go func() {
		<-reached
		if pid := h.process.pid(); pid != 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL) // the answer shows it
		}
	}()
	status, text := do(t, h, http.MethodPost, "/api/ds/query", body(table))
	if status != http.StatusOK || asked.Load() < 2 {
		t.Errorf("status %d after %d queries: %s", status, asked.Load(), text)
	}
}

func TestNothingIsLeft(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	cfg := DefaultConfig()
	cfg.PluginBinary, cfg.DataSource = binary, sourceFor(nil)
	h, err := New(cfg, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Client().CheckHealth(t.Context()); err != nil {
		t.Fatal(err)
	}
	pid := h.process.pid()
	h.Close()
	h.Close()
	if syscall.Kill(pid, 0) == nil {
		t.Errorf("process %d still runs", pid)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v %v", left, err)
	}
	if _, err := h.Client().CheckHealth(t.Context()); err == nil {
		t.Error("a call after Close works")
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"dist/module.js": "module", "page/index.html": "page", "secret": "secret"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "secret"), filepath.Join(dir, "page", "link")); err != nil {
		t.Fatal(err)
	}
	h := start(t, sourceFor(nil), func(c *Config) {
		c.DistDir, c.PageDir = filepath.Join(dir, "dist"), filepath.Join(dir, "page")
	})
	for path, want := range map[string]string{
		"/public/plugins/weirflow-weir-datasource/module.js": "module", "/": "page",
	} {
		if status, text := do(t, h, http.MethodGet, path, ""); status != http.StatusOK || text != want {
			t.Errorf("GET %s: status %d, %q", path, status, text)
		}
	}
	for _, path := range []string{"/link", "/..%2fsecret", "/public/plugins/weirflow-weir-datasource/..%2f..%2fsecret", "/nothing", "/api/nothing"} {
		if status, text := do(t, h, http.MethodGet, path, ""); status == http.StatusOK || strings.Contains(text, "secret") {
			t.Errorf("GET %s: status %d, %q", path, status, text)
		}
	}
}

// TestOtherSitesAreRefused: a page elsewhere must not query or change anything through a visitor's browser.
func TestOtherSitesAreRefused(t *testing.T) {
	h := start(t, sourceFor(nil), nil)
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		if status, _ := do(t, h, method, "/api/datasources/uid/weir", "{}", "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
			t.Errorf("%s from another site: status %d", method, status)
		}
	}
	if status, _ := do(t, h, http.MethodPut, "/api/datasources/uid/weir", "{}", "Host", "x", "Origin", "http://evil.example"); status != http.StatusForbidden {
		t.Errorf("PUT with another origin: status %d", status)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"all addresses":       func(c *Config) { c.Listen = ":0" },
		"another address":     func(c *Config) { c.Listen = "192.0.2.1:0" },
		"no port":             func(c *Config) { c.Listen = "127.0.0.1" },
		"no binary":           func(c *Config) { c.PluginBinary = "/nonexistent/gpx" },
		"a directory":         func(c *Config) { c.PluginBinary = os.TempDir() },
		"no uid":              func(c *Config) { c.DataSource.UID = "" },
		"settings no object":  func(c *Config) { c.DataSource.JSONData = json.RawMessage(`[]`) },
		"front end not built": func(c *Config) { c.DistDir = "/nonexistent/dist" },
		"no page":             func(c *Config) { c.PageDir = "/nonexistent/page" },
	} {
		cfg := DefaultConfig()
		cfg.PluginBinary = binary
		change(&cfg)
		if _, err := New(cfg, Deps{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestNotAPlugin: a binary that does not speak the protocol is an error with its name, not a hang.
func TestNotAPlugin(t *testing.T) {
	cfg := DefaultConfig()
	cfg.PluginBinary, cfg.DataSource = "/bin/true", sourceFor(nil)
	h, err := New(cfg, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if _, err := h.Client().CheckHealth(t.Context()); err == nil || !strings.Contains(err.Error(), "launch plugin /bin/true") {
		t.Errorf("error %v", err)
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"1795262400000": time.UnixMilli(1795262400000), "now": now, "now-1h": now.Add(-time.Hour), "now-7d": now.Add(-7 * 24 * time.Hour),
		"now-2w": now.Add(-14 * 24 * time.Hour), "now+30s": now.Add(30 * time.Second), "now-5m": now.Add(-5 * time.Minute),
	} {
		if got, err := parseTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "now-", "now-h", "now-1y", "now/d", "now1h", "now-99999999999999h"} {
		if got, err := parseTime(text, now); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
