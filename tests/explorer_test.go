//go:build linux

package tests

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/demo/fleet"
	"github.com/weirflow/weir/demo/host"
	"github.com/weirflow/weir/internal/testenv"
)

// stopped is the host whose probe is stopped half-way.
const stopped = "services"

// A person sees the live traffic of three probes in the explorer; without one of them, that of the two others and
// why the third is missing. The same is asked of the plugin's process, with and without a browser.
func TestExplorer(t *testing.T) {
	testenv.RequireRoot(t)
	requireTools(t, "ip", "ping")
	t.Parallel()
	f := newFleet(t)
	var names []string
	for _, m := range f.Members() {
		names = append(names, m.Name)
	}
	h := newFleetHost(t, f)
	eventually(t, demoTime, func() string {
		if seen, _, err := hostsOf(t, h); err != nil || !slices.Equal(seen, slices.Sorted(slices.Values(names))) {
			return "no flows of all hosts: only of " + strings.Join(seen, ", ")
		}
		if r := ask(t, h, map[string]map[string]any{"A": toTheWeb()})["A"]; r.Error != nil || len(r.Frames) == 0 || r.Frames[0].Rows() == 0 {
			return "no flows to the web server yet" // each service has a pace of its own
		}
		return ""
	})
	if forDocs() {
		<-time.After(pictured)
	}
	t.Run("plugin", func(t *testing.T) { checkAllUp(t, h, names) })
	t.Run("browser", func(t *testing.T) { browse(t, h, "--hosts", strings.Join(names, ",")) })
	if err := f.StopProbe(stopped); err != nil {
		t.Fatal(err)
	}
	t.Run("plugin with one down", func(t *testing.T) { checkOneDown(t, h, names) })
	t.Run("browser with one down", func(t *testing.T) {
		browse(t, h, "--hosts", strings.Join(names, ","), "--expect-failed-host", stopped)
	})
}

// pictured is how much traffic the pictures of the documentation show.
const pictured = 3 * time.Minute

// browsing bounds the steps of a browser, on a machine that has other work, too.
const browsing = 12 * time.Minute

// forDocs says that the pictures are for the documentation.
func forDocs() bool { return os.Getenv("WEIR_SCREENSHOTS") == "1" }

