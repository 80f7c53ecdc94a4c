package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/wire"
)

// busy counts how many things it is asked at once; each takes a second.
type busy struct {
	fake
	now, most, all atomic.Int32
}

func (b *busy) work(ctx context.Context) error {
	b.all.Add(1)
	n := b.now.Add(1)
	defer b.now.Add(-1)
	for most := b.most.Load(); n > most && !b.most.CompareAndSwap(most, n); most = b.most.Load() {
	}
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *busy) Query(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	if err := b.work(ctx); err != nil {
		return nil, err
	}
	return grouped(r, talker("a", r.Series))
}

func (b *busy) Catalog(ctx context.Context) (*wire.Catalog, error) { return &b.catalog, b.work(ctx) }
func (b *busy) Info(ctx context.Context) (*client.Info, error)     { return &b.info, b.work(ctx) }

func TestAServerIsAskedAFewThingsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busy{}
		l := limit(b, 3)
		var wait sync.WaitGroup
		for range 10 {
			wait.Go(func() { _, _ = l.Query(t.Context(), &wire.Request{Query: "sip", Ifaces: "any"}) })
			wait.Go(func() { _, _ = l.Catalog(t.Context()) })
			wait.Go(func() { _, _ = l.Info(t.Context()) })
		}
		wait.Wait()
		if most := b.most.Load(); most != 3 {
			t.Errorf("%d at once, want 3", most)
		}
	})
}

func TestWaitingEndsWithTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busy{}
		l := limit(b, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		var wait sync.WaitGroup
		var failed atomic.Int32
		for range 5 {
			wait.Go(func() {
				if _, err := l.Query(ctx, &wire.Request{Query: "sip", Ifaces: "any"}); err != nil {
					failed.Add(1)
					if b.now.Load() == 0 && !strings.Contains(err.Error(), "waiting for the end of 1 other quer") && !strings.Contains(err.Error(), "deadline") {
						t.Errorf("error %v", err)
					}
				}
			})
		}
		wait.Wait()
		if failed.Load() != 4 || b.all.Load() != 2 {
			t.Errorf("%d failed, %d were asked; want 4 and 2", failed.Load(), b.all.Load())
		}
	})
}

// TestDashboardOnAFleet: twenty panels, of which eleven are equal, open at once on a hundred hosts behind real HTTP: no host
// is asked more at once than configured, and equal queries are asked once.
func TestDashboardOnAFleet(t *testing.T) {
	const hosts, panels, atOnce = 100, 20, 2
	var now, most, queries [hosts]atomic.Int32
	servers := make([]map[string]string, hosts)
	release := make(chan struct{}) // closed when all panels have asked
	for i := range hosts {
		mux := http.NewServeMux()
		reply := func(w http.ResponseWriter, body any) { _ = json.NewEncoder(w).Encode(body) }
		mux.HandleFunc("GET /-/info", func(w http.ResponseWriter, _ *http.Request) { reply(w, map[string]string{"name": "weir-probe"}) })
		mux.HandleFunc("GET /_catalog", func(w http.ResponseWriter, _ *http.Request) { reply(w, newFake("h").catalog) })
		mux.HandleFunc("POST /_query", func(w http.ResponseWriter, r *http.Request) {
			n := now[i].Add(1)
			defer now[i].Add(-1)
			queries[i].Add(1)
			for m := most[i].Load(); n > m && !most[i].CompareAndSwap(m, n); m = most[i].Load() {
			}
			<-release
			var asked wire.Request
			_ = json.NewDecoder(r.Body).Decode(&asked)
			result, err := grouped(&asked, talker(fmt.Sprintf("h%d", i), false))
			if err != nil {
				t.Error(err)
			}
			reply(w, result)
		})
		server := httptest.NewServer(mux)
		defer server.Close()
		servers[i] = map[string]string{"name": fmt.Sprintf("h%03d", i), "url": server.URL}
	}
	jsonData, err := json.Marshal(map[string]any{"servers": servers, "concurrency": atOnce})
	if err != nil {
		t.Fatal(err)
	}
	instance, err := New(t.Context(), backend.DataSourceInstanceSettings{UID: "weir", JSONData: jsonData})
	if err != nil {
		t.Fatal(err)
	}
	d := instance.(*DataSource)
	defer d.Dispose()
	var wait sync.WaitGroup
	for panel := range panels {
		port := 443
		if panel%2 == 0 {
			port += panel
		}
		query := fmt.Sprintf(`{"attributes":["sip"],"condition":"dport = %d"}`, port)
		wait.Go(func() {
			response := d.query(t.Context(), backend.DataQuery{RefID: "A", JSON: json.RawMessage(query), TimeRange: lastHour}, false)
			if response.Error != nil || len(response.Frames[0].Meta.Notices) > 0 {
				t.Errorf("panel %d: %v %v", panel, response.Error, response.Frames)
			}
		})
	}
	for d.flights.waiting() < panels || now[0].Load() < atOnce {
		time.Sleep(time.Millisecond) // nothing here says that all have asked
	}
	close(release)
	wait.Wait()
	for i := range hosts {
		if most[i].Load() > atOnce || queries[i].Load() != panels/2 {
			t.Fatalf("host %d: %d queries, %d at once; want %d, and %d at once", i, queries[i].Load(), most[i].Load(), panels/2, atOnce)
		}
	}
}
