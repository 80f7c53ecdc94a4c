// Package span lets work deep inside say what it is doing, to whoever follows the request: the engine says which
// interface it reads, and never knows of a tracing library. Without a recorder in the context, which is the rule,
// starting a span looks into the context once and allocates nothing.
//
// Neighbours: serve puts a recorder and the trace's identity into the context of a request; telemetry exports what is
// recorded; client sends the identity on to the next server.
package span

import "context"

// Recorder takes spans. It is called concurrently.
type Recorder interface {
	// Start begins a span below the one that ctx stands for. The context it returns stands for the new span.
	Start(ctx context.Context, name string) (context.Context, Sink)
}

// Sink takes what is known of one span. It is not called after End.
type Sink interface {
	Text(key, value string)
	Int(key string, value int64)
	End(err error)
}

// Span is a piece of work. The zero Span records nothing.
type Span struct{ sink Sink }

type recorderKey struct{}

// With returns a context whose spans go to the recorder.
func With(ctx context.Context, r Recorder) context.Context {
	return context.WithValue(ctx, recorderKey{}, r)
}

// Start begins a span if somebody records; it has to be ended.
func Start(ctx context.Context, name string) (context.Context, Span) {
	r, _ := ctx.Value(recorderKey{}).(Recorder)
	if r == nil {
		return ctx, Span{}
	}
	ctx, sink := r.Start(ctx, name)
	return ctx, Span{sink}
}

// Recording says whether anybody will see the span: attributes that cost something to find are only worth it then.
func (s Span) Recording() bool { return s.sink != nil }

// Text sets an attribute.
func (s Span) Text(key, value string) {
	if s.sink != nil {
		s.sink.Text(key, value)
	}
}

// Int sets an attribute.
func (s Span) Int(key string, value int64) {
	if s.sink != nil {
		s.sink.Int(key, value)
	}
}

// End ends the span, with the error that ended the work or nil.
func (s Span) End(err error) {
	if s.sink != nil {
		s.sink.End(err)
	}
}

type parentKey struct{}

// WithParent returns a context that carries a traceparent header (W3C Trace Context), for requests to other servers.
func WithParent(ctx context.Context, traceparent string) context.Context {
	return context.WithValue(ctx, parentKey{}, traceparent)
}

// Parent is the traceparent header that a request within ctx should carry; empty: none.
func Parent(ctx context.Context) string {
	text, _ := ctx.Value(parentKey{}).(string)
	return text
}
