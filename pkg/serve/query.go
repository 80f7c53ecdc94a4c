package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/weirflow/weir/pkg/wire"
)

const metricsPattern = "GET /metrics"

// contract lists the routes every server has.
func (s *Server) contract() []Route {
	status := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, map[string]string{"status": text})
		})
	}
	routes := []Route{
		{"GET /-/health", RoleNone, status("healthy")},
		{"GET /-/ready", RoleQuery, status("ready")},
		{"GET /-/info", RoleQuery, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.deps.Info) })},
		{"POST /_query", RoleQuery, http.HandlerFunc(s.query)},
		{"POST /_query/sse", RoleQuery, http.HandlerFunc(s.stream)},
		{"POST /_query/validate", RoleQuery, http.HandlerFunc(s.validate)},
		{"GET /_query/validate", RoleQuery, http.HandlerFunc(s.validateParameters)},
		{"GET /_catalog", RoleQuery, http.HandlerFunc(s.catalog)},
		{"GET /openapi.json", RoleQuery, http.HandlerFunc(document)},
		{"GET /_actors", RoleQuery, http.HandlerFunc(s.actorHealths)},
		{"GET /_actors/{list}", RoleQuery, http.HandlerFunc(s.actorHealth)},
		{uploadPattern, RoleQuery, http.HandlerFunc(s.uploadActors)},
	}
	if s.deps.Gatherer != nil {
		routes = append(routes, Route{metricsPattern, RoleQuery, promhttp.HandlerFor(s.deps.Gatherer, promhttp.HandlerOpts{})})
	}
	return routes
}

// sink is how an answer reaches the caller.
type sink interface {
	progress() func(*wire.Result) // nil: no partial results
	finish(*wire.Result) error
	fail(*wire.Problem)
}

// answer decodes, admits, asks and accounts. Faults found before the query runs are plain problems for every sink.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, open func(context.Context, *wire.Query) sink) {
	started := time.Now()
	q, problem := s.decode(r)
	if problem != nil {
		s.audit(r, nil, nil, problem, started)
		writeProblem(w, problem)
		return
	}
	release, problem := s.admit(r.Context(), w)
	if problem != nil {
		s.audit(r, q, nil, problem, started)
		writeProblem(w, problem)
		return
	}
	defer release()
	ctx, cancel := s.deadline(r)
	defer cancel()
	ctx, done := s.guard.watch(ctx)
	defer done()
	out := open(ctx, q)
	result, err := s.ask(ctx, q, out.progress())
	if err != nil {
		if err = overLimit(ctx, err); r.Context().Err() != nil {
			err = context.Canceled
		}
		problem = s.problem(err, r)
		s.audit(r, q, nil, problem, started)
		out.fail(problem)
		return
	}
	if err := out.finish(s.enriched(q, s.named(ctx, q, result))); err != nil {
		s.deps.Logger.Debug("answer not delivered", "error", err, "remote", r.RemoteAddr)
	}
	s.audit(r, q, result, nil, started)
}

// decode reads and checks the query of a request.
func (s *Server) decode(r *http.Request) (*wire.Query, *wire.Problem) {
	request, err := wire.DecodeRequest(r.Body, s.cfg.Limits.Body)
	if err != nil {
		return nil, asProblem(err)
	}
	return s.prepare(r.Context(), request)
}

func (s *Server) prepare(ctx context.Context, request *wire.Request) (*wire.Query, *wire.Problem) {
	if problem := s.unenriched(request); problem != nil {
		return nil, problem
	}
	q, err := request.PrepareWith(ctx, s.deps.Now(), wire.Names{Lookup: s.deps.Lookup, List: s.list})
	if err != nil {
		return nil, asProblem(err)
	}
	return q, nil
}

func asProblem(err error) *wire.Problem {
	var p *wire.Problem
	if errors.As(err, &p) {
		return p
	}
	return internal()
}

// deadline is the earlier one of the server's and the asker's.
func (s *Server) deadline(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := patience(r.Context(), r)
	if s.cfg.Limits.Timeout == 0 {
		return ctx, cancel
	}
	ctx, end := context.WithTimeout(ctx, s.cfg.Limits.Timeout)
	return ctx, func() { end(); cancel() }
}

