package fleet

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// series answers a query for the largest groups by time: it finds the groups by their sums over all bins first, then
// asks for the bins of these, and where the rest is asked for, for the sums of all bins.
func (r *run) series(ctx context.Context) (*wire.Result, error) {
	q := r.query
	whole := sumsOver(q, slices.DeleteFunc(slices.Clone(q.Columns), isTime))
	if len(whole.Columns) == 0 {
		return r.once(ctx, q, q.Limit) // one group
	}
	rd := r.newRounds(whole)
	r.hidden = true
	rd.find(ctx)
	rd.judge()
	ranked := r.result()
	r.hidden = false

	bins := *q
	bins.Groups = groupsOf(ranked.Rows)
	bins.Limit = int64(max(len(bins.Groups), 1))
	r.merger = wire.NewMerger(&bins)
	sums := newBinSums(r, q)
	for i := range rd.hosts {
		r.parties[i].failed = r.parties[i].failed || !rd.hosts[i].answered
	}
	r.askNamed(ctx, &bins, r.merger, sums.ask)
	result := r.result()
	r.join(result, ranked, q)
	if r.lapsed(rd) {
		bound(result, lost(whole, ranked, result.Rows))
	}
	if q.Other {
		result.Summary.Other = sums.other(result)
	}
	result.Status = r.status(result)
	return result, nil
}

// lapsed says whether a host is part of the ranking, but not of the bins.
func (r *run) lapsed(rd *rounds) bool {
	for i := range rd.hosts {
		if rd.hosts[i].answered && r.parties[i].failed {
			return true
		}
	}
	return false
}

// sumsOver is a query for the sums over time of some columns.
func sumsOver(q *wire.Query, columns []wire.Column) *wire.Query {
	narrow := *q
	narrow.Columns, narrow.Series, narrow.Resolution = columns, false, 0
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	request := *q.Request
	request.Query, request.Series, request.Other = strings.Join(names, ","), false, false
	narrow.Request = &request
	return &narrow
}

// join takes into the answer by bins what the ranking found out: totals, hits, and what it cost.
func (r *run) join(result, ranked *wire.Result, q *wire.Query) {
	s, from := &result.Summary, &ranked.Summary
	s.Totals, s.Hits, s.Interfaces, s.Folded, s.Accounting = from.Totals, from.Hits, from.Interfaces, from.Folded, from.Accounting
	s.TimeFirst, s.TimeLast, s.DataAvailable, s.Explain = from.TimeFirst, from.TimeLast, from.DataAvailable, from.Explain
	addStats(&s.Stats, &from.Stats)
	result.Query = q.Echo()
	bound(result, from.Bounded)
}

// bound joins what an answer may lack.
func bound(result *wire.Result, b *wire.Bounded) {
	s := &result.Summary
	switch {
	case b == nil:
	case s.Bounded == nil:
		s.Bounded = b
	default:
		s.Bounded = &wire.Bounded{Missing: saturate(s.Bounded.Missing, b.Missing), Unseen: max(s.Bounded.Unseen, b.Unseen), Reason: b.Reason}
	}
}

// lost is by how much the bins of a group add up to less than its sum, be it that it has none.
func lost(whole *wire.Query, ranked *wire.Result, rows []wire.Row) *wire.Bounded {
	m := wire.NewMerger(whole)
	m.Add(&wire.Result{Rows: rows})
	b := &wire.Bounded{Reason: boundedByFailure}
	for i := range ranked.Rows {
		sum, shown := m.Sum(&ranked.Rows[i])
		want, got := whole.Weight(ranked.Rows[i].Counters.Flow()), whole.Weight(sum.Flow())
		b.Missing = max(b.Missing, want-min(want, got))
		if !shown {
			b.Unseen = max(b.Unseen, want)
		}
	}
	if ranked.Summary.Bounded != nil && b.Unseen > 0 {
		b.Unseen = saturate(b.Unseen, ranked.Summary.Bounded.Missing)
	}
	return b
}

// binSums are the sums of all groups by time bin.
type binSums struct {
	run   *run
	query *wire.Query // nil: they are not needed
	mu    sync.Mutex
	sums  *wire.Merger
}

func newBinSums(r *run, q *wire.Query) *binSums {
	if !q.Other {
		return &binSums{}
	}
	b := &binSums{run: r}
	b.query = sumsOver(q, slices.DeleteFunc(slices.Clone(q.Columns), func(c wire.Column) bool { return !isTime(c) }))
	b.query.Resolution, b.query.SortBy, b.query.Other, b.query.Limit = q.Resolution, wire.SortTime, false, math.MaxInt64
	b.query.Threshold, b.query.Groups, b.query.Seen = 0, nil, false
	b.sums = wire.NewMerger(b.query)
	return b
}

// maxBinRows is how many bins are asked of a host.
const maxBinRows = 1 << 21

func (b *binSums) ask(ctx context.Context, i int, able wire.Abilities) error {
	if b.query == nil {
		return nil
	}
	result, err := b.run.askHost(ctx, i, b.query, b.run.request(i, b.query, maxBinRows, able))
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sums.Add(result)
	return nil
}

// other is what the bins hold beside the rows of an answer.
func (b *binSums) other(result *wire.Result) *wire.Other {
	shown := make(map[int64]flow.Counters)
	var all flow.Counters
	for i := range result.Rows {
		at := result.Rows[i].Labels.Timestamp.Unix()
		sum := shown[at]
		sum.Add(result.Rows[i].Counters.Flow())
		shown[at] = sum
		all.Add(result.Rows[i].Counters.Flow())
	}
	hits := result.Summary.Hits
	other := &wire.Other{Counters: wire.CountersFrom(subtract(result.Summary.Totals.Flow(), all)), Groups: hits.Total - hits.Displayed}
	bins := make(map[int64]wire.Counters)
	for _, row := range b.sums.Result().Rows {
		at := row.Labels.Timestamp.Unix()
		if rest := subtract(row.Counters.Flow(), shown[at]); !rest.IsZero() {
			bins[at] = wire.CountersFrom(rest)
		}
	}
	for _, at := range slices.Sorted(maps.Keys(bins)) {
		other.Bins = append(other.Bins, wire.OtherBin{Timestamp: time.Unix(at, 0).UTC(), Counters: bins[at]})
	}
	return other
}
