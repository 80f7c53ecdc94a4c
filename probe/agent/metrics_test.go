package agent

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/natshttp"
	"github.com/weirflow/weir/pkg/serve"
)

// registered is a probe's registry, with an agent that captures and a server that was asked.
func registered(t *testing.T, r *rig) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(collector{r.Agent}); err != nil {
		t.Fatal(err)
	}
	if err := registry.Register(natshttp.Collector{Link: new(natshttp.Link), Responder: new(natshttp.Responder)}); err != nil {
		t.Fatal(err)
	}
	s, err := serve.New(serve.DefaultConfig(), serve.Deps{Querier: r.Agent, Logger: slog.New(slog.DiscardHandler),
		Extra: r.Routes(), Registerer: registry, Gatherer: registry})
	if err != nil {
		t.Fatal(err)
	}
	s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/status", nil))
	return registry
}

// docs/METRICS.md names every metric, and none that is not there.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.Root(), "docs", "METRICS.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, match := range regexp.MustCompile("(?m)^\\| `(weir_[a-z_]+)` \\|").FindAllSubmatch(text, -1) {
		documented[string(match[1])] = true
	}
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMachine("eth0"), "eth0")
		defer r.close()
		families, err := registered(t, r).Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if !documented[f.GetName()] {
				t.Errorf("%s (%s) does not stand in docs/METRICS.md", f.GetName(), f.GetHelp())
			}
			delete(documented, f.GetName())
		}
		for name := range documented {
			t.Errorf("docs/METRICS.md describes %s, which is not there", name)
		}
	})
}

// The counters of an interface go on when it comes back.
func TestMetricsAcrossRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine("eth0", "eth1")
		m.refuse("eth1", os.ErrPermission)
		r := startRig(t, m, "eth*")
		defer r.close()
		registry := registered(t, r)
		check := func(want string) {
			t.Helper()
			text := ""
			for line := range strings.Lines(want) {
				text += strings.TrimSpace(line) + "\n"
			}
			if err := testutil.GatherAndCompare(registry, strings.NewReader(text), "weir_meter_packets_total", "weir_capture_running", "weir_store_blocks_total"); err != nil {
				t.Error(err)
			}
		}
		m.source("eth0").push(3)
		r.wait(time.Minute)
		m.remove("eth0")
		synctest.Wait()
		check(`# HELP weir_capture_running 1 while the interface is captured
			# TYPE weir_capture_running gauge
			weir_capture_running{iface="eth0"} 0
			weir_capture_running{iface="eth1"} 0
			# HELP weir_meter_packets_total packets counted in flows
			# TYPE weir_meter_packets_total counter
			weir_meter_packets_total{iface="eth0"} 3
			weir_meter_packets_total{iface="eth1"} 0
			# HELP weir_store_blocks_total intervals appended to the store
			# TYPE weir_store_blocks_total counter
			weir_store_blocks_total 1
		`)
		m.add("eth0")
		r.wait(r.cfg.Capture.Rescan)
		m.source("eth0").push(2)
		synctest.Wait()
		check(`# HELP weir_capture_running 1 while the interface is captured
			# TYPE weir_capture_running gauge
			weir_capture_running{iface="eth0"} 1
			weir_capture_running{iface="eth1"} 0
			# HELP weir_meter_packets_total packets counted in flows
			# TYPE weir_meter_packets_total counter
			weir_meter_packets_total{iface="eth0"} 5
			weir_meter_packets_total{iface="eth1"} 0
			# HELP weir_store_blocks_total intervals appended to the store
			# TYPE weir_store_blocks_total counter
			weir_store_blocks_total 1
		`)
	})
}
