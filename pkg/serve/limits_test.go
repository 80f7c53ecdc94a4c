package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

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
		case <-time.After(time.Minute):
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
	cfg.Limits.Header = 2 * time.Second // what a machine may stand still without those being cut off that send all at once
	s, _ := start(t, cfg, Deps{})
	var callers sync.WaitGroup
	for name, beginning := range map[string]string{
		"header": "POST /_query HTTP/1.1\r\nHost: x\r\nX-Drop:",
		"body":   "POST /_query HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
	} {
		callers.Go(func() {
			c, err := net.Dial("tcp", s.Addrs()[0].String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			io.WriteString(c, beginning)
			c.SetReadDeadline(time.Now().Add(time.Minute))
			answer, err := io.ReadAll(c)
			if err != nil {
				t.Errorf("slow %s: the connection is still open: %v", name, err)
			}
			if name == "body" && !bytes.HasPrefix(answer, []byte("HTTP/1.1 400")) {
				t.Errorf("slow %s: %.100s", name, answer)
			}
		})
	}
	callers.Wait()
	if response, _ := send(t, http.DefaultClient, "POST", base(s)+"/_query", question); response.StatusCode != 200 {
		t.Error("others are affected")
	}
}
