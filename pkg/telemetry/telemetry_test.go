package telemetry

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// collecting is a collector that reads exports with OTLP's own definitions, and fails as often as it is told to.
type collecting struct {
	t       *testing.T
	mu      sync.Mutex
	fail    int
	asked   int
	headers http.Header
	spans   []*otlp.Span
	export  *collector.ExportTraceServiceRequest
}

func (c *collecting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	c.headers = r.Header
	if c.fail > 0 {
		c.fail--
		w.Header().Set("Retry-After", "1")
		http.Error(w, "not now\nsecret", http.StatusServiceUnavailable)
		return
	}
	body, _ := io.ReadAll(r.Body)
	c.export = new(collector.ExportTraceServiceRequest)
	if err := protojson.Unmarshal(body, c.export); err != nil || r.URL.Path != "/v1/traces" {
		c.t.Errorf("%s: %v: %s", r.URL.Path, err, body)
		return
	}
	for _, rs := range c.export.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			c.spans = append(c.spans, ss.Spans...)
		}
	}
}

// identity undoes what protojson makes of an identity: it takes the hexadecimal digits for base64.
func identity(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func TestExport(t *testing.T) {
	c := &collecting{t: t, fail: 1}
	server := httptest.NewServer(c)
	defer server.Close()
	cfg := DefaultConfig()
	cfg.Endpoint, cfg.Headers = server.URL+"/", map[string]string{"X-Scope": "weir"}
	tel, err := New(cfg, Deps{Logger: slog.New(slog.DiscardHandler), Resource: Resource{"weir-probe", "1.2.3", "alpha", "id"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, root := tel.Provider().Tracer("test").Start(t.Context(), "query", trace.WithSpanKind(trace.SpanKindServer))
	_, child := tel.Provider().Tracer("test").Start(ctx, "scan \xff", trace.WithAttributes(attribute.Int64("rows", 1<<62),
		attribute.Bool("live", true), attribute.String("iface", "eth0\xff")))
	child.SetStatus(codes.Error, "gone")
	child.End()
	root.End()
	if err := tel.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(c.spans) != 2 || c.asked != 2 || c.headers.Get("X-Scope") != "weir" {
		t.Fatalf("%d spans in %d exports, headers %v", len(c.spans), c.asked, c.headers)
	}
	scan, query := c.spans[0], c.spans[1]
	if got := identity(scan.TraceId); got != root.SpanContext().TraceID().String() || identity(scan.ParentSpanId) != root.SpanContext().SpanID().String() {
		t.Errorf("trace %s, parent %s", got, identity(scan.ParentSpanId))
	}
	if _, err := hex.DecodeString(identity(scan.SpanId)); err != nil {
		t.Errorf("span id: %v", err)
	}
	if query.Kind != otlp.Span_SPAN_KIND_SERVER || scan.Status.Code != otlp.Status_STATUS_CODE_ERROR || scan.Status.Message != "gone" {
		t.Errorf("kind %v, status %v", query.Kind, scan.Status)
	}
	if scan.EndTimeUnixNano < scan.StartTimeUnixNano || time.Since(time.Unix(0, int64(scan.StartTimeUnixNano))) > time.Minute {
		t.Errorf("from %d to %d", scan.StartTimeUnixNano, scan.EndTimeUnixNano)
	}
	if a := scan.Attributes; len(a) != 3 || a[0].Value.GetIntValue() != 1<<62 || !a[1].Value.GetBoolValue() || a[2].Value.GetStringValue() != "eth0?" {
		t.Errorf("attributes %v", a)
	}
	if r := c.export.ResourceSpans[0].Resource.Attributes; r[2].Key != "service.name" || r[2].Value.GetStringValue() != "weir-probe" {
		t.Errorf("resource %v", r)
	}
}

// A collector that is not there costs spans and one line of the log, and nothing else.
func TestCollectorAway(t *testing.T) {
	var log bytes.Buffer
	cfg := DefaultConfig()
	cfg.Endpoint = "http://127.0.0.1:1"
	tel, err := New(cfg, Deps{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, s := tel.Provider().Tracer("test").Start(t.Context(), "query")
		s.End()
		_ = tel.provider.ForceFlush(t.Context())
	}
	if err := tel.Close(t.Context()); err != nil || strings.Count(log.String(), "traces are not exported") != 1 {
		t.Errorf("%v: %s", err, &log)
	}
}

func TestNothingWithoutEndpoint(t *testing.T) {
	tel, err := New(DefaultConfig(), Deps{})
	if tel != nil || err != nil || tel.Provider() != nil || tel.Close(context.Background()) != nil {
		t.Errorf("%v, %v", tel, err)
	}
}

func TestValidate(t *testing.T) {
	secret := map[string]string{"Authorization": "Bearer x"}
	for _, test := range []struct {
		cfg  Config
		part string
	}{
		{Config{Endpoint: "https://collector:4318", Headers: secret, SampleRatio: 1}, ""},
		{Config{Endpoint: "http://localhost:4318", Headers: secret}, ""},
		{Config{Endpoint: "http://192.0.2.1:4318", Headers: secret}, "unencrypted"},
		{Config{Endpoint: "collector:4318"}, "expected the URL"},
		{Config{Endpoint: "http://user:password@c:4318"}, "expected the URL"},
		{Config{SampleRatio: 1.5}, "between 0 and 1"},
	} {
		err := errors.Join(test.cfg.Validate())
		if (err == nil) != (test.part == "") || err != nil && (!strings.Contains(err.Error(), test.part) || strings.Contains(err.Error(), "password")) {
			t.Errorf("%+v: %v", test.cfg, err)
		}
	}
}
