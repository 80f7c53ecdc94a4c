package plugin

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/weirflow/weir/pkg/natshttp"
	"github.com/weirflow/weir/pkg/serve"
)

// instance is a data source with these settings, until the test ends.
func instance(t *testing.T, settings map[string]any) *DataSource {
	t.Helper()
	jsonData, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	made, err := New(t.Context(), backend.DataSourceInstanceSettings{UID: "weir", JSONData: jsonData})
	if err != nil {
		t.Fatal(err)
	}
	d := made.(*DataSource)
	t.Cleanup(d.Dispose)
	return d
}

// TestHTTPDiscovery: servers come and go with the list; one that stays keeps its client; what leads to this machine is
// never dialled.
func TestHTTPDiscovery(t *testing.T) {
	var list atomic.Value
	list.Store(`[{"targets":["127.0.0.1:1","probe-1.invalid:8145"],"labels":{"company":"acme"}}]`)
	listing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token went over a connection that others can read")
		}
		_, _ = w.Write([]byte(list.Load().(string)))
	}))
	defer listing.Close()
	d := instance(t, map[string]any{"kind": "discovery", "discoveryUrl": listing.URL, "timeoutSeconds": 2})
	servers, err := d.choose(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]server{}
	for _, s := range servers {
		byName[s.Name] = s
	}
	stays, ok := byName["probe-1.invalid"]
	if !ok || stays.Labels["company"] != "acme" {
		t.Fatalf("servers %v", servers)
	}
	for _, s := range servers {
		if strings.Contains(s.URL, "//127.") {
			if _, err := s.client.Info(t.Context()); err == nil || !strings.Contains(err.Error(), "this machine") {
				t.Errorf("%s: %v", s.Name, err)
			}
		}
	}
	list.Store(`[{"targets":["probe-1.invalid:8145"],"labels":{"company":"acme"}},{"targets":["probe-2.invalid:8145"]}]`)
	d.discovery.watcher.Refresh(t.Context())
	servers = d.roster.list()
	if len(servers) != 2 || servers[0].Name != "probe-1.invalid" || servers[0].client != stays.client || servers[1].Name != "probe-2.invalid" {
		t.Errorf("servers %v after the change", servers)
	}
	list.Store(`no list`)
	d.discovery.watcher.Refresh(t.Context())
	if len(d.roster.list()) != 2 {
		t.Error("a list that can't be read takes the servers away")
	}
	result, verbose := health(t, d)
	if result.Status != backend.HealthStatusError || !strings.Contains(verbose, "no JSON list of targets") || !strings.Contains(verbose, "probe-2.invalid: ") {
		t.Errorf("health %q\n%s", result.Message, verbose)
	}
}

func TestDiscoveryThatFailsIsExplained(t *testing.T) {
	listing := httptest.NewServer(http.NotFoundHandler())
	defer listing.Close()
	d := instance(t, map[string]any{"kind": "discovery", "discoveryUrl": listing.URL})
	if _, err := d.choose(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "the server answers with status 404") {
		t.Errorf("error %v", err)
	}
}

// TestOverNATS goes the whole way: a bus, a probe that announces itself on it, the data source, and a query.
func TestOverNATS(t *testing.T) {
	bus, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	go bus.Start()
	t.Cleanup(bus.Shutdown)
	if !bus.ReadyForConnections(time.Minute) {
		t.Fatal("the NATS server does not start")
	}
	logger := slog.New(slog.DiscardHandler)
	link, err := natshttp.Connect(natshttp.Config{Servers: []string{bus.ClientURL()}}, natshttp.LinkDeps{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	api, err := serve.New(serve.DefaultConfig(), serve.Deps{
		Querier: behind{newFake("amsterdam")}, Logger: logger, Info: serve.Info{Name: "weir-probe", Version: "1.2.3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	responder, err := natshttp.NewResponder(natshttp.ResponderConfig{
		Address: natshttp.Address{Site: "ams", Host: "amsterdam"}, Here: natshttp.Announcement{Labels: map[string]string{"company": "acme"}},
	}, natshttp.ResponderDeps{Link: link, Handler: api.Handler(), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = responder.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	d := instance(t, map[string]any{"natsUrl": bus.ClientURL(), "natsSite": "ams", "timeoutSeconds": 60})
	var response backend.DataResponse
	for range 600 { // the host has a second to say that it is there, of which a busy machine may need more
		response = askOne(t, d, `{"version":2,"attributes":["host"],"hosts":"company=acme"}`)
		if response.Error == nil && response.Frames[0].Rows() > 0 {
			break
		}
		<-time.After(100 * time.Millisecond)
	}
	if response.Error != nil || response.Frames[0].Rows() != 1 || response.Frames[0].Fields[0].At(0) != "amsterdam" {
		t.Fatalf("%v %v", response.Error, response.Frames)
	}
	if result, _ := health(t, d); result.Status != backend.HealthStatusOk {
		t.Errorf("health %q", result.Message)
	}
}
