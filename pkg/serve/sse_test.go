package serve

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"net/http/httptest"

	"github.com/weirflow/weir/pkg/wire"
)

func encoded(t *testing.T, r *wire.Result) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The framing is compared byte for byte: goProbe's reader takes no other.
func TestStreamFraming(t *testing.T) {
	s, _ := start(t, insecure(), Deps{Querier: fake{func(_ context.Context, _ *wire.Query, progress func(*wire.Result)) (*wire.Result, error) {
		progress(result(1))
		return result(2), nil
	}}})
	response, body := send(t, http.DefaultClient, "POST", base(s)+"/_query/sse", question+"\n", "Traceparent", parent)
	partial, final := result(1), result(2)
	partial.Summary.TraceID, final.Summary.TraceID = parent[3:35], parent[3:35]
	want := "event: partialResult\ndata: " + encoded(t, partial) + "\n\nevent: finalResult\ndata: " + encoded(t, final) + "\n\n"
	if body != want {
		t.Errorf("got  %q\nwant %q", body, want)
	}
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("status %d, type %q", response.StatusCode, response.Header.Get("Content-Type"))
	}
	if strings.Contains(body, "\r") {
		t.Error("there are carriage returns")
	}
}

func TestStreamErrorAfterPartial(t *testing.T) {
	s, _ := start(t, insecure(), Deps{Querier: fake{func(_ context.Context, _ *wire.Query, progress func(*wire.Result)) (*wire.Result, error) {
		progress(result(1))
		return nil, errors.New("disk on fire")
	}}})
	response, body := send(t, http.DefaultClient, "POST", base(s)+"/_query/sse", question)
	list := lines(strings.NewReader(body))
	if response.StatusCode != 200 || len(list) != 6 || list[3] != "event: queryError" ||
		!strings.HasPrefix(list[4], `data: {"title":"Internal Server Error","status":500,"detail":"internal error`) {
		t.Errorf("%d: %q", response.StatusCode, list)
	}
}

func TestStreamFaultsAreProblems(t *testing.T) {
	s, _ := start(t, insecure(), Deps{})
	response, body := send(t, http.DefaultClient, "POST", base(s)+"/_query/sse", `{"query":"sip","ifaces":"any","condition":"dport = foo"}`)
	if p := wantProblem(t, response, body, 422); p.Errors[0].Location != "body.condition" || p.Errors[0].Position == nil {
		t.Errorf("%+v", p)
	}
}

func TestStreamKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		e := startEvents(t.Context(), w, 2*time.Second)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if err := e.finish(result(0)); err != nil {
			t.Fatal(err)
		}
		e.stop()
		time.Sleep(time.Minute)
		want := ": ping\n\n: ping\n\nevent: finalResult\ndata: " + encoded(t, result(0)) + "\n\n"
		if got := w.Body.String(); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

func TestStreamKeepAliveBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for asked, pings := range map[time.Duration]int{0: 4, 1: 600, time.Hour: 0} {
			w := httptest.NewRecorder()
			e := startEvents(t.Context(), w, asked)
			time.Sleep(time.Minute + time.Millisecond)
			synctest.Wait()
			e.stop()
			if got := strings.Count(w.Body.String(), ": ping\n\n"); got != pings {
				t.Errorf("keepalive %v: %d signs of life in a minute, want %d", asked, got, pings)
			}
		}
	})
}

// After a panic of the querier nothing may be written to the connection any more.
func TestStreamPanicStopsKeepAlive(t *testing.T) {
	s, _ := start(t, insecure(), Deps{Querier: fake{func(context.Context, *wire.Query, func(*wire.Result)) (*wire.Result, error) {
		panic("at once")
	}}})
	response, body := send(t, http.DefaultClient, "POST", base(s)+"/_query/sse", `{"query":"sip","ifaces":"any","keepalive":1}`)
	wantProblem(t, response, body, 500)
}
