package client

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

func kindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

func TestStatusErrors(t *testing.T) {
	problem := `{"title":"Unprocessable Entity","status":422,"detail":"the query is not valid","errors":[{"message":"unknown attribute","location":"body.query"}]}`
	for _, test := range []struct {
		status     int
		kind       string
		body, text string
		want       Kind
	}{
		{422, wire.ProblemType, problem, "body.query: unknown attribute", KindUser},
		{400, wire.ProblemType + "; charset=utf-8", problem, "unknown attribute", KindUser},
		{400, "text/plain", "", "unexpected status 400", KindProtocol},
		{401, wire.ProblemType, `{}`, "authentication", KindAuth},
		{403, "text/plain", "no", "forbids", KindAuth},
		{404, "text/plain", "404 page not found", "404 page not found", KindProtocol},
		{413, wire.ProblemType, problem, "refused", KindUser},
		{429, "", "", "overloaded", KindServer},
		{503, wire.ProblemType, `{"status":503,"detail":"8 queries are running"}`, "8 queries are running", KindServer},
		{500, "text/html", "<h1>\x1b[2Joops</h1>\nmore", "status 500: <h1>[2Joops</h1>", KindServer},
		{418, "", "", "unexpected status 418", KindProtocol},
		{200, "text/html", "<html>", "not what the API says", KindProtocol},
		{200, "application/json", `{"status":{"code":7}}`, "not what the API says", KindProtocol},
		{200, "application/json", `{"rows":[`, "closed before", KindProtocol},
	} {
		_, c := serving(t, routes{"POST /_query": says(test.status, test.kind, test.body)})
		_, err := c.Query(t.Context(), question)
		if kindOf(err) != test.want || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%d %s: %s %v; want %s and %q", test.status, test.body, kindOf(err), err, test.want, test.text)
		}
		var p *wire.Problem
		if strings.HasPrefix(test.kind, wire.ProblemType) && !errors.As(err, &p) {
			t.Errorf("%d: the problem is lost", test.status)
		}
	}
}

func TestTransportErrors(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := closed.Addr().String()
	closed.Close()
	secure := httptest.NewUnstartedServer(routes{})
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what is tested
	secure.StartTLS()
	defer secure.Close()
	clear := httptest.NewServer(routes{})
	defer clear.Close()
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	block := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-block:
		case <-r.Context().Done():
		}
	}))
	defer hanging.Close()
	defer close(block)

	for _, test := range []struct {
		cfg  Config
		kind Kind
		text string
		hint string
	}{
		{Config{URL: refused}, KindRefused, "connection refused", "is weir-probe running on 127.0.0.1"},
		{Config{URL: "http://name.invalid"}, KindUnreachable, "name.invalid", "check the name"},
		{Config{URL: "unix:" + filepath.Join(t.TempDir(), "x")}, KindUnreachable, "no such socket", "is weir-probe running"},
		{Config{URL: secure.URL}, KindTLS, "unknown authority", "configure the CA"},
		{Config{URL: secure.URL, TLS: TLS{CA: authority, ServerName: "other.example.org"}}, KindTLS, "another name", "server name"},
		{Config{URL: strings.Replace(clear.URL, "http", "https", 1)}, KindTLS, "does not speak TLS", "http://"},
		{Config{URL: hanging.URL, Timeout: 20 * time.Millisecond}, KindTimeout, "no answer in time", "firewall"},
		{Config{URL: secure.URL, TLS: TLS{CA: authority}}, "", "", ""},
		{Config{URL: secure.URL, TLS: TLS{SkipVerify: true}}, "", "", ""},
	} {
		_, err := dial(t, test.cfg).Info(t.Context())
		if test.kind == "" {
			if err != nil {
				t.Errorf("%+v: %v", test.cfg.URL, err)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.Kind != test.kind || !strings.Contains(e.Text, test.text) || !strings.Contains(e.Hint, test.hint) {
			t.Errorf("%s: %#v; want %s, %q, %q", test.cfg.URL, err, test.kind, test.text, test.hint)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dial(t, Config{URL: hanging.URL}).Info(ctx); kindOf(err) != KindCanceled || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestBadTLSConfig(t *testing.T) {
	for name, cfg := range map[string]TLS{"ca": {CA: "nonsense"}, "pair": {Certificate: "c", Key: "k"}, "no key": {Certificate: "c"}} {
		if _, err := New(Config{URL: "https://probe", TLS: cfg}, Deps{}); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
