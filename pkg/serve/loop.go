package serve

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// runtimeHeader carries the identity of the process that asks: goProbe's protection against loops, which sees those of
// a single server. wire.PathHeader carries all that a request came through.
const runtimeHeader = "X-Goprobe-Runtime-Id"

// maxPathText bounds the header: a few dozen bytes for each server.
const maxPathText = 4 << 10

// path are the servers that the request came through.
func path(r *http.Request) []string {
	text := r.Header.Get(wire.PathHeader)
	if text == "" || len(text) > maxPathText {
		return nil
	}
	return strings.Split(text, ",")
}

// loop refuses a request that came through this server before, or through too many others.
func (s *Server) loop(r *http.Request) *wire.Problem {
	through := path(r)
	id := s.deps.RuntimeID
	var detail string
	switch {
	case id != "" && (r.Header.Get(runtimeHeader) == id || slices.Contains(through, id)):
		detail = "the query came back to the server that asked it: the inventories of the gateways form a loop"
	case len(through) > wire.MaxPath || len(r.Header.Get(wire.PathHeader)) > maxPathText:
		detail = fmt.Sprintf("the query came through more than %d servers: gateways of gateways are too deep, or form a loop", wire.MaxPath)
	default:
		return nil
	}
	p := wire.NewProblem(http.StatusBadRequest, detail)
	p.Type = wire.ProblemLoop
	return p
}

// patience bounds a request by what its asker says that it waits.
func patience(ctx context.Context, r *http.Request) (context.Context, context.CancelFunc) {
	left, err := strconv.ParseInt(r.Header.Get(wire.TimeoutHeader), 10, 64)
	if err != nil || left <= 0 || left > int64(24*time.Hour/time.Millisecond) {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Duration(left)*time.Millisecond)
}

// tooLong says whose time was not enough.
func (s *Server) tooLong(r *http.Request) string {
	limit, whose := s.cfg.Limits.Timeout, "the limit of"
	if left, err := strconv.ParseInt(r.Header.Get(wire.TimeoutHeader), 10, 64); err == nil && (limit == 0 || left < limit.Milliseconds()) {
		limit, whose = time.Duration(left)*time.Millisecond, "its asker waits,"
	}
	return fmt.Sprintf("the query took longer than %s %v: ask for a shorter span or fewer attributes", whose, limit)
}
