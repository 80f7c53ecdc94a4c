package serve

import (
	"context"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// named is the result with what was looked up for it: the addresses of names in the condition, and, where the request
// wants them, the names of addresses in the rows. The result itself, which others may hold, stays as it is. Names that
// somebody further down found are kept.
func (s *Server) named(ctx context.Context, q *wire.Query, result *wire.Result) *wire.Result {
	addresses := q.Named(result)
	if len(q.Lookups) == 0 && len(addresses) == 0 {
		return result
	}
	shown := *result
	shown.Query.Lookups = q.Lookups
	if len(addresses) > 0 && shown.Summary.Names == nil {
		ctx, cancel := context.WithTimeout(ctx, q.Request.LookupTime())
		defer cancel()
		start := time.Now()
		shown.Summary.Names, _ = s.deps.Resolver.Names(ctx, addresses)
		shown.Summary.Timings.Resolution = time.Since(start)
	}
	return &shown
}
