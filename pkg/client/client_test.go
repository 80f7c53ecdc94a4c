package client

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/wire"
)

// routes answers by "METHOD path"; GET /-/info says weir-probe unless it is among them.
type routes map[string]http.HandlerFunc

func (m routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := m[r.Method+" "+r.URL.Path]
	switch {
	case h != nil:
		h(w, r)
	case r.URL.Path == "/-/info":
		io.WriteString(w, `{"$schema":"x","name":"weir-probe","version":"1.0.0"}`)
	default:
		http.NotFound(w, r)
	}
}

// says answers with a text.
func says(status int, contentType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

func dial(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg, Deps{Now: func() time.Time { return time.Unix(1790000000, 0).UTC() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func serving(t *testing.T, m http.Handler) (*httptest.Server, *Client) {
	t.Helper()
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	cfg := DefaultConfig()
	cfg.URL = s.URL
	return s, dial(t, cfg)
}

var question = &wire.Request{Query: "sip", Ifaces: "any"}

func TestQuery(t *testing.T) {
	var sent wire.Request
	var header http.Header
	s := httptest.NewServer(routes{"POST /prefix/_query": func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, `{"$schema":"x","status":{"code":"ok","unknown":[1]},"rows":[{"labels":{"iface":"eth0"},"attributes":{"sip":"192.0.2.1"},"counters":{"br":18446744073709551615}}]}`)
		z.Close()
	}, "GET /prefix/-/info": says(200, "application/json", `{"name":"weir-probe"}`)})
	defer s.Close()
	cfg := DefaultConfig()
	cfg.URL, cfg.Token, cfg.RuntimeID = s.URL+"/prefix/", "secret", "me"
	asked := &wire.Request{Query: "sip", Ifaces: "any", Merge: true, Condition: "dport = 80 & proto = tcp"}
	got, err := dial(t, cfg).Query(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asked, &sent); diff != "" {
		t.Errorf("sent: %s", diff)
	}
	if got.Rows[0].Counters.BytesReceived != 1<<64-1 || got.Rows[0].Attributes.Source != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("got %+v", got.Rows)
	}
	for name, want := range map[string]string{"Authorization": "Bearer secret", "X-Goprobe-Runtime-Id": "me", "Content-Type": "application/json"} {
		if header.Get(name) != want {
			t.Errorf("header %s is %q, want %q", name, header.Get(name), want)
		}
	}
}

func TestOverUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "probe.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: routes{"GET /_catalog": says(200, "application/json", `{"kind":"probe","host":"fra1"}`)}}
	go s.Serve(l)
	defer s.Close()
	for _, url := range []string{"unix:" + path, "unix://" + path} {
		catalog, err := dial(t, Config{URL: url, Token: "secret"}).Catalog(t.Context())
		if err != nil || catalog.Host != "fra1" {
			t.Errorf("%s: %+v, %v", url, catalog, err)
		}
	}
	if _, err := New(Config{URL: "unix:" + path, RejectUnix: true}, Deps{}); err == nil || !strings.Contains(err.Error(), "not allowed") {
		t.Errorf("a Unix socket where they are refused: %v", err)
	}
}

func TestRedirects(t *testing.T) {
	leaked := make(chan string, 1)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { leaked <- r.Header.Get("Authorization") }))
	defer other.Close()
	s := httptest.NewServer(routes{
		"GET /away/-/info": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		},
		"GET /moved/-/info": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/-/info", http.StatusPermanentRedirect)
		},
		"GET /circle/-/info": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
	})
	defer s.Close()
	for path, kind := range map[string]Kind{"/away": KindProtocol, "/moved": "", "/circle": KindProtocol} {
		_, err := dial(t, Config{URL: s.URL + path, Token: "secret"}).Info(t.Context())
		if got := kindOf(err); got != kind {
			t.Errorf("%s: %v", path, err)
		}
	}
	select {
	case token := <-leaked:
		t.Errorf("another server was asked, with %q", token)
	default:
	}
}

