package query

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/segment"
	"github.com/weirflow/weir/probe/store"
)

// answerColumns makes a row of each group, from segments and loose rows.
func (r *run) answerColumns(ctx context.Context, result *wire.Result) error {
	if r.query.Seen {
		if done, err := r.answerSparse(ctx, result); done || err != nil {
			return err
		}
	}
	pl, err := r.newPlan(r.shape, r.condition())
	if err != nil {
		return err
	}
	pl.limitTo(r.keep)
	t, total, err := pl.rankColumns(ctx, r.query)
	if err != nil {
		return err
	}
	result.Rows = r.rows(&r.shape, t.finish())
	r.sum(result, t, total, int64(len(result.Rows)))
	return nil
}

// answerSeriesColumns ranks the groups without their time, then reads the bins of those that are kept.
func (r *run) answerSeriesColumns(ctx context.Context, result *wire.Result) error {
	c := r.condition()
	if r.query.Other && (r.query.Matcher.HasGroup() || r.keep != nil) {
		// Which rows belong to the remainder is only known when all groups are.
		return r.answerAllSeries(ctx, result, c)
	}
	ranking := *r.query
	ranking.Series = false
	whole := r.shape
	whole.time = false
	pl, err := r.newPlan(whole, c)
	if err != nil {
		return err
	}
	pl.limitTo(r.keep)
	t, sum, err := pl.rankColumns(ctx, &ranking)
	if err != nil {
		return err
	}
	kept := keysOf(t.finish())
	bins, err := r.sumKept(ctx, kept, c)
	if err != nil {
		return err
	}
	for bin := range bins.all() {
		result.Rows = append(result.Rows, r.row(&r.shape, bin))
	}
	wire.SortRows(result.Rows, r.query)
	r.sum(result, t, sum, int64(len(kept)))
	result.Summary.Coverage = r.binCoverage()
	if other := result.Summary.Other; other != nil {
		other.Bins, err = r.remainder(ctx, c, bins, kept)
		if errors.Is(err, errSaturated) {
			result.Rows = nil
			return r.answerAllSeries(ctx, result, c)
		}
	}
	return err
}

// answerAllSeries sums up all bins of all groups, and makes the answer of these.
func (r *run) answerAllSeries(ctx context.Context, result *wire.Result, c *condition) error {
	pl, err := r.newPlan(r.shape, c)
	if err != nil {
		return err
	}
	pl.limitTo(r.keep)
	if r.groups, err = pl.collectColumns(ctx, r.engine.cfg.MaxGroups); err != nil {
		return err
	}
	return r.answerSeries(ctx, result)
}

// sumKept sums up the groups that are kept, with their time if the query has it.
func (r *run) sumKept(ctx context.Context, kept map[key]struct{}, c *condition) (*groups, error) {
	if len(kept) == 0 {
		return newGroups(1), nil
	}
	pl, err := r.newPlan(r.shape, c.and(r.shape.narrow(kept)...))
	if err != nil {
		return nil, err
	}
	pl.limitTo(kept)
	return pl.collectColumns(ctx, r.engine.cfg.MaxGroups)
}

// narrow makes conditions that all rows of some groups fulfil, so that segments can pass over others.
func (s *shape) narrow(kept map[key]struct{}) (list []*condition) {
	if s.source {
		list = append(list, among(onSource, kept, s.sourceBits, func(k *key) flow.Address { return k.source }))
	}
	if s.destination {
		list = append(list, among(onDestination, kept, s.destinationBits, func(k *key) flow.Address { return k.destination }))
	}
	if s.port || s.protocol {
		services := make(map[segment.Service]bool, len(kept))
		for k := range kept {
			services[segment.Service{Protocol: k.protocol, Port: k.port}] = true
		}
		list = append(list, &condition{operation: onService, most: -1, services: func(s2 segment.Service) bool {
			if !s.port {
				s2.Port = 0
			}
			if !s.protocol {
				s2.Protocol = 0
			}
			return services[s2]
		}})
	}
	return list
}

// among is a condition on the addresses of groups.
func among(o operation, kept map[key]struct{}, bits uint8, of func(*key) flow.Address) *condition {
	c := &condition{operation: o, plain: true}
	for k := range kept {
		a := of(&k)
		if k.family == flow.IPv4 {
			first := mask4(number4(a), bits)
			c.four = append(c.four, filter.Range4{First: first, Last: last4(first, bits)})
			continue
		}
		first := sixOf(a)
		c.six = append(c.six, range6{first, last6(first, bits)})
	}
	slices.SortFunc(c.four, func(a, b filter.Range4) int { return int(int64(a.First) - int64(b.First)) })
	c.four = slices.Compact(c.four)
	slices.SortFunc(c.six, func(a, b range6) int { return a.first.Compare(b.first) })
	c.six = slices.Compact(c.six)
	return c
}

