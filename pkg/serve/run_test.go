package serve

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

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
