package plugin

import (
	"context"
	"errors"
	"slices"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// table answers with the largest groups of flows.
func (q *question) table(ctx context.Context) (*answer, error) {
	timed := slices.ContainsFunc(q.columns, isTime)
	if timed && q.query.Unit != unitTotal {
		return nil, asked(errors.New("unit " + q.query.Unit + ": rows with time show totals; use the time series type for rates"))
	}
	a := &answer{}
	var err error
	if a.span, err = q.span(); err != nil {
		return nil, err
	}
	if q.query.Resolution != "" {
		binned, err := q.binned(ctx)
		if err != nil {
			return nil, err
		}
		a.span.step = binned.step
	}
	request := q.request(a.span)
	a.span.step = 0 // what follows is a table again
	shown := func(result *wire.Result) *answer {
		part := *a
		part.result, part.frames = result, q.tableFrames(a.span, result)
		return &part
	}
	result, prepared, err := q.flows(ctx, request, q.partial(shown))
	if err != nil {
		return nil, err
	}
	a.command = q.command(prepared)
	return shown(q.looked(ctx, result)), nil
}

func (q *question) tableFrames(s span, result *wire.Result) data.Frames {
	table := frames.Table{
		Columns: q.columns, Direction: q.query.Direction, Value: q.query.Value, Single: q.alert,
		Compared: q.query.Compare != "", Named: q.query.Resolve, Enriched: q.query.Enrich, Links: q.links(),
	}
	if q.query.Unit != unitTotal {
		table.Seconds = frames.Seconds(result, s.lasting())
	}
	return table.Frames(result)
}
