package wire

import (
	"cmp"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// cut drops the groups that fail the terms on sums, applies threshold and limit, and books what it cuts off.
func (m *Merger) cut() ([]Row, Hits) {
	if m.query.Series {
		return m.cutSeries()
	}
	best := m.rank(m.table)
	if m.ownTotals() {
		m.totals = best.total
	}
	hits := Hits{Displayed: int64(len(best.list)), Total: best.groups + m.cutRows}
	m.addRemainder(best.rest)
	m.other.Groups += best.cut
	rows := make([]Row, len(best.list))
	for i, r := range best.list {
		rows[i] = m.row(r.group)
	}
	return rows, hits
}

// ownTotals says that the totals of the answers are those of more groups than count.
func (m *Merger) ownTotals() bool {
	return m.filter || m.only != nil && m.only.dropped || m.query.Dedupe == DedupeMax && m.cutRows == 0
}

// cutSeries keeps the rows of the groups with the greatest sums over all bins.
func (m *Merger) cutSeries() ([]Row, Hits) {
	whole, of := m.wholes()
	best := m.rank(whole)
	if m.ownTotals() {
		m.totals = best.total
	}
	hits := Hits{Displayed: int64(len(best.list)), Total: best.groups + m.cutRows}
	m.other.Groups += best.cut
	kept := make([]bool, len(whole.entries))
	for _, r := range best.list {
		kept[r.group] = true
	}
	var groups []int
	entries := m.table.entries
	for group := range entries {
		e := &entries[group]
		switch {
		case kept[of[group]]:
			groups = append(groups, group)
		case !m.filter || m.query.Matcher.Group(whole.entries[of[group]].sum):
			m.addRemainder(e.sum)
			m.addBin(e.key.stamp, e.sum)
		}
	}
	slices.SortFunc(groups, func(a, b int) int {
		if c := compareStamps(&entries[a].key, &entries[b].key); c != 0 {
			return c
		}
		return m.keys.compare(&entries[a].key, &entries[b].key)
	})
	rows := make([]Row, len(groups))
	for i, group := range groups {
		rows[i] = m.row(group)
	}
	return rows, hits
}

// wholes sums groups up over time, and says which sum each is part of.
func (m *Merger) wholes() (whole *groupTable, of []int32) {
	whole, of = newGroupTable(), make([]int32, len(m.table.entries))
	for group := range m.table.entries {
		e := &m.table.entries[group]
		key := e.key.whole()
		n := whole.number(&key)
		of[group] = int32(n)
		whole.entries[n].sum.Add(e.sum)
	}
	return whole, of
}

// best are the groups that have rows, in order, and the sums of all and of the others.
type best struct {
	list   []rankedGroup
	groups int64 // that pass the terms on sums
	cut    int64
	total  flow.Counters
	rest   flow.Counters
}

// rankedGroup is a group and the number by which it is ranked, the least first.
type rankedGroup struct {
	rank  uint64
	group int
}

// rank finds the first groups. It sorts when it holds twice as many as it is to keep, so that a million groups for a
// small limit cost few comparisons.
func (m *Merger) rank(t *groupTable) best {
	var b best
	limit := int(min(m.query.Limit, int64(len(t.entries))))
	worst, full := uint64(0), false
	floor := ^uint64(0)
	if m.query.Threshold > 0 {
		floor = ^m.query.Threshold
	}
	shrink := func() {
		slices.SortFunc(b.list, func(x, y rankedGroup) int {
			if x.rank != y.rank {
				return cmp.Compare(x.rank, y.rank)
			}
			return m.keys.compare(&t.entries[x.group].key, &t.entries[y.group].key)
		})
		for _, r := range b.list[min(limit, len(b.list)):] {
			b.rest.Add(t.entries[r.group].sum)
			b.cut++
		}
		if len(b.list) > limit {
			b.list, full = b.list[:limit], true
			worst = b.list[limit-1].rank
		}
	}
	for group := range t.entries {
		c := &t.entries[group].sum
		if m.filter && !m.query.Matcher.Group(*c) {
			continue
		}
		b.groups++
		b.total.Add(*c)
		rank := m.rankOf(&t.entries[group].key, c)
		if full && rank > worst || rank > floor {
			b.rest.Add(*c)
			b.cut++
			continue
		}
		if b.list = append(b.list, rankedGroup{rank, group}); len(b.list) >= 2*limit+64 {
			shrink()
		}
	}
	shrink()
	return b
}

// rankOf a group by its weight, or by its time.
func (m *Merger) rankOf(key *groupKey, c *flow.Counters) uint64 {
	switch {
	case m.query.SortBy == SortTime && key.flags&flagStamped == 0:
		return 0
	case m.query.SortBy == SortTime:
		return uint64(key.stamp) ^ 1<<63
	case m.query.Ascending:
		return m.query.Weight(*c)
	}
	return ^m.query.Weight(*c)
}

// onlyGroups are the groups that count.
type onlyGroups struct {
	table   *groupTable
	masks   []groupKey // which labels a group has: all ones where one has to be equal
	dropped bool       // a row was none of them
}

func (m *Merger) newOnlyGroups(groups []Group) *onlyGroups {
	if groups == nil {
		return nil
	}
	o := &onlyGroups{table: newGroupTable()}
	for i := range groups {
		g := &groups[i]
		row := Row{Labels: g.Labels, Attributes: g.Attributes}
		row.Labels.Timestamp = time.Time{}
		var key, mask groupKey
		m.keys.of(&row, &key)
		if g.Labels.Iface != "" {
			mask.iface = ^uint32(0)
		}
		if (Labels{Host: g.Labels.Host, HostID: g.Labels.HostID, HostLabels: g.Labels.HostLabels}) != (Labels{}) {
			mask.origin = ^uint32(0)
		}
		o.table.number(&key)
		if !slices.Contains(o.masks, mask) {
			o.masks = append(o.masks, mask)
		}
	}
	return o
}

func (o *onlyGroups) has(key *groupKey) bool {
	for _, mask := range o.masks {
		k := key.whole()
		k.iface &= mask.iface
		k.origin &= mask.origin
		if o.table.has(&k) {
			return true
		}
	}
	o.dropped = true
	return false
}
