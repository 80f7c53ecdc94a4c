package serve

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/wire"
)

// fake is a Querier that answers with one row, unless told otherwise.
type fake struct {
	answer func(ctx context.Context, q *wire.Query, progress func(*wire.Result)) (*wire.Result, error)
}

func result(rows int) *wire.Result {
	r := &wire.Result{
		Hostname: "fra1", Status: wire.Status{Code: wire.CodeOK, State: wire.StateOK},
		HostsStatuses: map[string]wire.Status{"fra1": {Code: wire.CodeOK}},
		Summary:       wire.Summary{Hits: wire.Hits{Displayed: int64(rows), Total: int64(rows)}, Interfaces: []string{"eth0"}},
	}
	for i := range rows {
		r.Rows = append(r.Rows, wire.Row{Labels: wire.Labels{Iface: "eth0"}, Counters: wire.Counters{BytesReceived: uint64(i + 1)}})
	}
	return r
}

func (f fake) Query(ctx context.Context, q *wire.Query, progress func(*wire.Result)) (*wire.Result, error) {
	if f.answer != nil {
		return f.answer(ctx, q, progress)
	}
	return result(1), nil
}

func (fake) Catalog(context.Context) (*wire.Catalog, error) {
	return &wire.Catalog{Kind: "probe", Host: "fra1", Fields: wire.CatalogFields()}, nil
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

var loopback = &Insecure{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}

// start runs a server until the test ends and returns it with its log.
func start(t *testing.T, cfg Config, deps Deps) (*Server, *testenv.Journal) {
	t.Helper()
	log := new(testenv.Journal)
	deps.Logger = slog.New(slog.NewTextHandler(log, nil))
	if deps.Querier == nil {
		deps.Querier = fake{}
	}
	s, err := New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s, log
}

// insecure is a configuration that lets this machine in.
func insecure() Config {
	cfg := DefaultConfig()
	cfg.Listen = []Listen{{TCP: "127.0.0.1:0", Insecure: loopback}}
	return cfg
}

func base(s *Server) string { return "http://" + s.Addrs()[0].String() }

// send makes a request and reads the whole answer.
func send(t *testing.T, c *http.Client, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

const question = `{"query":"sip","ifaces":"any"}`

// wantProblem checks that an answer is problem+json with the status.
func wantProblem(t *testing.T, response *http.Response, body string, status int) *wire.Problem {
	t.Helper()
	var p wire.Problem
	if response.StatusCode != status || response.Header.Get("Content-Type") != wire.ProblemType {
		t.Errorf("status %d, type %q, want %d and %s: %s", response.StatusCode, response.Header.Get("Content-Type"), status, wire.ProblemType, body)
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Status != status || p.Detail == "" {
		t.Errorf("no problem: %v: %s", err, body)
	}
	return &p
}

func TestRoutes(t *testing.T) {
	registry := prometheus.NewRegistry()
	s, _ := start(t, insecure(), Deps{
		Registerer: registry, Gatherer: registry, Info: Info{Name: "weir-probe", Version: "1.2.3"},
		Extra: []Route{{"GET /status/{iface}", RoleQuery, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.PathValue("iface"))
		})}},
	})
	valid := "query=sip&ifaces=any"
	for _, test := range []struct {
		method, path, body string
		status             int
		contains           string
	}{
		{"GET", "/-/health", "", 200, `{"status":"healthy"}`},
		{"GET", "/-/ready", "", 200, `{"status":"ready"}`},
		{"GET", "/-/info", "", 200, `{"name":"weir-probe","version":"1.2.3"}`},
		{"POST", "/_query", question, 200, `"rows":[{"labels":{"iface":"eth0"}`},
		{"POST", "/_query/validate", question, 204, ""},
		{"GET", "/_query/validate?" + valid, "", 204, ""},
		{"GET", "/_query/validate?first=soon&" + valid, "", 422, `"location":"query.first"`},
		{"POST", "/_query/validate", `{"query":"sip","ifaces":"any","first":"soon"}`, 422, `"location":"body.first"`},
		{"POST", "/_query", `{"query":"sip","ifaces":"any","conditon":""}`, 422, `did you mean \"condition\"?`},
		{"POST", "/_query", `{`, 400, `"location":"body"`},
		{"GET", "/_catalog", "", 200, `"limits":{"rows":1000000,"concurrent":8,"timeout_ns":120000000000}`},
		{"GET", "/status/eth0", "", 200, "eth0"},
		{"GET", "/metrics", "", 200, "weir_api_requests_total"},
		{"GET", "/", "", 404, "no such path"},
		{"GET", "/_query", "", 405, "POST"},
		{"DELETE", "/-/health", "", 405, "GET"},
	} {
		response, body := send(t, http.DefaultClient, test.method, base(s)+test.path, test.body)
		if response.StatusCode != test.status || !strings.Contains(body, test.contains) {
			t.Errorf("%s %s: status %d, %s; want %d and %s", test.method, test.path, response.StatusCode, body, test.status, test.contains)
		}
		if test.status >= 400 {
			wantProblem(t, response, body, test.status)
		}
	}
	if got := testutil.ToFloat64(s.metrics.requests.WithLabelValues("POST /_query", "200")); got != 1 {
		t.Errorf("weir_api_requests_total of POST /_query with 200 is %v, want 1", got)
	}
	if got := testutil.ToFloat64(s.metrics.requests.WithLabelValues("none", "404")); got != 1 {
		t.Errorf("weir_api_requests_total of unknown paths is %v, want 1", got)
	}
}

