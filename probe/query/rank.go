package query

import (
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// top keeps the first rows of the order of wire.SortRows, and the sum of the others. It sorts when it holds twice
// as many as it is to keep, so that a million groups for a small limit cost few comparisons, and looks at a
// group's rank before it makes a row of it.
type top struct {
	query *wire.Query
	limit int
	rows  []wire.Row
	full  bool     // rows were cut at least once; then worst is the last one kept
	worst wire.Row // of the rows kept at that time
	rest  flow.Counters
	cut   int64
}

func newTop(q *wire.Query, limit int64, groups int) *top {
	return &top{query: q, limit: int(min(limit, int64(groups)))}
}

// add offers a group. stamp is the end of its bin in Unix seconds, 0 without one.
func (t *top) add(c flow.Counters, stamp int64, row func() wire.Row) {
	if t.full && t.worse(c, stamp) {
		t.drop(c)
		return
	}
	t.rows = append(t.rows, row())
	if len(t.rows) >= 2*t.limit+64 {
		t.shrink()
	}
}

// worse says that a group ranks behind the last one kept whatever its key is.
func (t *top) worse(c flow.Counters, stamp int64) bool {
	if t.query.SortBy == wire.SortTime {
		return stamp > t.worst.Labels.Timestamp.Unix()
	}
	weight, worst := t.query.Weight(c), t.query.Weight(t.worst.Counters.Flow())
	if t.query.Ascending {
		return weight > worst
	}
	return weight < worst
}

func (t *top) drop(c flow.Counters) {
	t.rest.Add(c)
	t.cut++
}

func (t *top) shrink() {
	wire.SortRows(t.rows, t.query)
	if len(t.rows) <= t.limit {
		return
	}
	for i := range t.rows[t.limit:] {
		t.drop(t.rows[t.limit+i].Counters.Flow())
	}
	t.rows = t.rows[:t.limit]
	if t.limit > 0 {
		t.full, t.worst = true, t.rows[t.limit-1]
	}
}

// finish returns the rows to keep, in order.
func (t *top) finish() []wire.Row {
	t.shrink()
	return t.rows
}
