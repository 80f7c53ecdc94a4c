package serve

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/weirflow/weir/pkg/wire"
)

// Origins knows where addresses belong. It is called concurrently.
type Origins interface {
	// Origins are those of the addresses, as far as they are known.
	Origins(addresses []netip.Addr) map[netip.Addr]wire.Origin
}

// unenriched refuses what this server cannot do.
func (s *Server) unenriched(request *wire.Request) *wire.Problem {
	if !request.Enrich || s.deps.Origins != nil {
		return nil
	}
	return wire.NewProblem(http.StatusUnprocessableEntity, "validation failed", wire.Fault{
		Location: "body.enrich", Value: true,
		Message: "this server has no files of countries and networks: name them in its configuration (enrich), ask another server, or leave enrich out",
	})
}

// plain is the query for those behind this server, who need not know what it adds by itself.
func (s *Server) plain(q *wire.Query) *wire.Query {
	if !q.Request.Enrich {
		return q
	}
	request, query := *q.Request, *q
	request.Enrich = false
	query.Request = &request
	return &query
}

// enriched is the result with the origins of its addresses, where the request wants them. The result itself, which
// others may hold, stays as it is.
func (s *Server) enriched(q *wire.Query, result *wire.Result) *wire.Result {
	addresses := q.Enriched(result)
	if len(addresses) == 0 {
		return result
	}
	shown := *result
	shown.Summary.Enrichment = s.deps.Origins.Origins(addresses)
	return &shown
}

// features adds those that the server has whatever is behind it.
func features(list []string, origins Origins) []string {
	if origins == nil || slices.Contains(list, wire.FeatureEnrich) {
		return list
	}
	return append(slices.Clone(list), wire.FeatureEnrich)
}
