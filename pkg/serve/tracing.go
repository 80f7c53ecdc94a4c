package serve

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/weirflow/weir/pkg/span"
)

// maxSpans bounds the spans of one request: a query over a year would make one for each of its segments.
const maxSpans = 256

// traceHeader tells the caller which trace its request belongs to (W3C Trace Context, level 2).
const traceHeader = "Traceresponse"

// tracer makes the spans of requests; without an exporter they are not recorded, and still have their identity.
func tracer(provider trace.TracerProvider) trace.Tracer {
	if provider == nil {
		provider = noop.NewTracerProvider()
	}
	return provider.Tracer("github.com/weirflow/weir/pkg/serve")
}

// traced makes the request part of the trace that its traceparent names, or of a new one. Every request has a trace
// identity, which stands in its answer and in the log; end takes the status code of the answer.
func (s *Server) traced(w http.ResponseWriter, r *http.Request, route string, who caller) (_ *http.Request, end func(code int)) {
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, root := s.tracer.Start(ctx, route, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("http.route", route),
		attribute.String("enduser.id", who.name)))
	if root.IsRecording() {
		ctx = span.With(ctx, &recorder{tracer: s.tracer, root: root})
	} else {
		ctx = trace.ContextWithSpanContext(ctx, unrecorded(root.SpanContext()))
	}
	id := trace.SpanContextFromContext(ctx)
	parent := fmt.Sprintf("00-%s-%s-%s", id.TraceID(), id.SpanID(), id.TraceFlags())
	w.Header().Set(traceHeader, parent)
	return r.WithContext(span.WithParent(ctx, parent)), func(code int) {
		root.SetAttributes(attribute.Int("http.response.status_code", code))
		if code >= http.StatusInternalServerError {
			root.SetStatus(codes.Error, http.StatusText(code))
		}
		root.End()
	}
}

// unrecorded is a position in the trace for a span that nobody records.
func unrecorded(parent trace.SpanContext) trace.SpanContext {
	var id trace.SpanID
	_, _ = rand.Read(id[:]) // never fails, see its documentation
	traceID := parent.TraceID()
	if !traceID.IsValid() {
		_, _ = rand.Read(traceID[:])
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: id, TraceFlags: parent.TraceFlags()})
}

// traceID is the identity of the request's trace.
func traceID(ctx context.Context) string { return trace.SpanContextFromContext(ctx).TraceID().String() }

// recorder hands the spans of one request to OpenTelemetry, up to a number.
type recorder struct {
	tracer trace.Tracer
	root   trace.Span
	spans  atomic.Int64
}

func (r *recorder) Start(ctx context.Context, name string) (context.Context, span.Sink) {
	if n := r.spans.Add(1); n > maxSpans {
		r.root.SetAttributes(attribute.Int64("weir.spans_omitted", n-maxSpans))
		return ctx, recorded{noop.Span{}}
	}
	ctx, s := r.tracer.Start(ctx, name)
	id := s.SpanContext()
	return span.WithParent(ctx, fmt.Sprintf("00-%s-%s-%s", id.TraceID(), id.SpanID(), id.TraceFlags())), recorded{s}
}

// recorded is a span of OpenTelemetry.
type recorded struct{ trace.Span }

func (s recorded) Text(key, value string) {
	s.SetAttributes(attribute.String("weir."+key, clip(value)))
}
func (s recorded) Int(key string, value int64) { s.SetAttributes(attribute.Int64("weir."+key, value)) }

func (s recorded) End(err error) {
	if err != nil {
		s.SetStatus(codes.Error, clip(err.Error()))
	}
	s.Span.End()
}
