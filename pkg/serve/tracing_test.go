package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/weirflow/weir/pkg/span"
	"github.com/weirflow/weir/pkg/wire"
)

// parent is a header of the W3C's specification.
const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// scanning is a querier that says what it does, and which parent its own requests would name.
func scanning(n int, onward *string) fake {
	return fake{func(ctx context.Context, _ *wire.Query, _ func(*wire.Result)) (*wire.Result, error) {
		*onward = span.Parent(ctx)
		for range n {
			_, s := span.Start(ctx, "scan")
			s.Text("iface", "eth0")
			s.Int("rows", 7)
			s.End(errors.New("gone"))
		}
		return result(1), nil
	}}
}

func traceOf(t *testing.T, body string) string {
	t.Helper()
	var r wire.Result
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return r.Summary.TraceID
}

// Without an exporter a request still belongs to a trace: its caller's, or a new one.
func TestTraceIdentity(t *testing.T) {
	var onward string
	s, log := start(t, insecure(), Deps{Querier: scanning(1, &onward)})
	seen := map[string]bool{}
	for _, test := range []struct{ name, header, want string }{
		{"none", "", ""}, {"again none", "", ""}, {"given", parent, parent[3:35]},
		{"invalid", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", ""},
		{"garbage", strings.Repeat("x", 10000), ""}, {"cut", parent[:40], ""},
	} {
		response, body := send(t, http.DefaultClient, "POST", base(s)+"/_query", question, "Traceparent", test.header)
		id := traceOf(t, body)
		if len(id) != 32 || seen[id] || test.want != "" && id != test.want || strings.Trim(id, "0") == "" {
			t.Errorf("%s: trace id %q", test.name, id)
		}
		seen[id] = true
		if got := response.Header.Get("Traceresponse"); !strings.HasPrefix(got, "00-"+id+"-") || got != onward || got == test.header {
			t.Errorf("%s: traceresponse %q, onward %q", test.name, got, onward)
		}
		if !strings.Contains(log.String(), "trace="+id) {
			t.Errorf("%s: the audit line lacks the trace", test.name)
		}
	}
	for _, path := range []string{"/_query/validate", "/no/such/path"} {
		if response, _ := send(t, http.DefaultClient, "POST", base(s)+path, "{", "Traceparent", parent); !strings.Contains(response.Header.Get("Traceresponse"), parent[3:35]) {
			t.Errorf("%s: an error has no trace", path)
		}
	}
	if response, _ := send(t, http.DefaultClient, "GET", base(s)+"/-/health", ""); response.Header.Get("Traceresponse") != "" {
		t.Error("health checks are traced")
	}
}

func TestSpans(t *testing.T) {
	memory := tracetest.NewInMemoryExporter()
	var onward string
	s, _ := start(t, insecure(), Deps{Querier: scanning(2, &onward), Traces: sdk.NewTracerProvider(sdk.WithSyncer(memory))})
	_, body := send(t, http.DefaultClient, "POST", base(s)+"/_query", question, "Traceparent", parent)
	if got := traceOf(t, body); got != parent[3:35] {
		t.Errorf("trace id %s", got)
	}
	spans := waitForSpans(t, memory, 3)
	root, scan := spans[2], spans[0]
	if root.Name != "POST /_query" || root.Parent.SpanID().String() != "00f067aa0ba902b7" || !root.Parent.IsRemote() {
		t.Errorf("root %s below %s", root.Name, root.Parent.SpanID())
	}
	if scan.Name != "scan" || scan.Parent.SpanID() != root.SpanContext.SpanID() || scan.Status.Description != "gone" {
		t.Errorf("scan %+v", scan)
	}
	if !slices.Equal(attributes(scan), []string{"weir.iface=eth0", "weir.rows=7"}) {
		t.Errorf("scan has %q", attributes(scan))
	}
	for _, want := range []string{"http.route=POST /_query", "enduser.id=insecure:127.0.0.1", "http.response.status_code=200"} {
		if !slices.Contains(attributes(root), want) {
			t.Errorf("root lacks %s: %q", want, attributes(root))
		}
	}
	if !strings.Contains(onward, root.SpanContext.SpanID().String()) {
		t.Errorf("onward %s", onward)
	}
}

func TestSpansAreBounded(t *testing.T) {
	memory := tracetest.NewInMemoryExporter()
	var onward string
	s, _ := start(t, insecure(), Deps{Querier: scanning(1000, &onward), Traces: sdk.NewTracerProvider(sdk.WithSyncer(memory))})
	send(t, http.DefaultClient, "POST", base(s)+"/_query", question)
	spans := waitForSpans(t, memory, maxSpans+1)
	if root := spans[maxSpans]; len(spans) != maxSpans+1 || !slices.Contains(attributes(root), "weir.spans_omitted=744") {
		t.Errorf("%d spans, root has %q", len(spans), attributes(root))
	}
}

// waitForSpans waits for the root span, which ends after its answer.
func waitForSpans(t *testing.T, memory *tracetest.InMemoryExporter, n int) tracetest.SpanStubs {
	t.Helper()
	for range 1000 {
		if spans := memory.GetSpans(); len(spans) >= n {
			return spans
		}
		pause()
	}
	t.Fatalf("%d spans, want %d", len(memory.GetSpans()), n)
	return nil
}

func attributes(s tracetest.SpanStub) (list []string) {
	for _, a := range s.Attributes {
		list = append(list, string(a.Key)+"="+a.Value.String())
	}
	return list
}
