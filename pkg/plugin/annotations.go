package plugin

import (
	"context"

	"github.com/weirflow/weir/pkg/frames"
)

// annotations answers with the stretches of time in which the condition held.
func (q *question) annotations(ctx context.Context) (*answer, error) {
	a := &answer{}
	var err error
	if a.span, err = q.binned(ctx); err != nil {
		return nil, err
	}
	request := q.request(a.span)
	result, prepared, err := q.flows(ctx, request, nil)
	if err != nil {
		return nil, err
	}
	a.result, a.command = q.looked(ctx, result), q.command(prepared)
	var columns = q.columns[:0:0]
	for _, c := range q.columns {
		if !isTime(c) {
			columns = append(columns, c)
		}
	}
	a.frames = frames.Annotations{
		Columns: columns, Direction: q.query.Direction, Value: q.query.Value, Step: a.span.step,
		Named: q.query.Resolve, Limit: int(q.query.Limit),
	}.Frames(a.result)
	return a, nil
}
