package fleet

import (
	"context"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// comparing answers a query without its comparison, then asks for the earlier span of the groups that have rows: a host
// may have counted a group then that it does not see now.
func (r *run) comparing(ctx context.Context, answer func(context.Context) (*wire.Result, error)) (*wire.Result, error) {
	whole := r.query
	if !whole.Compares() {
		return answer(ctx)
	}
	q := *whole
	q.CompareFirst, q.CompareLast = 0, 0
	request := *q.Request
	request.Compare, q.Request = "", &request
	r.query = &q
	result, err := answer(ctx)
	if err != nil || len(result.Rows) == 0 {
		return result, err
	}
	r.before(ctx, whole, result)
	return result, nil
}

// before adds to rows what their groups counted in the earlier span.
func (r *run) before(ctx context.Context, whole *wire.Query, result *wire.Result) {
	q := *r.query
	q.First, q.Last, q.Live, q.Other, q.Threshold, q.Ascending, q.Seen = whole.CompareFirst, whole.CompareLast, false, false, 0, false, false
	request := *q.Request
	request.Live, request.Other, request.SortAscending, request.Seen = false, false, false, false
	q.Request, q.Groups = &request, groupsOf(result.Rows)
	if q.Limit = int64(len(q.Groups)); q.SortBy == wire.SortTime {
		q.Limit = r.most(r.query)
	}
	earlier := wire.NewMerger(&q)
	r.askNamed(ctx, &q, earlier, nil)
	unit := q.Resolution
	for i := range r.parties {
		if q.Resolution == 0 {
			unit = max(unit, r.parties[i].able.Interval)
		}
	}
	shift := time.Duration(whole.CompareShift()) * time.Second
	if q.Has("time") && unit > 0 {
		shift = (shift + unit/2) / unit * unit
	}
	for i := range result.Rows {
		row := result.Rows[i]
		if !row.Labels.Timestamp.IsZero() {
			row.Labels.Timestamp = row.Labels.Timestamp.Add(-shift)
		}
		sum, _ := earlier.Sum(&row)
		result.Rows[i].Before = &sum
	}
	addStats(&result.Summary.Stats, &earlier.Result().Summary.Stats)
	result.HostsStatuses = r.statuses()
	result.Status = r.status(result)
}

// groupsOf are the groups of rows, each once.
func groupsOf(rows []wire.Row) []wire.Group {
	list := make([]wire.Group, len(rows))
	for i := range rows {
		list[i] = wire.GroupOf(&rows[i])
	}
	return distinct(list)
}

// askNamed asks all hosts for the groups that a query names, and merges what they give. Of hosts that cannot be asked
// for groups, all are asked for; the merger keeps those that are named. also, which may be nil, asks a host for more at
// the same turn.
func (r *run) askNamed(ctx context.Context, q *wire.Query, into *wire.Merger, also func(ctx context.Context, i int, able wire.Abilities) error) {
	r.far.Rounds++
	limits := make([]int64, len(r.hosts))
	r.ask(ctx, r.open(), func(ctx context.Context, i int) (*wire.Result, error) {
		able := r.parties[i].able
		if limits[i] = q.Limit; !able.Can(wire.FeatureGroups) {
			limits[i] = r.most(q)
		}
		result, err := r.askInParts(ctx, i, q, limits[i], able)
		if err == nil && also != nil {
			err = also(ctx, i, able)
		}
		return result, err
	}, func(i int, result *wire.Result) {
		if hits := result.Summary.Hits; hits.Total > hits.Displayed && q.SortBy != wire.SortTime && !r.parties[i].able.Can(wire.FeatureGroups) {
			r.outcomes[i].cut = true
			result.Summary.Hits.Total = hits.Displayed // those that are not named do not count
			into.Bound(&wire.Bounded{Missing: least(q, result), Reason: boundedByLimit})
		}
		into.Add(result)
	})
}

// askInParts asks a host for groups, so many in one request as a server takes.
func (r *run) askInParts(ctx context.Context, i int, q *wire.Query, limit int64, able wire.Abilities) (*wire.Result, error) {
	if !able.Can(wire.FeatureGroups) || len(q.Groups) <= maxAsked {
		return r.askHost(ctx, i, q, r.request(i, q, limit, able))
	}
	var whole *wire.Result
	for from := 0; from < len(q.Groups); from += maxAsked {
		part := *q
		part.Groups = q.Groups[from:min(from+maxAsked, len(q.Groups))]
		result, err := r.askHost(ctx, i, &part, r.request(i, &part, limit, able))
		if err != nil {
			return nil, err
		}
		if whole == nil {
			whole = result
			continue
		}
		whole.Rows = append(whole.Rows, result.Rows...)
		addStats(&whole.Summary.Stats, &result.Summary.Stats)
		totals := whole.Summary.Totals.Flow()
		totals.Add(result.Summary.Totals.Flow())
		whole.Summary.Totals = wire.CountersFrom(totals)
		whole.Summary.Hits.Total += result.Summary.Hits.Total
		whole.Summary.Hits.Displayed += result.Summary.Hits.Displayed
	}
	return whole, nil
}

func addStats(to, more *wire.Stats) {
	to.BytesLoaded += more.BytesLoaded
	to.BytesDecompressed += more.BytesDecompressed
	to.BlocksProcessed += more.BlocksProcessed
	to.BlocksCorrupted += more.BlocksCorrupted
	to.DirectoriesProcessed += more.DirectoriesProcessed
	to.Workloads += more.Workloads
}

// subtract takes what is part of a sum from it.
func subtract(sum, part flow.Counters) flow.Counters {
	take := func(from *uint64, n uint64) { *from -= min(*from, n) }
	take(&sum.BytesReceived, part.BytesReceived)
	take(&sum.BytesSent, part.BytesSent)
	take(&sum.PacketsReceived, part.PacketsReceived)
	take(&sum.PacketsSent, part.PacketsSent)
	take(&sum.Attempts, part.Attempts)
	take(&sum.Accepts, part.Accepts)
	take(&sum.Rejects, part.Rejects)
	take(&sum.RoundTripNanoseconds, part.RoundTripNanoseconds)
	take(&sum.RoundTrips, part.RoundTrips)
	return sum
}
