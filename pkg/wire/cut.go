package wire

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// cut drops the groups that fail the terms on sums, applies the limit and books what it cuts off.
func (m *Merger) cut(rows []Row) ([]Row, Hits) {
	if m.query.Series {
		return m.cutSeries(rows)
	}
	if m.filter {
		rows = slices.DeleteFunc(rows, func(r Row) bool { return !m.query.Matcher.Group(r.Counters.Flow()) })
		m.total(rows)
	}
	hits := Hits{Displayed: min(int64(len(rows)), m.query.Limit), Total: int64(len(rows)) + m.cutRows}
	for i := range rows[hits.Displayed:] {
		m.addRemainder(rows[hits.Displayed:][i].Counters.Flow())
		m.other.Groups++
	}
	return slices.Clip(rows[:hits.Displayed]), hits
}

// total makes the rows' sum the totals.
func (m *Merger) total(rows []Row) {
	m.totals = flow.Counters{}
	for i := range rows {
		m.totals.Add(rows[i].Counters.Flow())
	}
}

// cutSeries keeps the rows of the groups with the greatest sums over all bins.
func (m *Merger) cutSeries(rows []Row) ([]Row, Hits) {
	groups := m.series(rows)
	if m.filter {
		maps.DeleteFunc(groups, func(_ groupKey, sum *Row) bool { return !m.query.Matcher.Group(sum.Counters.Flow()) })
		rows = slices.DeleteFunc(rows, func(r Row) bool { return groups[m.seriesKey(&r)] == nil })
		m.total(rows)
	}
	hits := Hits{Displayed: min(int64(len(groups)), m.query.Limit), Total: int64(len(groups)) + m.cutRows}
	if int64(len(groups)) == hits.Displayed {
		return rows, hits
	}
	ranked := slices.SortedFunc(maps.Values(groups), m.query.compareGroups)
	for _, group := range ranked[hits.Displayed:] {
		delete(groups, m.seriesKey(group))
		m.other.Groups++
	}
	kept := make([]Row, 0, len(rows))
	for i := range rows {
		if groups[m.seriesKey(&rows[i])] != nil {
			kept = append(kept, rows[i])
			continue
		}
		m.addRemainder(rows[i].Counters.Flow())
		m.addBin(rows[i].Labels.Timestamp.Unix(), rows[i].Counters.Flow())
	}
	return slices.Clip(kept), hits
}

// series sums rows up over time.
func (m *Merger) series(rows []Row) map[groupKey]*Row {
	groups := make(map[groupKey]*Row)
	for i := range rows {
		key := m.seriesKey(&rows[i])
		if group := groups[key]; group != nil {
			sum := group.Counters.Flow()
			sum.Add(rows[i].Counters.Flow())
			group.Counters = CountersFrom(sum)
			continue
		}
		group := rows[i]
		group.Labels.Timestamp = time.Time{}
		groups[key] = &group
	}
	return groups
}

// seriesKey is the row's group without its time.
func (m *Merger) seriesKey(row *Row) groupKey {
	key := m.key(row)
	key.stamp, key.stamped = 0, false
	return key
}

// compareGroups ranks the groups of a series.
func (q *Query) compareGroups(a, b *Row) int {
	c := cmp.Compare(q.Weight(a.Counters.Flow()), q.Weight(b.Counters.Flow()))
	if !q.Ascending {
		c = -c
	}
	return cmp.Or(c, compareKeys(a, b))
}
