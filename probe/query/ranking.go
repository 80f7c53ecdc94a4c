package query

import (
	"context"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// ranking takes complete groups of a plan and keeps the first of them, and the sums of all.
type ranking struct {
	plan  *plan
	query *wire.Query
	top   *top
	total total
	rest  bool // sums of what is cut are asked for
}

func (pl *plan) newRanking(q *wire.Query) *ranking {
	t := newTop(q, q.Limit)
	t.max = pl.run.engine.cfg.MaxGroups
	return &ranking{plan: pl, query: q, top: t, rest: q.Other}
}

// take offers the groups of a table.
func (k *ranking) take(t *table) error {
	terms := k.query.Matcher.HasGroup()
	byTime := k.query.SortBy == wire.SortTime
	first, second := k.weightOf(t)
	width := len(t.counters)
	k.top.expect(t.len())
	var sums [9]uint64
	for i := 1; i < len(t.keys); i++ {
		s := t.sums[i*width : (i+1)*width]
		if terms && !k.query.Matcher.Group(t.counted(i)) {
			continue
		}
		k.total.groups++
		for j, v := range s {
			sums[j] = saturate(sums[j], v)
		}
		weight, stamp := uint64(0), int64(0)
		if first >= 0 {
			weight = s[first]
		}
		if second >= 0 {
			weight = saturate(weight, s[second])
		}
		if byTime {
			stamp = k.plan.bins[t.keys[i].bin()]
		}
		if rank := k.top.rank(weight, stamp); k.top.worse(rank) {
			k.drop(t, i)
		} else {
			k.top.push(rank, group{k.plan.unpack(t.keys[i]), t.counted(i)})
		}
	}
	var c flow.Counters
	for j, counter := range t.counters {
		*counterAt(&c, counter) = sums[j]
	}
	k.total.counters.Add(c)
	return k.err()
}

func (k *ranking) err() error {
	if k.top.over {
		return &wire.LimitError{What: "rows", Limit: int64(k.top.max), Remedy: "ask for fewer results, or add a condition"}
	}
	return nil
}

func (k *ranking) drop(t *table, i int) {
	if k.rest {
		k.top.drop(t.counted(i))
		return
	}
	k.top.cut++
}

// weightOf returns which sums make the weight of a group, -1 for none.
func (k *ranking) weightOf(t *table) (first, second int) {
	list := [2]int{-1, -1}
	n := 0
	for i, counter := range t.counters {
		var one flow.Counters
		*counterAt(&one, counter) = 1
		if n < 2 && k.query.Weight(one) == 1 {
			list[n] = i
			n++
		}
	}
	return list[0], list[1]
}

// rankColumns sums up and ranks the groups of a plan.
func (pl *plan) rankColumns(ctx context.Context, q *wire.Query) (*top, total, error) {
	if !pl.shape.source || pl.sparse || pl.bySource() {
		k := pl.newRanking(q)
		err := pl.sumHashed(ctx, k.take)
		return k.top, k.total, err
	}
	rankings := make([]*ranking, pl.run.engine.workers())
	for i := range rankings {
		rankings[i] = pl.newRanking(q)
	}
	if err := pl.sumRanges(ctx, func(worker int, t *table) error { return rankings[worker].take(t) }); err != nil {
		return nil, total{}, err
	}
	k := rankings[0]
	for _, o := range rankings[1:] {
		k.top.join(o.top)
		k.total.counters.Add(o.total.counters)
		k.total.groups += o.total.groups
	}
	return k.top, k.total, k.err()
}

// collectColumns sums up the groups of a plan that are to be kept, and hands the others to rest.
func (pl *plan) collectColumns(ctx context.Context, max int) (*groups, error) {
	kept := newGroups(max)
	err := pl.sumHashed(ctx, func(t *table) error {
		for i := 1; i < len(t.keys); i++ {
			if err := kept.add(pl.unpack(t.keys[i]), t.counted(i)); err != nil {
				return err
			}
		}
		return nil
	})
	return kept, err
}

// workers is how many goroutines a query uses.
func (e *Engine) workers() int { return e.cfg.Parallel }
