package plugin

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/queryargs"
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
	shownRequest := *prepared.Request
	shownRequest.Compare = q.query.Compare
	a.command = queryargs.Command(&shownRequest, q.options())
	if q.query.Compare != "" && len(result.Rows) > 0 {
		if series.Before, series.Shift, err = q.earlier(ctx, request, result); err != nil {
			return nil, err
		}
		if series.Ago = q.query.Compare; strings.EqualFold(series.Ago, "previous") {
			series.Ago = short(series.Shift)
		}
		a.remarks = append(a.remarks, late(series.Before)...)
	}
	return shown(q.looked(ctx, result)), nil
}

// earlier asks for the same groups in the earlier span. It is moved by whole bins, so that both have the same grid.
func (q *question) earlier(ctx context.Context, request *wire.Request, now *wire.Result) (*wire.Result, time.Duration, error) {
	compared := *request
	compared.Compare = q.query.Compare
	prepared, err := compared.PrepareWith(ctx, q.source.now(), q.source.names())
	if err != nil {
		return nil, 0, asked(err)
	}
	bin := prepared.Resolution
	shift := max((time.Duration(prepared.CompareShift())*time.Second+bin/2)/bin, 1) * bin
	before := *request
	before.First = strconv.FormatInt(prepared.First-int64(shift/time.Second), 10)
	before.Last = strconv.FormatInt(prepared.Last-int64(shift/time.Second), 10)
	before.Live, before.Other = false, false
	before.Groups = groupsOf(now)
	result, _, err := q.flows(ctx, &before, nil)
	return result, shift, err
}

// groupsOf are the groups of a result, each once.
func groupsOf(result *wire.Result) []wire.Group {
	seen := make(map[wire.Group]bool)
	var list []wire.Group
	for i := range result.Rows {
		g := wire.GroupOf(&result.Rows[i])
		if !seen[g] {
			seen[g] = true
			list = append(list, g)
		}
	}
	return list
}

// late says which hosts are missing from the earlier span: its lines are too low.
func late(before *wire.Result) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(before.HostsStatuses)) {
		if frames.Missing(before.HostsStatuses[name]) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{"missing from the earlier span: " + frames.Reasons(names, before.HostsStatuses)}
}
