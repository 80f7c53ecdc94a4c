package plugin

import (
	"context"

	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// series answers with the largest groups over time.
func (q *question) series(ctx context.Context) (*answer, error) {
	a := &answer{}
	var err error
	if a.span, err = q.binned(ctx); err != nil {
		return nil, err
	}
	request := q.request(a.span)
	series := frames.Series{
		Columns: q.columns, Direction: q.query.Direction, Value: q.query.Value, Mirror: q.query.Mirror,
		Rate: q.query.Unit == unitRate, Average: q.query.Unit == unitAverage, Step: a.span.step, Named: q.query.Resolve,
	}
	shown := func(result *wire.Result) *answer {
		part := *a
		part.result, part.frames = result, series.Frames(result)
		return &part
	}
	result, prepared, err := q.flows(ctx, request, q.partial(shown))
	if err != nil {
		return nil, err
	}
	a.command = q.command(prepared)
	return shown(q.looked(ctx, result)), nil
}
