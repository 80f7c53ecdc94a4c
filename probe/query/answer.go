package query

import (
	"context"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// answer makes the result of the groups: rows, totals, hits and remainder.
func (r *run) answer(ctx context.Context) (*wire.Result, error) {
	result := &wire.Result{
		Hostname: r.engine.deps.Host,
		Query:    r.query.Echo(),
		Rows:     []wire.Row{},
		Summary: wire.Summary{
			Interfaces:    append([]string{}, r.interfaces...),
			TimeFirst:     moment(r.query.First),
			TimeLast:      moment(r.query.Last),
			DataAvailable: r.covered.any,
		},
	}
	if r.covered.any {
		result.Summary.TimeFirst, result.Summary.TimeLast = moment(r.covered.first), moment(r.covered.last)
		result.Summary.Accounting = r.account()
	}
	if err := r.fold(ctx); err != nil {
		return nil, err
	}
	result.Summary.Folded = r.foldedSum.summary()
	if err := r.answerWith(ctx, result); err != nil {
		return nil, err
	}
	if err := r.addSeen(ctx, result); err != nil {
		return nil, err
	}
	r.accountReads() // before the earlier span, which may be in the same segments
	if r.query.CompareLast > 0 {
		if err := r.compare(ctx, result); err != nil {
			return nil, err
		}
	}
	result.Summary.Explain = r.explanation()
	result.Summary.Stats = r.cost()
	return result, nil
}

func (r *run) answerWith(ctx context.Context, result *wire.Result) error {
	switch {
	case r.query.Series && len(r.opened) > 0:
		return r.answerSeriesColumns(ctx, result)
	case r.query.Series:
		return r.answerSeries(ctx, result)
	case len(r.opened) > 0:
		return r.answerColumns(ctx, result)
	}
	return r.answerRows(ctx, result)
}

// answerRows makes a row of each group.
func (r *run) answerRows(ctx context.Context, result *wire.Result) error {
	t, total, err := r.rank(ctx, r.groups, r.query)
	if err != nil {
		return err
	}
	result.Rows = r.rows(&r.shape, t.finish())
	r.sum(result, t, total, int64(len(result.Rows)))
	return nil
}

// total is the sum of the groups that pass the group terms.
type total struct {
	counters flow.Counters
	groups   int64
}

// rank offers the groups that pass the group terms to a top.
func (r *run) rank(ctx context.Context, g *groups, q *wire.Query) (*top, total, error) {
	t := newTop(q, q.Limit)
	var sum total
	n := 0
	for group := range g.all() {
		if n++; n%checkEvery == 0 && ctx.Err() != nil {
			return nil, sum, ctx.Err()
		}
		if !q.Matcher.Group(group.counters) {
			continue
		}
		sum.counters.Add(group.counters)
		sum.groups++
		t.add(group)
	}
	return t, sum, nil
}

// sum fills in what does not depend on the limit, and the remainder that does.
func (r *run) sum(result *wire.Result, t *top, sum total, displayed int64) {
	result.Summary.Totals = wire.CountersFrom(sum.counters)
	result.Summary.Hits = wire.Hits{Displayed: displayed, Total: sum.groups}
	if r.query.Other {
		result.Summary.Other = &wire.Other{Counters: wire.CountersFrom(t.rest), Groups: t.cut}
	}
}

// accountReads adds what was read of segments since they were opened, or since the last time. Segments are shared: what
// another query reads of one at the same time is in it.
func (r *run) accountReads() {
	for i := range r.opened {
		now := r.opened[i].BytesRead()
		n := max(now-r.readBefore[i], 0)
		r.readBefore[i] = now
		r.readHere[i] += n
		r.stats.BytesRead += uint64(n)
	}
}

func (r *run) cost() wire.Stats {
	return wire.Stats{
		BytesLoaded:          r.stats.BytesRead,
		BytesDecompressed:    r.stats.BytesDecoded,
		BlocksProcessed:      r.stats.Blocks,
		BlocksCorrupted:      r.stats.Corrupted,
		DirectoriesProcessed: r.stats.Files,
		Workloads:            uint64(len(r.interfaces)),
	}
}

func (r *run) account() *wire.Accounting {
	a := &wire.Accounting{Received: r.covered.accounting.Received, Dropped: r.covered.accounting.Dropped, Metered: r.covered.accounting.Metered}
	for i := flow.IssueNone + 1; i < flow.IssueCount; i++ {
		if n := r.covered.accounting.Issues[i]; n > 0 {
			if a.Issues == nil {
				a.Issues = map[string]uint64{}
			}
			a.Issues[i.String()] = n
		}
	}
	return a
}

// moment is Unix seconds as they stand on the wire.
func moment(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