func TestResponseIsBounded(t *testing.T) {
	s := httptest.NewServer(routes{"POST /_query": func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"rows":[{"labels":{"iface":"`)
		for range 1000 {
			if _, err := io.WriteString(w, strings.Repeat("a", 10000)); err != nil {
				return
			}
		}
		io.WriteString(w, `"}}]}`)
	}})
	defer s.Close()
	_, err := dial(t, Config{URL: s.URL, MaxResponse: 100_000}).Query(t.Context(), question)
	if kindOf(err) != KindProtocol || !strings.Contains(err.Error(), "limit of 100000 bytes") {
		t.Errorf("Query: %v", err)
	}
}

// A connection that breaks is tried once more, an answer only where the server asks for that: see quirks_test.go.
func TestRetry(t *testing.T) {
	var calls atomic.Int32
	breaks := func(times int32) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if calls.Add(1) <= times {
				c, _, _ := w.(http.Hijacker).Hijack()
				c.Close()
				return
			}
			io.WriteString(w, `{"status":{"code":"ok"}}`)
		}
	}
	for _, test := range []struct {
		handler http.HandlerFunc
		calls   int32
		ok      bool
	}{
		{breaks(1), 2, true},
		{breaks(9), 2, false},
		{func(w http.ResponseWriter, _ *http.Request) { calls.Add(1); w.WriteHeader(500) }, 1, false},
		{func(w http.ResponseWriter, _ *http.Request) { calls.Add(1); w.WriteHeader(503) }, 1, false},
	} {
		calls.Store(0)
		_, c := serving(t, routes{"POST /_query": test.handler})
		_, err := c.Query(t.Context(), question)
		if (err == nil) != test.ok || calls.Load() != test.calls {
			t.Errorf("%d calls, %v; want %d, ok %v", calls.Load(), err, test.calls, test.ok)
		}
	}
}

func TestInfoKinds(t *testing.T) {
	for name, want := range map[string]ServerKind{"weir-probe": ServerProbe, "weir-gateway": ServerGateway, "goprobe": ServerGoProbe, "global_query": ServerGlobalQuery, "nginx": ""} {
		_, c := serving(t, routes{"GET /-/info": says(200, "application/json", fmt.Sprintf(`{"name":%q,"version":"devel"}`, name))})
		info, err := c.Info(t.Context())
		if want == "" {
			if kindOf(err) != KindProtocol {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || info.Kind != want {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
}

func TestKindIsRemembered(t *testing.T) {
	var infos atomic.Int32
	_, c := serving(t, routes{
		"GET /-/info":  func(w http.ResponseWriter, _ *http.Request) { infos.Add(1); io.WriteString(w, `{"name":"weir-probe"}`) },
		"POST /_query": says(200, "", `{}`),
	})
	for range 5 {
		if _, err := c.Query(t.Context(), question); err != nil {
			t.Fatal(err)
		}
	}
	if infos.Load() != 1 {
		t.Errorf("asked %d times who the server is", infos.Load())
	}
}

func TestValidateAndStatus(t *testing.T) {
	_, c := serving(t, routes{
		"POST /_query/validate": func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), "bad") {
				says(422, wire.ProblemType, `{"status":422,"detail":"no"}`)(w, r)
				return
			}
			w.WriteHeader(204)
		},
		"GET /status": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("ifaces") == "" {
				w.WriteHeader(204)
				return
			}
			fmt.Fprintf(w, `{"ifaces":%q}`, r.URL.Query().Get("ifaces"))
		},
	})
	if err := c.Validate(t.Context(), question); err != nil {
		t.Error(err)
	}
	if err := c.Validate(t.Context(), &wire.Request{Query: "sip", Ifaces: "any", Condition: "bad"}); kindOf(err) != KindUser {
		t.Errorf("Validate: %v", err)
	}
	if status, err := c.Status(t.Context(), "eth0", "eth1"); err != nil || string(status) != `{"ifaces":"eth0,eth1"}` {
		t.Errorf("Status: %s, %v", status, err)
	}
	if status, err := c.Status(t.Context()); err != nil || status != nil {
		t.Errorf("Status of nothing: %s, %v", status, err)
	}
}
