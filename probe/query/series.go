package query

import (
	"context"
	"maps"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// answerSeries ranks the groups without their time and makes rows of all bins of the first ones. Group terms are
// about the groups, not their bins, and so are totals and hits.
func (r *run) answerSeries(ctx context.Context, result *wire.Result) error {
	whole := newGroups(r.engine.cfg.MaxGroups)
	for bin := range r.groups.all() {
		if err := whole.add(bin.key.whole(), bin.counters); err != nil {
			return err
		}
	}
	ranking := *r.query
	ranking.Series = false // rows of a series stand in the order of time, its groups in that of their sums
	t, sum, err := r.rank(ctx, whole, &ranking)
	if err != nil {
		return err
	}
	kept := keysOf(t.finish())
	remainder := map[int64]flow.Counters{}
	for bin := range r.groups.all() {
		name := bin.key.whole()
		if _, ok := kept[name]; ok {
			result.Rows = append(result.Rows, r.row(&r.shape, bin))
		} else if r.query.Matcher.Group(whole.get(name).counters) {
			sum := remainder[bin.key.stamp]
			sum.Add(bin.counters)
			remainder[bin.key.stamp] = sum
		}
	}
	wire.SortRows(result.Rows, r.query)
	r.sum(result, t, sum, int64(len(kept)))
	result.Summary.Coverage = r.binCoverage()
	if other := result.Summary.Other; other != nil {
		for _, stamp := range slices.Sorted(maps.Keys(remainder)) {
			other.Bins = append(other.Bins, wire.OtherBin{Timestamp: moment(stamp), Counters: wire.CountersFrom(remainder[stamp])})
		}
	}
	return ctx.Err()
}

// keysOf are the keys of groups.
func keysOf(groups []group) map[key]struct{} {
	keys := make(map[key]struct{}, len(groups))
	for i := range groups {
		keys[groups[i].key] = struct{}{}
	}
	return keys
}

// keysOfRows are the groups of rows, without their time.
func (r *run) keysOfRows(rows []wire.Row) map[key]struct{} {
	ifaces := r.indexOfInterfaces()
	keys := make(map[key]struct{}, len(rows))
	for i := range rows {
		keys[r.keyOf(&rows[i], ifaces)] = struct{}{}
	}
	return keys
}

// indexOfInterfaces says where an interface stands in the list of those selected.
func (r *run) indexOfInterfaces() map[string]uint16 {
	ifaces := make(map[string]uint16, len(r.interfaces))
	for i, name := range r.interfaces {
		ifaces[name] = uint16(i)
	}
	return ifaces
}