func newFleet(t *testing.T) *fleet.Fleet {
	t.Helper()
	f, err := fleet.New(fleet.Config{Probe: binary(t, probeProgram), Mode: fleet.Namespaces, Interval: 5 * time.Second,
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	return f
}

// newFleetHost runs the plugin over the fleet, and serves the page where it is built.
func newFleetHost(t *testing.T, f *fleet.Fleet) *host.Host {
	t.Helper()
	cfg := host.DefaultConfig()
	cfg.PluginBinary, cfg.DataSource = binary(t, pluginProgram), dataSource(f.Members(), f.CA(), f.Token())
	if dist, page, missing := frontEnd(); missing == "" {
		cfg.DistDir, cfg.PageDir = dist, page
	}
	h, err := host.New(cfg, host.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return h
}

// browse lets a browser do the steps of run.mjs.
func browse(t *testing.T, h *host.Host, arguments ...string) {
	if _, _, missing := frontEnd(); missing != "" {
		if isBuilt() && missing != noNode {
			t.Fatal(missing)
		}
		t.Skipf("%s: %s", t.Name(), missing)
	}
	screenshots := t.TempDir()
	if forDocs() {
		screenshots = filepath.Join(testenv.Root(), "docs", "img")
	}
	script := filepath.Join(testenv.Root(), "tests", "e2e", "run.mjs")
	command := exec.Command("node", append([]string{script, "--url", h.URL(), "--screenshots", screenshots}, arguments...)...)
	r := runCommand(t, browsing, command)
	t.Logf("%s%s", r.stdout, r.stderr)
	if r.code != 0 {
		t.Errorf("exit code %d", r.code)
	}
	pictures, err := filepath.Glob(filepath.Join(screenshots, "explorer*.png"))
	if err != nil || len(pictures) == 0 {
		t.Errorf("no screenshots: %v", err)
	}
}

// hostsOf asks which hosts have flows, with the notices of the answer.
func hostsOf(t testing.TB, h *host.Host) (hosts []string, notices []data.Notice, err error) {
	t.Helper()
	r := ask(t, h, map[string]map[string]any{"A": {"queryType": "table", "attributes": []string{"host"}, "limit": 100}})["A"]
	seen := map[string]bool{}
	for _, frame := range r.Frames {
		notices = append(notices, frame.Meta.Notices...)
		field, _ := frame.FieldByName("host")
		for i := 0; field != nil && i < field.Len(); i++ {
			if name, ok := field.ConcreteAt(i); ok {
				seen[name.(string)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen)), notices, r.Error
}

// toTheWeb asks for the flows to the web server, which are one group.
func toTheWeb() map[string]any {
	return map[string]any{"queryType": "table", "attributes": []string{"dport", "proto"}, "condition": "proto = tcp & dport = 80", "limit": 100}
}

func checkAllUp(t *testing.T, h *host.Host, names []string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	health, err := h.Client().CheckHealth(ctx)
	if err != nil || health.Status != backend.HealthStatusOk {
		t.Errorf("health: %+v, %v", health, err)
	}
	warns := func(n data.Notice) bool { return n.Severity >= data.NoticeSeverityWarning }
	if _, notices, err := hostsOf(t, h); err != nil || slices.ContainsFunc(notices, warns) {
		t.Errorf("notices %+v, %v", notices, err)
	}
	responses := ask(t, h, map[string]map[string]any{
		"narrow": toTheWeb(),
		"series": {"queryType": "timeseries", "attributes": []string{"host"}, "limit": 10},
		"wrong":  {"queryType": "table", "attributes": []string{"sip"}, "condition": "proto = tcp & dprot = 80"},
	})
	if r := responses["narrow"]; r.Error != nil || len(r.Frames) != 1 || r.Frames[0].Rows() != 1 {
		t.Errorf("flows to port 80: %v, %v", r.Frames, r.Error)
	}
	series := 0
	for _, frame := range responses["series"].Frames {
		series += len(frame.Fields) - 1 // besides the time
	}
	if r := responses["series"]; r.Error != nil || series < len(names) {
		t.Errorf("%d series, want one for each of %d hosts: %v", series, len(names), r.Error)
	}
	wrong := responses["wrong"]
	if wrong.Error == nil || wrong.Status != backend.StatusBadRequest {
		t.Fatalf("a wrong condition: status %v, %v", wrong.Status, wrong.Error)
	}
	for _, text := range []string{"column 15", `unknown attribute "dprot"`, `did you mean "dport"?`} {
		if !strings.Contains(wrong.Error.Error(), text) {
			t.Errorf("%q is not in the error of a wrong condition: %v", text, wrong.Error)
		}
	}
	checkValidation(t, h)
}

// checkValidation asks what the editor asks while somebody types.
func checkValidation(t *testing.T, h *host.Host) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var body []byte
	request := &backend.CallResourceRequest{Path: "validate", URL: "validate", Method: http.MethodPost,
		Headers: map[string][]string{"Content-Type": {"application/json"}}, Body: []byte(`{"condition": "proto = tcp & dprot = 80"}`)}
	err := h.Client().CallResource(ctx, request, func(part *backend.CallResourceResponse) error {
		body = append(body, part.Body...)
		return nil
	})
	var said struct {
		Valid bool
		Error struct {
			Message, Nearest, Diagram string
			Offset, Length            int
		}
	}
	if err != nil || json.Unmarshal(body, &said) != nil {
		t.Fatalf("validate: %v\n%s", err, body)
	}
	if e := said.Error; said.Valid || e.Offset != 14 || e.Length != 5 || e.Nearest != "dport" || !strings.Contains(e.Diagram, "^^^^^") {
		t.Errorf("validate: %s", body)
	}
}

func checkOneDown(t *testing.T, h *host.Host, names []string) {
	seen, notices, err := hostsOf(t, h)
	if err != nil {
		t.Fatal(err)
	}
	others := slices.DeleteFunc(slices.Sorted(slices.Values(names)), func(name string) bool { return name == stopped })
	if !slices.Equal(seen, others) {
		t.Errorf("rows of %v, want of %v", seen, others)
	}
	if !slices.ContainsFunc(notices, func(n data.Notice) bool {
		return n.Severity >= data.NoticeSeverityWarning && strings.Contains(n.Text, stopped)
	}) {
		t.Errorf("no notice names %s: %+v", stopped, notices)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	health, err := h.Client().CheckHealth(ctx)
	if err != nil || health.Status == backend.HealthStatusOk || !strings.Contains(health.Message, stopped) {
		t.Errorf("health: %+v, %v", health, err)
	}
}
