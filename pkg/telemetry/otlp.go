package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// exporter sends spans to a collector, as OTLP 1 has it: a POST of JSON, in which identities are hexadecimal and 64-bit
// integers are texts (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding").
type exporter struct {
	url     string
	headers map[string]string
	deps    Deps

	mu     sync.Mutex
	failed time.Time // when a failure was logged last
}

// complainEvery is how often the log tells that the collector does not take spans.
const complainEvery = 5 * time.Minute

// ExportSpans is part of sdk.SpanExporter; the SDK never calls it concurrently. Spans that the collector does not take
// are lost: they are no reason to hold on to memory.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	body, err := json.Marshal(export(spans))
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	wait, err := e.post(ctx, body)
	if err != nil && wait > 0 {
		select {
		case <-time.After(wait):
			_, err = e.post(ctx, body)
		case <-ctx.Done():
		}
	}
	if err != nil {
		e.complain(err, len(spans))
	}
	return nil // reported here: the SDK would only print it to standard error
}

// Shutdown is part of sdk.SpanExporter.
func (e *exporter) Shutdown(context.Context) error {
	e.deps.Client.CloseIdleConnections()
	return nil
}

// post sends a batch; wait is when it may be repeated, 0 where that is no use.
func (e *exporter) post(ctx context.Context, body []byte) (wait time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for name, value := range e.headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := e.deps.Client.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 4<<10)) // only to explain
	switch response.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return 0, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		wait = time.Second
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
			wait = min(time.Duration(seconds)*time.Second, exportTimeout/2)
		}
	}
	return wait, errors.New(strings.TrimSpace(response.Status + " " + firstLine(string(text))))
}

func firstLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return strconv.QuoteToGraphic(text[:min(len(text), 200)])
}

func (e *exporter) complain(err error, spans int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := time.Now(); now.Sub(e.failed) >= complainEvery {
		e.failed = now
		e.deps.Logger.Warn("traces are not exported", "collector", e.url, "spans", spans, "error", err)
	}
}

// The messages of OTLP, as far as they are used.
type (
	request struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   attributed   `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	attributed struct {
		Attributes []keyValue `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope  `json:"scope"`
		Spans []span `json:"spans"`
	}
	scope struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	span struct {
		TraceID           string     `json:"traceId"`
		SpanID            string     `json:"spanId"`
		ParentSpanID      string     `json:"parentSpanId,omitempty"`
		TraceState        string     `json:"traceState,omitempty"`
		Flags             uint32     `json:"flags,omitempty"`
		Name              string     `json:"name"`
		Kind              int        `json:"kind"`
		StartTimeUnixNano string     `json:"startTimeUnixNano"`
		EndTimeUnixNano   string     `json:"endTimeUnixNano"`
		Attributes        []keyValue `json:"attributes,omitempty"`
		Status            status     `json:"status"`
	}
	status struct {
		Message string `json:"message,omitempty"`
		Code    int    `json:"code,omitempty"`
	}
	keyValue struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

// export makes one message of a batch. The spans of a program have one resource.
func export(spans []sdk.ReadOnlySpan) request {
	var scopes []scopeSpans
	for _, s := range spans {
		name := scope{Name: s.InstrumentationScope().Name, Version: s.InstrumentationScope().Version}
		if len(scopes) == 0 || scopes[len(scopes)-1].Scope != name {
			scopes = append(scopes, scopeSpans{Scope: name})
		}
		last := &scopes[len(scopes)-1]
		last.Spans = append(last.Spans, exportSpan(s))
	}
	return request{[]resourceSpans{{attributed{keyValues(spans[0].Resource().Attributes())}, scopes}}}
}

// statusCodes are OTLP's numbers of the SDK's codes.
var statusCodes = map[codes.Code]int{codes.Unset: 0, codes.Ok: 1, codes.Error: 2}

func exportSpan(s sdk.ReadOnlySpan) span {
	id := s.SpanContext()
	out := span{
		TraceID: id.TraceID().String(), SpanID: id.SpanID().String(), TraceState: id.TraceState().String(),
		Flags: uint32(id.TraceFlags()), Name: s.Name(), Kind: int(s.SpanKind()),
		StartTimeUnixNano: strconv.FormatInt(s.StartTime().UnixNano(), 10),
		EndTimeUnixNano:   strconv.FormatInt(s.EndTime().UnixNano(), 10),
		Attributes:        keyValues(s.Attributes()),
		Status:            status{s.Status().Description, statusCodes[s.Status().Code]},
	}
	if s.Parent().HasSpanID() {
		out.ParentSpanID = s.Parent().SpanID().String()
	}
	return out
}

func keyValues(list []attribute.KeyValue) []keyValue {
	out := make([]keyValue, 0, len(list))
	for _, a := range list {
		value := map[string]any{"stringValue": strings.ToValidUTF8(a.Value.String(), "?")}
		switch a.Value.Type() {
		case attribute.INT64:
			value = map[string]any{"intValue": strconv.FormatInt(a.Value.AsInt64(), 10)}
		case attribute.BOOL:
			value = map[string]any{"boolValue": a.Value.AsBool()}
		}
		out = append(out, keyValue{string(a.Key), value})
	}
	return out
}