func TestQueryOverTCPIsAudited(t *testing.T) {
	s, log := start(t, insecure(), Deps{})
	send(t, http.DefaultClient, "POST", base(s)+"/_query", `{"query":"sip","ifaces":"eth0","condition":"dport = 443","caller":"me\u001b[2J"}`)
	for _, part := range []string{"msg=query", "caller=insecure:127.0.0.1", "query=sip", "ifaces=eth0", `condition="dport = 443"`, "rows=1", "duration=", `client="me\x1b[2J"`} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log lacks %s: %s", part, log)
		}
	}
}

func TestGzip(t *testing.T) {
	s, _ := start(t, insecure(), Deps{Querier: fake{func(context.Context, *wire.Query, func(*wire.Result)) (*wire.Result, error) {
		return result(1000), nil
	}}})
	response, _ := send(t, http.DefaultClient, "POST", base(s)+"/_query", question, "Accept-Encoding", "gzip")
	if response.Header.Get("Content-Encoding") != "gzip" {
		t.Error("a large answer is not compressed")
	}
	response, body := send(t, http.DefaultClient, "POST", base(s)+"/_query", question)
	if !response.Uncompressed || strings.Count(body, `"br"`) < 1000 {
		t.Errorf("%d bytes, uncompressed: %v", len(body), response.Uncompressed)
	}
}

func TestErrorsOfTheQuerier(t *testing.T) {
	var answer error
	s, log := start(t, insecure(), Deps{Querier: fake{func(context.Context, *wire.Query, func(*wire.Result)) (*wire.Result, error) {
		if answer == nil {
			panic("secret inside")
		}
		return nil, answer
	}}})
	for _, test := range []struct {
		err    error
		status int
		part   string
	}{
		{wire.NewProblem(422, "too many groups"), 422, "too many groups"},
		{fmt.Errorf("group: %w", &wire.LimitError{What: "groups", Limit: 10, Remedy: "ask for less"}), 503, "more than 10 groups"},
		{fmt.Errorf("scan: %w", context.DeadlineExceeded), 503, "limit of 2m0s"},
		{errors.New("secret inside"), 500, "internal error"},
		{nil, 500, "internal error"},
	} {
		answer = test.err
		for _, path := range []string{"/_query", "/_query/sse"} {
			response, body := send(t, http.DefaultClient, "POST", base(s)+path, question)
			if p := wantProblem(t, response, body, test.status); !strings.Contains(p.Error(), test.part) {
				t.Errorf("%s: %v: %s", path, test.err, body)
			}
			if strings.Contains(body, "secret") {
				t.Errorf("the answer tells of the inside: %s", body)
			}
		}
	}
	if !strings.Contains(log.String(), "secret inside") {
		t.Error("the log does not tell why")
	}
	if response, _ := send(t, http.DefaultClient, "GET", base(s)+"/-/health", ""); response.StatusCode != 200 {
		t.Error("the server is not well after a panic")
	}
}

func TestLoopIsRefused(t *testing.T) {
	s, _ := start(t, insecure(), Deps{RuntimeID: "me"})
	for id, status := range map[string]int{"me": 400, "other": 200} {
		response, body := send(t, http.DefaultClient, "POST", base(s)+"/_query", question, "X-GOPROBE-RUNTIME-ID", id)
		if response.StatusCode != status {
			t.Errorf("runtime id %s: %d, want %d: %s", id, response.StatusCode, status, body)
		}
	}
}

func TestNamesInConditionsAreLookedUp(t *testing.T) {
	var asked string
	s, _ := start(t, insecure(), Deps{
		Lookup: func(_ context.Context, name string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("192.0.2.9")}, nil
		},
		Querier: fake{func(_ context.Context, q *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
			asked = q.Condition.String()
			return result(1), nil
		}},
	})
	response, body := send(t, http.DefaultClient, "POST", base(s)+"/_query", `{"query":"sip","ifaces":"any","condition":"sip = www.example.org"}`)
	if response.StatusCode != 200 || !strings.Contains(asked, "192.0.2.9") {
		t.Errorf("condition %q: %s", asked, body)
	}
}

// lines reads a stream line by line.
func lines(r io.Reader) []string {
	var list []string
	for scanner := bufio.NewScanner(r); scanner.Scan(); {
		list = append(list, scanner.Text())
	}
	return list
}

// pause lets the other end of a connection get on.
func pause() { <-time.After(5 * time.Millisecond) }
