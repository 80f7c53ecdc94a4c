package serve

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

// journal keeps what is logged.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

var loopback = &Insecure{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}

// start runs a server until the test ends and returns it with its log.
func start(t *testing.T, cfg Config, deps Deps) (*Server, *journal) {
	t.Helper()
	log := new(journal)
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

func TestRowsLimit(t *testing.T) {
	cfg := insecure()
	cfg.Limits.Rows = 10
	s, _ := start(t, cfg, Deps{Querier: fake{func(_ context.Context, q *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
		r := result(int(min(q.Limit, 50)))
		r.Summary.Hits.Total = 50
		return r, nil
	}}})
	for body, cut := range map[string]bool{`{"query":"sip","ifaces":"any","num_results":5}`: false, `{"query":"sip","ifaces":"any","num_results":4294967295}`: true} {
		_, text := send(t, http.DefaultClient, "POST", base(s)+"/_query", body)
		var r wire.Result
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		if got := r.Status.State == wire.StatePartial; got != cut || len(r.Rows) > 10 {
			t.Errorf("%s: %d rows, status %+v", body, len(r.Rows), r.Status)
		}
	}
}

func TestBodyLimit(t *testing.T) {
	s, _ := start(t, insecure(), Deps{})
	body := `{"query":"sip","ifaces":"any","caller":"` + strings.Repeat("a", wire.DefaultBodyLimit) + `"}`
	response, text := send(t, http.DefaultClient, "POST", base(s)+"/_query", body)
	wantProblem(t, response, text, http.StatusRequestEntityTooLarge)
}

// until polls a condition that another goroutine brings about.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}

func TestConcurrencyLimit(t *testing.T) {
	cfg := insecure()
	cfg.Limits.Concurrent, cfg.Limits.Queue = 1, 20*time.Millisecond
	entered, leave := make(chan struct{}), make(chan struct{})
	s, _ := start(t, cfg, Deps{Querier: fake{func(context.Context, *wire.Query, func(*wire.Result)) (*wire.Result, error) {
		entered <- struct{}{}
		<-leave
		return result(1), nil
	}}})
	first := make(chan int, 1)
	go func() {
		response, err := http.Post(base(s)+"/_query", "application/json", strings.NewReader(question))
		if err != nil {
			first <- 0
			return
		}
		response.Body.Close()
		first <- response.StatusCode
	}()
	<-entered
	response, body := send(t, http.DefaultClient, "POST", base(s)+"/_query", question)
	wantProblem(t, response, body, http.StatusServiceUnavailable)
	if response.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	close(leave)
	if got := <-first; got != 200 {
		t.Errorf("the first query got %d", got)
	}
}

func TestRateLimit(t *testing.T) {
	cfg := insecure()
	cfg.Limits.Rate, cfg.Limits.Burst = 0.5, 2
	clock := time.Unix(1790000000, 0)
	s, _ := start(t, cfg, Deps{Now: func() time.Time { return clock }})
	ask := func() *http.Response {
		response, _ := send(t, http.DefaultClient, "POST", base(s)+"/_query", question)
		return response
	}
	for i, want := range []int{200, 200, 429, 429} {
		response := ask()
		if response.StatusCode != want {
			t.Errorf("query %d got %d, want %d", i, response.StatusCode, want)
		}
		if want == 429 && response.Header.Get("Retry-After") != "2" {
			t.Errorf("Retry-After is %q, want 2", response.Header.Get("Retry-After"))
		}
	}
	clock = clock.Add(2 * time.Second)
	if got := ask().StatusCode; got != 200 {
		t.Errorf("after the time that Retry-After names: %d", got)
	}
}

func TestDisconnectCancelsTheQuery(t *testing.T) {
	for _, path := range []string{"/_query", "/_query/sse"} {
		entered, cancelled := make(chan struct{}), make(chan struct{})
		s, _ := start(t, insecure(), Deps{Querier: fake{func(ctx context.Context, _ *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
			close(entered)
			<-ctx.Done()
			close(cancelled)
			return nil, ctx.Err()
		}}})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-entered; cancel() }()
		r, _ := http.NewRequestWithContext(ctx, "POST", base(s)+path, strings.NewReader(question))
		if response, err := http.DefaultClient.Do(r); err == nil {
			response.Body.Close()
		}
		select {
		case <-cancelled:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the query goes on although its caller is gone", path)
		}
	}
}

