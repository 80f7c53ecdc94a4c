package host

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
)

// binary is the plugin as it is built for Grafana.
var binary string

// TestMain builds the plugin once.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "weir-host-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "gpx_weir")
	build := exec.Command("go", "build", "-tags", "arrow_json_stdlib", "-o", binary, "./pkg")
	build.Dir = testenv.Root()
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the plugin: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

// probe answers queries from memory.
type probe struct {
	host  string
	query func(ctx context.Context) error // before each answer; nil: nothing
}

func (p probe) Query(ctx context.Context, q *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
	if p.query != nil {
		if err := p.query(ctx); err != nil {
			return nil, err
		}
	}
	counters := wire.Counters{BytesReceived: 3000, BytesSent: 600, PacketsReceived: 30, PacketsSent: 20}
	row := wire.Row{Counters: counters}
	if q.Has("sip") {
		row.Attributes.Source = netip.MustParseAddr("10.0.0.1")
	}
	if q.Has("dport") {
		row.Attributes.DestinationPort = 443
	}
	if q.Has("proto") {
		row.Attributes.Protocol = flow.TCP
	}
	if q.Has("time") {
		row.Labels.Timestamp = time.Unix(q.BinEnd(q.First), 0)
	}
	if q.Has("host") {
		row.Labels.Host = p.host
	}
	return &wire.Result{
		Hostname:      p.host,
		Status:        wire.Status{Code: wire.CodeOK, State: wire.StateOK},
		HostsStatuses: map[string]wire.Status{p.host: {Code: wire.CodeOK, State: wire.StateOK}},
		Summary: wire.Summary{
			Interfaces: []string{"eth0"}, TimeFirst: time.Unix(q.First, 0), TimeLast: time.Unix(q.Last, 0),
			Totals: counters, Hits: wire.Hits{Displayed: 1, Total: 1}, DataAvailable: true,
		},
		Query: q.Echo(),
		Rows:  []wire.Row{row},
	}, nil
}

func (p probe) Catalog(context.Context) (*wire.Catalog, error) {
	return &wire.Catalog{
		Kind: "probe", Version: "1.2.3", Host: p.host, HostID: p.host + "-id", Now: time.Now(), Interval: 5 * time.Minute,
		Interfaces: []wire.CatalogInterface{{Name: "eth0", Capturing: true}},
		Fields:     wire.CatalogFields(), Shorthands: wire.CatalogShorthands(),
	}, nil
}

// url starts the real server of the contract over the probe.
func (p probe) url(t *testing.T) string {
	t.Helper()
	server, err := serve.New(serve.DefaultConfig(), serve.Deps{
		Querier: p, Logger: slog.New(slog.DiscardHandler), Info: serve.Info{Name: "weir-probe", Version: "1.2.3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server.Handler())
	t.Cleanup(listener.Close)
	return listener.URL
}

// sourceFor is a data source with these servers.
func sourceFor(urls map[string]string) DataSource {
	var servers []map[string]string
	for name, url := range urls {
		servers = append(servers, map[string]string{"name": name, "url": url})
	}
	jsonData, err := json.Marshal(map[string]any{"servers": servers, "timeoutSeconds": 10})
	if err != nil {
		panic(err) // a map of texts
	}
	return DataSource{UID: "weir", Name: "Weir", JSONData: jsonData}
}

// start runs a host until the test ends, and checks that nothing of it is left then.
func start(t *testing.T, source DataSource, change func(*Config)) *Host {
	t.Helper()
	cfg := DefaultConfig()
	cfg.PluginBinary, cfg.DataSource = binary, source
	if change != nil {
		change(&cfg)
	}
	h, err := New(cfg, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		pid := h.process.pid()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if pid != 0 && syscall.Kill(pid, 0) == nil {
			t.Errorf("the plugin's process %d is left behind", pid)
		}
	})
	select {
	case <-h.Ready():
	case err := <-done:
		t.Fatalf("run: %v", err)
	}
	return h
}

// do makes a request of the host and returns status and body.
func do(t *testing.T, h *Host, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, h.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
