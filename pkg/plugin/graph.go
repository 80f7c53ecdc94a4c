package plugin

import (
	"context"

	"github.com/weirflow/weir/pkg/frames"
)

// graph answers with the largest pairs as the edges of a node graph.
func (q *question) graph(ctx context.Context) (*answer, error) {
	a := &answer{}
	var err error
	if a.span, err = q.span(); err != nil {
		return nil, err
	}
	result, prepared, err := q.flows(ctx, q.request(a.span), nil)
	if err != nil {
		return nil, err
	}
	a.result, a.command = q.looked(ctx, result), q.command(prepared)
	a.frames = frames.Graph{
		From: q.columns[0], To: q.columns[1], Direction: q.query.Direction, Value: q.query.Value,
		Named: q.query.Resolve, Enriched: q.query.Enrich, Links: q.links(),
	}.Frames(a.result)
	return a, nil
}
