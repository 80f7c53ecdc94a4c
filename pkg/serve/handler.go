package serve

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/weirflow/weir/pkg/span"
	"github.com/weirflow/weir/pkg/wire"
)

// statusClientGone is what metrics and log show for a caller that went away before the answer.
const statusClientGone = 499

// ServeHTTP is the way of every request: find the route, authenticate, authorise, refuse loops, answer, account.
// It needs the context of one of the server's listeners; without it every request is refused.
func (s *Server) ServeHTTP(raw http.ResponseWriter, r *http.Request) {
	started := time.Now()
	served(r.Context())
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	w := &writer{ResponseWriter: raw, controller: http.NewResponseController(raw), patience: s.cfg.Limits.Header}
	_, pattern := s.mux.Handler(r)
	route := pattern
	if route == "" {
		route = "none" // unknown paths make no label values
	}
	endSpan := func(int) {}
	defer func() {
		defer func() { endSpan(w.code(r)) }() // also where recovered panics on
		s.recovered(recover(), w, r)
		s.metrics.observe(route, w.code(r), time.Since(started))
	}()
	who, problem := s.check(r, pattern)
	if problem != nil {
		s.deps.Logger.Warn("refused", "caller", who.name, "remote", r.RemoteAddr, "method", r.Method,
			"path", clip(r.URL.Path), "code", problem.Status, "reason", problem.Detail)
		writeProblem(w, problem)
		return
	}
	if s.routes[pattern] != RoleNone {
		r, endSpan = s.traced(w, r, route, who)
	}
	if pattern == "" {
		s.notFound(w, r)
		return
	}
	r = r.WithContext(span.WithPath(withCaller(r.Context(), who), path(r)))
	if r.Body != nil && r.Body != http.NoBody {
		// One byte above the limit tells a body that is too long from one that just fits.
		r.Body = http.MaxBytesReader(w, r.Body, s.bodyLimit(pattern)+1)
		r.Body = newBody(r.Body, w.controller, s.cfg.Limits.Header)
	}
	s.mux.ServeHTTP(w, r)
}

// bodyLimit is the greatest body that the route takes, in bytes.
func (s *Server) bodyLimit(pattern string) int64 {
	if pattern == uploadPattern {
		return s.cfg.Limits.List
	}
	return s.cfg.Limits.Body
}

// check says why a request must not be answered.
func (s *Server) check(r *http.Request, pattern string) (caller, *wire.Problem) {
	role, ok := s.routes[pattern]
	if !ok {
		role = RoleQuery
	}
	if role == RoleNone {
		return caller{name: "anyone", role: RoleNone}, nil
	}
	who, problem := s.identify(r)
	if problem != nil {
		return who, problem
	}
	if problem := authorise(who, role); problem != nil {
		return who, problem
	}
	return who, s.loop(r)
}

// notFound lets the multiplexer decide between "no such path" and "not by this method".
func (s *Server) notFound(w *writer, r *http.Request) {
	verdict := &discard{header: make(http.Header)}
	s.mux.ServeHTTP(verdict, r)
	if verdict.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", verdict.header.Get("Allow"))
		writeProblem(w, wire.NewProblem(http.StatusMethodNotAllowed, "the path knows other methods only: "+verdict.header.Get("Allow")))
		return
	}
	writeProblem(w, wire.NewProblem(http.StatusNotFound, "no such path"))
}

// recovered turns a panic of a handler into an answer that tells nothing of the inside.
func (s *Server) recovered(panicked any, w *writer, r *http.Request) {
	if panicked == nil {
		return
	}
	if err, ok := panicked.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(panicked)
	}
	s.deps.Logger.Error("panic", "path", r.URL.Path, "panic", panicked, "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler) // the answer has begun: cut the connection, so that it does not look complete
	}
	writeProblem(w, internal())
}

func internal() *wire.Problem {
	return wire.NewProblem(http.StatusInternalServerError, "internal error: the server's log says more")
}

// WriteProblem answers with an error, for routes beyond the contract.
func WriteProblem(w http.ResponseWriter, p *wire.Problem) { writeProblem(w, p) }

// WriteJSON answers with a value, for routes beyond the contract.
func WriteJSON(w http.ResponseWriter, value any) { writeJSON(w, value) }

func writeProblem(w http.ResponseWriter, p *wire.Problem) {
	body, err := json.Marshal(p)
	if err != nil { // a value that JSON cannot hold
		body = []byte(`{"title":"` + http.StatusText(p.Status) + `","status":` + strconv.Itoa(p.Status) + `}`)
	}
	h := w.Header()
	h.Set("Content-Type", wire.ProblemType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if p.Status == http.StatusUnauthorized {
		h.Add("WWW-Authenticate", `Bearer realm="weir"`)
		h.Add("WWW-Authenticate", `Basic realm="weir", charset="UTF-8"`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the caller may be gone
}

func writeJSON(w http.ResponseWriter, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		writeProblem(w, internal())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the caller may be gone
}

// body is a request's body that has to arrive in time. The deadline is lifted at the end of the body, and only then:
// the server goes on to read what a handler has left over.
type body struct {
	io.ReadCloser
	controller *http.ResponseController
}

func newBody(inner io.ReadCloser, controller *http.ResponseController, patience time.Duration) *body {
	_ = controller.SetReadDeadline(time.Now().Add(patience)) // not every test's writer has deadlines
	return &body{inner, controller}
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.controller.SetReadDeadline(time.Time{})
	}
	return n, err
}

// writer notes the status and gives the caller a limited time to take each part of the answer.
type writer struct {
	http.ResponseWriter
	controller *http.ResponseController
	patience   time.Duration
	status     int
}

// Unwrap serves http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	_ = w.controller.SetWriteDeadline(time.Now().Add(w.patience)) // not every test's writer has deadlines
	return w.ResponseWriter.Write(b)
}

// Flush sends what was written.
func (w *writer) Flush() { _ = w.controller.Flush() }

// code is the status for metrics and log.
func (w *writer) code(r *http.Request) int {
	switch {
	case w.status != 0:
		return w.status
	case r.Context().Err() != nil:
		return statusClientGone
	}
	return http.StatusOK
}

// discard takes an answer and keeps the head only.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

func clip(text string) string {
	if len(text) > 200 {
		return text[:200] + "…"
	}
	return text
}