// ask asks the querier, within the limit on rows; where that one cuts, the result says so.
func (s *Server) ask(ctx context.Context, q *wire.Query, progress func(*wire.Result)) (*wire.Result, error) {
	asked, most := q.Limit, s.cfg.Limits.Rows
	if most > 0 && asked > most {
		limited := *q
		limited.Limit = most
		q = &limited
	}
	if inner := progress; inner != nil {
		progress = func(partial *wire.Result) { inner(identified(ctx, partial)) }
	}
	result, err := s.deps.Querier.Query(ctx, s.plain(q), progress)
	if err != nil {
		return nil, err
	}
	answer := identified(ctx, result)
	if most > 0 && asked > most && result.Summary.Hits.Total > result.Summary.Hits.Displayed {
		answer.Status.State, answer.Status.Class = wire.StatePartial, wire.ClassTruncated
		answer.Status.Message = fmt.Sprintf("cut at the server's limit of %d rows", most)
	}
	return answer, nil
}

// identified is a copy of a result, which may be shared, with the trace of this request.
func identified(ctx context.Context, result *wire.Result) *wire.Result {
	answer := *result
	answer.Summary.TraceID = traceID(ctx)
	return &answer
}

// problem is what the caller gets to see of an error.
func (s *Server) problem(err error, r *http.Request) *wire.Problem {
	var p *wire.Problem
	var limit *wire.LimitError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &limit):
		return wire.NewProblem(http.StatusServiceUnavailable, limit.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return wire.NewProblem(http.StatusServiceUnavailable, s.tooLong(r))
	case errors.Is(err, context.Canceled):
		return wire.NewProblem(http.StatusServiceUnavailable, "the query was cancelled")
	}
	s.deps.Logger.Error("query failed", "error", err, "remote", r.RemoteAddr)
	return internal()
}

// audit writes the one log line of a query: who asked what, how much came of it.
func (s *Server) audit(r *http.Request, q *wire.Query, result *wire.Result, p *wire.Problem, started time.Time) {
	attributes := []slog.Attr{
		slog.String("caller", callerOf(r.Context()).name), slog.String("remote", r.RemoteAddr), slog.String("path", r.URL.Path),
		slog.String("trace", traceID(r.Context())),
	}
	if q != nil {
		attributes = append(attributes, slog.String("query", clip(q.Request.Query)), slog.String("ifaces", clip(q.Request.Ifaces)),
			slog.String("condition", clip(q.Request.Condition)), slog.Int64("first", q.First), slog.Int64("last", q.Last),
			slog.String("client", clip(q.Request.Caller)))
	}
	if result != nil {
		attributes = append(attributes, slog.Int("rows", len(result.Rows)), slog.Int64("hits", result.Summary.Hits.Total))
	}
	if p != nil {
		attributes = append(attributes, slog.Int("code", p.Status), slog.String("reason", clip(p.Error())))
	}
	attributes = append(attributes, slog.Duration("duration", time.Since(started)))
	s.deps.Logger.LogAttrs(r.Context(), slog.LevelInfo, "query", attributes...)
}

// validate is POST /_query/validate.
func (s *Server) validate(w http.ResponseWriter, r *http.Request) {
	if _, problem := s.decode(r); problem != nil {
		writeProblem(w, problem)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// validateParameters is GET /_query/validate.
func (s *Server) validateParameters(w http.ResponseWriter, r *http.Request) {
	request, err := wire.DecodeValues(r.URL.Query())
	if err != nil {
		writeProblem(w, asProblem(err))
		return
	}
	if _, problem := s.prepare(r.Context(), request); problem != nil {
		writeProblem(w, problem.AsParameters())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// catalog is GET /_catalog.
func (s *Server) catalog(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := patience(r.Context(), r)
	defer cancel()
	catalog, err := s.deps.Querier.Catalog(ctx)
	if err != nil {
		writeProblem(w, s.problem(err, r))
		return
	}
	limited := *catalog
	limited.Features = features(limited.Features, s.deps.Origins)
	limited.Limits = wire.CatalogLimits{Rows: s.cfg.Limits.Rows, Concurrent: s.cfg.Limits.Concurrent, Timeout: s.cfg.Limits.Timeout}
	writeJSON(w, &limited)
}

type callerKey struct{}

func withCaller(ctx context.Context, c caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}
