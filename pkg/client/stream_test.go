package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirflow/weir/pkg/wire"
)

// TestStream reads streams as servers may write them, and refuses what is none.
func TestStream(t *testing.T) {
	const final = "event: finalResult\ndata: {\"status\":{\"code\":\"ok\"},\"rows\":[{\"counters\":{\"br\":7}}]}\n\n"
	for name, test := range map[string]struct {
		kind, body string
		status     int
		partials   int
		fault      Kind // empty: the final result
	}{
		"plain":     {"text/event-stream", final, 200, 0, ""},
		"partials":  {"text/event-stream; charset=utf-8", ": ping\n\nevent: partialResult\ndata: {}\n\n: ping\n\nevent:partialResult\r\ndata:{\r\ndata:}\r\n\r\nevent: other\ndata: [\n\nid: 3\n" + final + "junk", 200, 2, ""},
		"error":     {"text/event-stream", "event: partialResult\ndata: {}\n\nevent: queryError\ndata: {\"status\":422,\"title\":\"no\",\"detail\":\"bad\"}\n\n", 200, 1, KindUser},
		"text":      {"text/event-stream", "event: queryError\ndata: boom\n\n", 200, 0, KindServer},
		"problem":   {wire.ProblemType, `{"status":422,"detail":"bad"}`, 422, 0, KindUser},
		"no stream": {"application/json", "{}", 200, 0, KindProtocol},
		"cut":       {"text/event-stream", "event: partialResult\ndata: {}\n\n", 200, 1, KindProtocol},
		"half":      {"text/event-stream", "event: finalResult\ndata: {}", 200, 0, KindProtocol},
		"no JSON":   {"text/event-stream", "event: finalResult\ndata: [\n\n", 200, 0, KindProtocol},
		"too long":  {"text/event-stream", "event: partialResult\ndata: {}\n\n" + strings.Repeat("x", 5000) + "\n\n" + final, 200, 1, KindProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("GET /-/info", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"name":"weir-probe"}`) })
			mux.HandleFunc("POST /_query/sse", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", test.kind)
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
			})
			server := httptest.NewServer(mux)
			defer server.Close()
			cfg := DefaultConfig()
			cfg.URL, cfg.MaxResponse = server.URL, 4096
			c, err := New(cfg, Deps{})
			if err != nil {
				t.Fatal(err)
			}
			partials := 0
			result, err := c.Stream(t.Context(), &wire.Request{Query: "sip", Ifaces: "any"}, func(*wire.Result) { partials++ })
			var e *Error
			switch {
			case partials != test.partials:
				t.Errorf("%d partial results, want %d", partials, test.partials)
			case test.fault == "" && (err != nil || len(result.Rows) != 1 || result.Rows[0].Counters.BytesReceived != 7):
				t.Errorf("%+v, %v", result, err)
			case test.fault != "" && (!errors.As(err, &e) || e.Kind != test.fault):
				t.Errorf("error %v, want kind %s", err, test.fault)
			}
		})
	}
}
