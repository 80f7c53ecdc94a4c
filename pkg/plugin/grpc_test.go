package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/experimental/datasourcetest"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
)

// behind lets a fake answer behind the real server of the contract.
type behind struct{ *fake }

func (q behind) Query(ctx context.Context, asked *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
	return q.fake.Query(ctx, asked.Request)
}

// upstream serves a fake over HTTP.
func upstream(t *testing.T, f *fake) *httptest.Server {
	t.Helper()
	server, err := serve.New(serve.DefaultConfig(), serve.Deps{
		Querier: behind{f}, Logger: slog.New(slog.DiscardHandler), Info: serve.Info{Name: "weir-probe", Version: "1.2.3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server.Handler())
	t.Cleanup(listener.Close)
	return listener
}

// overGRPC starts the plugin's gRPC services as Grafana finds them. The SDK can do that once per process.
func overGRPC(t *testing.T) *datasourcetest.TestPluginClient {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	served, err := datasourcetest.Manage(New, datasourcetest.ManageOpts{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := served.Shutdown(); err != nil {
			t.Errorf("shut down: %v", err)
		}
	})
	return served.Client
}

// contextFor is what Grafana sends along for a data source with these servers: pairs of a name and a URL.
func contextFor(t *testing.T, pairs ...string) backend.PluginContext {
	t.Helper()
	var servers []map[string]string
	for i := 0; i+1 < len(pairs); i += 2 {
		servers = append(servers, map[string]string{"name": pairs[i], "url": pairs[i+1]})
	}
	jsonData, err := json.Marshal(map[string]any{"servers": servers, "timeoutSeconds": 5})
	if err != nil {
		t.Fatal(err)
	}
	return backend.PluginContext{Namespace: "default", PluginID: "weirflow-weir-datasource", DataSourceInstanceSettings: &backend.DataSourceInstanceSettings{
		UID: "weir", Name: "Weir", JSONData: jsonData, Updated: time.Now(),
	}}
}

// TestOverGRPC goes the whole way: Grafana's protocol, the plugin, HTTP, the contract's server, and back.
func TestOverGRPC(t *testing.T) {
	plugin := overGRPC(t)
	t.Run("handlers", func(t *testing.T) { testHandlers(t, plugin) })
	t.Run("new settings make a new instance", func(t *testing.T) { testNewSettings(t, plugin) })
}

func testHandlers(t *testing.T, plugin *datasourcetest.TestPluginClient) {
	probe := upstream(t, newFake("amsterdam"))
	asked := contextFor(t, "amsterdam", probe.URL, "cairo", "http://127.0.0.1:1")
	request := &backend.QueryDataRequest{PluginContext: asked, Queries: []backend.DataQuery{
		{RefID: "A", TimeRange: lastHour, JSON: []byte(`{"queryType":"table","attributes":["sip","dip","dport","proto"]}`)},
		{RefID: "B", TimeRange: lastHour, JSON: []byte(`{"queryType":"timeseries","attributes":["sip"],"direction":"in"}`)},
		{RefID: "C", TimeRange: lastHour, JSON: []byte(`{"condition":"dport = 443 & dprt = 1"}`)},
	}}
	response, err := plugin.QueryData(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	a := response.Responses["A"]
	if a.Error != nil || len(a.Frames) != 1 || a.Frames[0].Rows() != 1 {
		t.Fatalf("A: %v %v", a.Error, a.Frames)
	}
	if n := a.Frames[0].Meta.Notices; len(n) != 1 || !strings.Contains(n[0].Text, "1 of 2 hosts did not answer: cairo (") {
		t.Errorf("notices %v", n)
	}
	if b := response.Responses["B"]; b.Error != nil || len(b.Frames) != 1 || b.Frames[0].Fields[1].Len() == 0 {
		t.Errorf("B: %v %v", b.Error, b.Frames)
	}
	if c := response.Responses["C"]; c.Error == nil || !strings.Contains(c.Error.Error(), "column 15") ||
		c.Status != http.StatusBadRequest || c.ErrorSource != backend.ErrorSourceDownstream {
		t.Errorf("C: %v, status %d from %s", c.Error, c.Status, c.ErrorSource)
	}

	health, err := plugin.CheckHealth(t.Context(), &backend.CheckHealthRequest{PluginContext: asked})
	if err != nil {
		t.Fatal(err)
	}
	if health.Status != backend.HealthStatusError || !strings.Contains(string(health.JSONDetails), "cairo: ") ||
		!strings.Contains(string(health.JSONDetails), "ok, weir-probe 1.2.3 on amsterdam") {
		t.Errorf("health: %s %q %s", health.Status, health.Message, health.JSONDetails)
	}

	var names []string
	err = plugin.CallResource(t.Context(), &backend.CallResourceRequest{PluginContext: asked, Method: http.MethodGet, Path: "interfaces", URL: "interfaces"},
		backend.CallResourceResponseSenderFunc(func(r *backend.CallResourceResponse) error { return json.Unmarshal(r.Body, &names) }))
	if err != nil || len(names) != 2 {
		t.Errorf("interfaces %v, %v", names, err)
	}
}

// testNewSettings: saving the data source reaches the running plugin.
func testNewSettings(t *testing.T, plugin *datasourcetest.TestPluginClient) {
	for _, host := range []string{"amsterdam", "berlin"} {
		asked := contextFor(t, host, upstream(t, newFake(host)).URL)
		health, err := plugin.CheckHealth(t.Context(), &backend.CheckHealthRequest{PluginContext: asked})
		if err != nil || health.Status != backend.HealthStatusOk {
			t.Fatalf("health: %v %v", health, err)
		}
		response, err := plugin.QueryData(t.Context(), &backend.QueryDataRequest{PluginContext: asked, Queries: []backend.DataQuery{
			{RefID: "A", TimeRange: lastHour, JSON: []byte(`{"attributes":["host"]}`)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if a := response.Responses["A"]; a.Error != nil || a.Frames[0].Fields[0].At(0) != host {
			t.Errorf("%v %v, want a row of %s", a.Error, a.Frames[0].Fields[0].At(0), host)
		}
	}
}