func TestQueryTimeout(t *testing.T) {
	cfg := insecure()
	cfg.Limits.Timeout = 10 * time.Millisecond
	s, _ := start(t, cfg, Deps{Querier: fake{func(ctx context.Context, _ *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}})
	response, body := send(t, http.DefaultClient, "POST", base(s)+"/_query", question)
	wantProblem(t, response, body, http.StatusServiceUnavailable)
}

// A caller that sends its header, or its body, drop by drop is cut off.
func TestSlowLoris(t *testing.T) {
	cfg := insecure()
	cfg.Limits.Header = 50 * time.Millisecond
	s, _ := start(t, cfg, Deps{})
	for name, beginning := range map[string]string{
		"header": "POST /_query HTTP/1.1\r\nHost: x\r\nX-Drop:",
		"body":   "POST /_query HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
	} {
		c, err := net.Dial("tcp", s.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, beginning)
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		answer, err := io.ReadAll(c)
		if err != nil {
			t.Errorf("slow %s: the connection is still open: %v", name, err)
		}
		if name == "body" && !bytes.HasPrefix(answer, []byte("HTTP/1.1 400")) {
			t.Errorf("slow %s: %.100s", name, answer)
		}
	}
	if response, _ := send(t, http.DefaultClient, "POST", base(s)+"/_query", question); response.StatusCode != 200 {
		t.Error("others are affected")
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

// Every query that goProbe's own clients were seen to send gets an answer from an insecure listener.
func TestRecordedRequests(t *testing.T) {
	folder := testenv.Shared(t, "goprobe-v4-clients")
	files, err := filepath.Glob(filepath.Join(folder, "*.request.txt"))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := start(t, insecure(), Deps{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("192.0.2.9")}, nil
	}})
	queries := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for one := range strings.SplitSeq(string(text), "\n----\n") {
			one = strings.ReplaceAll(one, "\r", "")
			head, body, _ := strings.Cut(strings.TrimLeft(one, "\n"), "\n\n")
			line, headers, _ := strings.Cut(head, "\n")
			method, rest, _ := strings.Cut(line, " ")
			path, _, _ := strings.Cut(rest, " ")
			if method != "POST" || path != "/_query" && path != "/_query/sse" {
				continue
			}
			queries++
			r, err := http.NewRequestWithContext(t.Context(), method, base(s)+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			for header := range strings.SplitSeq(headers, "\n") {
				if name, value, ok := strings.Cut(header, ": "); ok && name != "Host" && name != "Content-Length" {
					r.Header.Set(name, value)
				}
			}
			response, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			answer, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Errorf("%s: %d: %s", filepath.Base(file), response.StatusCode, answer)
			}
			if path == "/_query/sse" && !strings.HasPrefix(string(answer), "event: finalResult\ndata: {") {
				t.Errorf("%s: %.100s", filepath.Base(file), answer)
			}
		}
	}
	if queries < 60 {
		t.Errorf("only %d queries were found", queries)
	}
}

func TestShutdown(t *testing.T) {
	cfg := insecure()
	cfg.Limits.Shutdown = 20 * time.Millisecond
	entered := make(chan struct{})
	log := slog.New(slog.DiscardHandler)
	s, err := New(cfg, Deps{Logger: log, Querier: fake{func(ctx context.Context, _ *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
		close(entered)
		<-ctx.Done() // ends only when told to
		return nil, ctx.Err()
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	go func() {
		if response, err := http.Post(base(s)+"/_query", "application/json", strings.NewReader(question)); err == nil {
			response.Body.Close()
		}
	}()
	<-entered
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a query that hangs keeps the server from ending")
	}
	if c, err := net.Dial("tcp", s.Addrs()[0].String()); err == nil {
		c.Close()
		t.Error("the listener is still open")
	}
}

func TestHandlerAsAdmin(t *testing.T) {
	s, err := New(DefaultConfig(), Deps{Querier: fake{}, Logger: slog.New(slog.DiscardHandler),
		Extra: []Route{{"PUT /config", RoleAdmin, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}}})
	if err != nil {
		t.Fatal(err)
	}
	for want, h := range map[int]http.Handler{200: s.Handler(), 403: s} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("PUT", "/config", nil))
		if w.Code != want {
			t.Errorf("PUT /config by %T: %d, want %d", h, w.Code, want)
		}
	}
}

func TestNewRefusesBadRoutes(t *testing.T) {
	handler := http.NotFoundHandler()
	for name, extra := range map[string][]Route{
		"no role":  {{"GET /x", "", handler}},
		"conflict": {{"POST /_query", RoleQuery, handler}},
		"pattern":  {{"GET {", RoleQuery, handler}},
	} {
		if _, err := New(DefaultConfig(), Deps{Querier: fake{}, Logger: slog.New(slog.DiscardHandler), Extra: extra}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(DefaultConfig(), Deps{}); err == nil {
		t.Error("a server without querier is accepted")
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
