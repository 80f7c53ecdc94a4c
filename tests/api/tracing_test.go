//go:build linux

package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/span"
	"github.com/weirflow/weir/pkg/wire"
)

// A trace runs from the asker through request and engine down to what is read of each interface.
func TestTraceFromAskerToInterface(t *testing.T) {
	memory := tracetest.NewInMemoryExporter()
	r := newRig(t, options{traces: sdk.NewTracerProvider(sdk.WithSyncer(memory))})
	c, err := client.New(client.Config{URL: r.query}, client.Deps{Now: func() time.Time { return present }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	ctx := span.WithParent(t.Context(), "00-"+id+"-00f067aa0ba902b7-01")
	result, err := c.Query(ctx, &wire.Request{Query: "sip", Ifaces: "eth0,vetha", First: "-1h"})
	if err != nil || result.Summary.TraceID != id {
		t.Fatalf("trace %s, %v", result.Summary.TraceID, err)
	}
	parents := map[string]string{} // name of the parent, by name and interface
	for range 6000 {
		spans := memory.GetSpans()
		names := map[string]string{}
		for _, s := range spans {
			names[s.SpanContext.SpanID().String()] = s.Name
		}
		for _, s := range spans {
			if s.SpanContext.TraceID().String() != id {
				continue // the client's question who the server is, within the same trace or not
			}
			name := s.Name
			for _, a := range s.Attributes {
				if a.Key == "weir.iface" {
					name += " " + a.Value.AsString()
				}
			}
			parents[name] = names[s.Parent.SpanID().String()]
		}
		if _, ended := parents["POST /_query"]; ended {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	for name, parent := range map[string]string{"POST /_query": "", "engine": "POST /_query", "interface eth0": "engine", "interface vetha": "engine"} {
		if got, ok := parents[name]; !ok || got != parent {
			t.Errorf("%s is below %q (%v), want %q", name, got, ok, parent)
		}
	}
	r.wantLogged(t, "trace="+id)
	if answer := send(t, http.DefaultClient, "POST", r.query+"/_query", "{"); !strings.HasPrefix(answer.header.Get("Traceresponse"), "00-") {
		t.Error("an error belongs to no trace")
	}
}
