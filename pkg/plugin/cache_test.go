package plugin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/wire"
)

// TestClosedDaysAreKept: a server whose data did not change is asked once for a day that is over.
func TestClosedDaysAreKept(t *testing.T) {
	var asked atomic.Int32
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, body any) { _ = json.NewEncoder(w).Encode(body) }
	mux.HandleFunc("GET /-/info", func(w http.ResponseWriter, _ *http.Request) { reply(w, map[string]string{"name": "weir-probe"}) })
	mux.HandleFunc("GET /_catalog", func(w http.ResponseWriter, _ *http.Request) { reply(w, newFake("a").catalog) })
	mux.HandleFunc("POST /_query", func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		var request wire.Request
		_ = json.NewDecoder(r.Body).Decode(&request)
		result, err := grouped(&request, talker("a", false))
		if err != nil {
			t.Error(err)
			return
		}
		result.Summary.DataVersion = "1"
		reply(w, result)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	over := backend.TimeRange{From: time.Now().Add(-10 * day), To: time.Now().Add(-5 * day)}
	for size, want := range map[int]int32{0: 3, 10: 1} {
		asked.Store(0)
		d := instance(t, map[string]any{"servers": []map[string]string{{"name": "a", "url": server.URL}}, "cacheMegabytes": size})
		for range 3 {
			response := d.query(t.Context(), backend.DataQuery{JSON: []byte(`{"version":2,"attributes":["sip"]}`), TimeRange: over}, false)
			if response.Error != nil || response.Frames[0].Rows() != 1 {
				t.Fatalf("%v %v", response.Error, response.Frames)
			}
		}
		if n := asked.Load(); n != want {
			t.Errorf("with %d MB the server was asked %d times, want %d", size, n, want)
		}
	}
}
