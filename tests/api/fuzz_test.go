//go:build linux

package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirflow/weir/pkg/serve"
	"github.com/weirflow/weir/pkg/wire"
)

// Whatever is sent, by whatever path and with whatever headers, nothing panics, nothing is the server's fault, and every
// refusal says in a sentence what is wrong.
func FuzzRequest(f *testing.F) {
	r := newRig(f, options{server: func(cfg *serve.Config) { cfg.Limits.Rows = 100 }})
	handler := r.server.Handler()
	var paths []string
	for _, pattern := range r.server.Patterns() {
		if !strings.Contains(pattern, "_reload") && pattern != "PUT /config" { // these change what the others see
			paths = append(paths, pattern)
		}
	}
	seed := func(path, body string) {
		for i, p := range paths {
			if p == path {
				f.Add(uint8(i), body, "", "Accept", "application/x-ndjson")
			}
		}
	}
	for _, q := range questions() {
		seed("POST /_query", q)
	}
	for _, body := range []string{"", "{", "null", `{"query":1}`, `{"query":"sip/24","ifaces":"any","compare":"1d","explain":true}`, `{"query":"sip","ifaces":"any","actors":{"set":["10.0.0.1"]}}`,
		`{"query":"sip","ifaces":"any","condition":"sip = @x"}`, `{"query":"time","ifaces":"any","first":"-1d:1h","last":"now","time_resolution":"auto"}`,
		`{"query":"sip","ifaces":"any","condition":"((((((((((((((((dport=1"}`, `{"query":"sip","ifaces":"/(a*)*$/"}`} {
		seed("POST /_query", body)
		seed("POST /_query/sse", body)
		seed("POST /_query/validate", body)
	}
	seed("POST /_actors", "10.0.0.1\n")
	f.Add(uint8(3), "ifaces=any&query=sip&first=-1h", "query=sip&ifaces=any", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Fuzz(func(t *testing.T, route uint8, body, parameters, header, value string) {
		method, path, _ := strings.Cut(paths[int(route)%len(paths)], " ")
		path = strings.NewReplacer("{iface}", "eth0", "{list}", "x").Replace(path)
		request, err := http.NewRequestWithContext(t.Context(), method, "http://probe"+path, strings.NewReader(body))
		if err != nil {
			return
		}
		request.URL.RawQuery = parameters
		request.RemoteAddr = "192.0.2.1:1"
		if header != "" {
			request.Header.Set(header, value)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, request)
		if w.Code >= 500 {
			t.Errorf("%s %s?%q with %q and %s: %q: %d %s", method, path, parameters, body, header, value, w.Code, w.Body)
		}
		if w.Code < 400 || w.Header().Get("Content-Encoding") != "" {
			return
		}
		var p wire.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Error() == "" || w.Header().Get("Content-Type") != wire.ProblemType {
			t.Errorf("%s %s: %d without a problem: %q", method, path, w.Code, w.Body)
		}
	})
}