// remainder is what each bin holds beside the groups that are kept.
func (r *run) remainder(ctx context.Context, c *condition, bins *groups, kept map[key]struct{}) (list []wire.OtherBin, err error) {
	pl, err := r.newPlan(shape{query: r.query, time: true}, c)
	if err != nil {
		return nil, err
	}
	all, err := pl.collectColumns(ctx, r.engine.cfg.MaxGroups)
	if err != nil {
		return nil, err
	}
	shown := map[int64]flow.Counters{}
	for bin := range bins.all() {
		sum := shown[bin.key.stamp]
		sum.Add(bin.counters)
		shown[bin.key.stamp] = sum
	}
	rest := map[int64]flow.Counters{}
	for bin := range all.all() {
		if saturated(bin.counters) {
			return nil, errSaturated
		}
		if left := subtract(bin.counters, shown[bin.key.stamp]); !left.IsZero() {
			rest[bin.key.stamp] = left
		}
	}
	for _, stamp := range slices.Sorted(maps.Keys(rest)) {
		list = append(list, wire.OtherBin{Timestamp: moment(stamp), Counters: wire.CountersFrom(rest[stamp])})
	}
	return list, nil
}

// errSaturated says that a sum is greater than what was counted of it, so that no part can be taken from it.
var errSaturated = errors.New("a sum does not fit")

func saturated(c flow.Counters) bool {
	for i := range segment.CounterCount {
		if *counterAt(&c, i) == math.MaxUint64 {
			return true
		}
	}
	return false
}

// subtract takes parts from sums.
func subtract(sum, part flow.Counters) flow.Counters {
	for i := range segment.CounterCount {
		*counterAt(&sum, i) -= min(*counterAt(&part, i), *counterAt(&sum, i))
	}
	return sum
}

// compare adds to the rows what their groups counted in the earlier span.
func (r *run) compare(ctx context.Context, result *wire.Result) error {
	if len(result.Rows) == 0 {
		return nil
	}
	q := *r.query
	q.Live, q.Seen = false, false // the earlier span ends before the query's begins
	earlier := r.engine.newRun(&q, q.CompareFirst, q.CompareLast)
	earlier.interfaces, earlier.known, earlier.keep = r.interfaces, r.known, r.keysOfRows(result.Rows)
	earlier.doubts = r.doubts
	defer earlier.close()
	if err := earlier.collectAll(ctx, time.Time{}); err != nil {
		return err
	}
	before := earlier.groups
	if len(earlier.opened) > 0 {
		var err error
		if before, err = earlier.sumKept(ctx, earlier.keep, newCondition(q.Matcher.Rows())); err != nil {
			return err
		}
	}
	earlier.accountReads()
	r.stats.Add(earlier.stats)
	r.earlier = earlier.explanation()
	ifaces := r.indexOfInterfaces()
	shift := r.shift()
	for i := range result.Rows {
		row := &result.Rows[i]
		k := r.keyOf(row, ifaces)
		if r.shape.time {
			k.stamp = row.Labels.Timestamp.Unix() - shift
		}
		row.Before = &wire.Counters{}
		if g := before.get(k); g != nil {
			*row.Before = wire.CountersFrom(g.counters)
		}
	}
	return nil
}

// shift is how much earlier the other span is, in whole bins.
func (r *run) shift() int64 {
	unit := int64(max(r.query.Resolution, r.engine.deps.Interval) / time.Second)
	if r.query.Resolution > 0 {
		unit = int64(r.query.Resolution / time.Second)
	}
	unit = max(unit, 1)
	shift := r.query.First - r.query.CompareFirst
	return (shift + unit/2) / unit * unit
}

// lostChunk is a chunk of a segment that could not be read, -1 for what belongs to no chunk.
type lostChunk struct {
	reader *segment.Reader
	chunk  int
}

// lose notes what could not be read, once.
func (r *run) lose(s *segment.Reader, chunk int, cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := lostChunk{s, chunk}
	if _, known := r.lost[key]; known {
		return
	}
	if r.lost == nil {
		r.lost = map[lostChunk]struct{}{}
	}
	r.lost[key] = struct{}{}
	d := store.Damage{File: s.Name(), Cause: cause.Error()}
	var damage *segment.DamageError
	if errors.As(cause, &damage) {
		d.Offset, d.Bytes, d.Cause = damage.Offset, damage.Bytes, damage.Cause.Error()
	}
	r.stats.Add(ScanStats{Corrupted: 1, BytesLost: uint64(d.Bytes), Damage: []store.Damage{d}})
}

// fold adds up the folded rows of segments.
func (r *run) fold(ctx context.Context) error {
	for i := range r.opened {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.foldSegment(&r.opened[i]); err != nil {
			r.lose(r.opened[i].Reader, -1, err)
		}
	}
	return nil
}
