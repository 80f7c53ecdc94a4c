package query

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/segment"
)

// When rows were seen first and last is found after them, for the rows of the answer alone: from the oldest segment on
// until every row has its first interval, and from the newest on until every row has its last. Most rows need a segment
// or two. Where few rows match, which may be anywhere, they are found in one pass with the sums.

// seenSpan is from the first to the last interval end at which a group was counted; the zero value is of none.
type seenSpan struct{ first, last int64 }

func (s *seenSpan) add(stamp int64) {
	if s.last == 0 {
		s.first = math.MaxInt64
	}
	s.first, s.last = min(s.first, stamp), max(s.last, stamp)
}

// seenRow is a row of the answer while its span is looked for.
type seenRow struct {
	key key
	seenSpan
	looked int // segments in the order of their beginning that it was looked for in
}

// seenSegment is a segment, with the first and last stamp of it that are within the run.
type seenSegment struct {
	opened
	from, until int64
	place       int // in the order of beginnings
}

// answerSparse answers a query that few rows match in one pass over these, in which they are summed up and their spans
// found. It says false where they are not few, or too many groups of them.
func (r *run) answerSparse(ctx context.Context, result *wire.Result) (done bool, err error) {
	steps, expected := len(r.steps), r.progress.total.Load()
	shape := r.shape
	shape.time = true
	whole := newGroups(r.engine.cfg.MaxGroups)
	pl, err := r.newPlan(shape, r.condition())
	few := err == nil && (pl.sparse || len(pl.parts) == 0)
	if few {
		pl.limitTo(r.keep)
		err = pl.sumHashed(ctx, func(t *table) error { return r.addBins(pl, t, whole) })
	}
	var limit *wire.LimitError
	if errors.As(err, &limit) || err == nil && !few {
		r.steps = r.steps[:steps]
		r.progress.total.Store(expected)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r.seenAll = true
	t, total, err := r.rank(ctx, whole, r.query)
	if err != nil {
		return false, err
	}
	result.Rows = r.rows(&r.shape, t.finish())
	r.sum(result, t, total, int64(len(result.Rows)))
	return true, nil
}

// addBins adds groups by time to those without it, and to their spans. Loose rows have no time here: their spans were
// found when they were read.
func (r *run) addBins(pl *plan, t *table, whole *groups) error {
	for i := 1; i < len(t.keys); i++ {
		k := pl.unpack(t.keys[i])
		stamp := k.stamp
		k = k.whole()
		if err := whole.add(k, t.counted(i)); err != nil {
			return err
		}
		if stamp != 0 {
			s := r.seen[k]
			s.add(stamp)
			r.seen[k] = s
		}
	}
	return nil
}

// addSeen tells the rows of the answer when their groups were seen.
func (r *run) addSeen(ctx context.Context, result *wire.Result) error {
	if !r.query.Seen || len(result.Rows) == 0 {
		return nil
	}
	ifaces := r.indexOfInterfaces()
	rows := make([]seenRow, len(result.Rows))
	open := make([]*seenRow, len(rows))
	for i := range result.Rows {
		k := r.keyOf(&result.Rows[i], ifaces)
		rows[i] = seenRow{key: k, seenSpan: r.seen[k]}
		open[i] = &rows[i]
	}
	if !r.seenAll {
		if err := r.seekSeen(ctx, open); err != nil {
			return err
		}
	}
	for i := range rows {
		if rows[i].last > 0 {
			result.Rows[i].FirstSeen, result.Rows[i].LastSeen = moment(rows[i].first), moment(rows[i].last)
		}
	}
	return nil
}

// seekSeen looks through the segments from both ends.
func (r *run) seekSeen(ctx context.Context, all []*seenRow) error {
	segments := r.seenSegments()
	c := newCondition(r.query.Matcher.Rows())
	open := slices.Clone(all)
	for i := range segments {
		s := &segments[i]
		open = slices.DeleteFunc(open, func(row *seenRow) bool { return row.last > 0 && row.first <= s.from })
		if len(open) == 0 {
			break
		}
		if err := r.lookSeen(ctx, s, c, open); err != nil {
			return err
		}
		for _, row := range open {
			row.looked = i + 1
		}
	}
	slices.SortFunc(segments, func(a, b seenSegment) int {
		return cmp.Or(cmp.Compare(b.until, a.until), cmp.Compare(b.place, a.place))
	})
	open = slices.Clone(all)
	for i := range segments {
		s := &segments[i]
		open = slices.DeleteFunc(open, func(row *seenRow) bool { return row.last >= s.until })
		var left []*seenRow
		for _, row := range open {
			if row.looked <= s.place {
				left = append(left, row)
			}
		}
		if len(left) == 0 {
			continue
		}
		if err := r.lookSeen(ctx, s, c, left); err != nil {
			return err
		}
	}
	return nil
}

// seenSegments are the segments that hold intervals of the run, in the order of the first of these.
func (r *run) seenSegments() (list []seenSegment) {
	for _, o := range r.opened {
		stamps, err := o.Stamps()
		if err != nil {
			continue // whoever summed it up has named the damage
		}
		if from, until := within(stamps, r.first, r.last); from < until {
			list = append(list, seenSegment{opened: o, from: stamps[from], until: stamps[until-1]})
		}
	}
	slices.SortStableFunc(list, func(a, b seenSegment) int { return cmp.Compare(a.from, b.from) })
	for i := range list {
		list[i].place = i
	}
	return list
}

// lookSeen widens the spans of rows by what one segment has of them.
func (r *run) lookSeen(ctx context.Context, s *seenSegment, c *condition, rows []*seenRow) error {
	look := r.engine.newRun(r.query, r.first, r.last)
	look.interfaces, look.known, look.opened = r.interfaces, r.known, []opened{s.opened}
	look.lost, look.doubts = r.lost, r.doubts // what is lost is not named twice
	look.shape = r.shape
	look.shape.time = true
	kept := make(map[key]struct{}, len(rows))
	for _, row := range rows {
		kept[row.key] = struct{}{}
	}
	pl, err := look.newPlan(look.shape, c.and(look.shape.narrow(kept)...))
	if err != nil {
		return err
	}
	pl.countNothing()
	pl.only = make(keySet, len(rows))
	spans := make(map[packed]*seenSpan, len(rows))
	for _, row := range rows {
		if k, ok := pl.pack(&row.key); ok {
			pl.only[k], spans[k] = struct{}{}, &row.seenSpan
		}
	}
	err = pl.sumHashed(ctx, func(t *table) error {
		for _, k := range t.keys[1:] {
			spans[k.whole()].add(pl.bins[k.bin()])
		}
		return nil
	})
	r.takeLook(look)
	return err
}

// takeLook takes over what a look at one segment cost, and could not read.
func (r *run) takeLook(look *run) {
	r.lost = look.lost
	r.stats.Add(look.stats)
	for _, p := range look.steps {
		if p.method != methodSkipped {
			p.reason = "when rows were seen first and last"
			r.steps = append(r.steps, p)
		}
	}
}

// countNothing makes the plan find keys without sums. Verdicts need their counters.
func (pl *plan) countNothing() {
	const attempts = segment.Value<<segment.Attempts | segment.Value<<segment.Accepts | segment.Value<<segment.Rejects
	pl.counters = nil
	for _, p := range pl.parts {
		wanted := segment.Columns(0)
		if p.byRow {
			wanted = segment.RowCounts | segment.StampIndices
			if pl.shape.verdict || p.test.onVerdicts() {
				wanted |= attempts
			}
		}
		p.wantValues &= wanted
	}
}
