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
	max   int // rows that it may hold, 0: any number
	rows  []wire.Row
	full  bool     // rows were cut at least once; then worst is the last one kept
	worst wire.Row // of the rows kept at that time
	least uint64   // weight of worst
	rest  flow.Counters
	cut   int64
	over  bool // more than max had to be held
}

// maxKept bounds the limit, so that twice of it is a number.
const maxKept = 1 << 40

func newTop(q *wire.Query, limit int64, groups int) *top {
	return &top{query: q, limit: int(min(limit, int64(groups), maxKept))}
}

// add offers a group. stamp is the end of its bin in Unix seconds, 0 without one.
func (t *top) add(c flow.Counters, stamp int64, row func() wire.Row) {
	if t.full && t.worse(t.query.Weight(c), stamp) {
		t.drop(c)
		return
	}
	t.push(row())
}

func (t *top) push(row wire.Row) {
	t.rows = append(t.rows, row)
	if len(t.rows) >= 2*t.limit+64 {
		t.shrink()
	}
	t.over = t.over || t.max > 0 && len(t.rows) > 2*t.max+64
}

// worse says that a group ranks behind the last one kept whatever its key is.
func (t *top) worse(weight uint64, stamp int64) bool {
	if t.query.SortBy == wire.SortTime {
		return stamp > t.worst.Labels.Timestamp.Unix()
	}
	if t.query.Ascending {
		return weight > t.least
	}
	return weight < t.least
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
		t.least = t.query.Weight(t.worst.Counters.Flow())
	}
}

// finish returns the rows to keep, in order.
func (t *top) finish() []wire.Row {
	t.shrink()
	return t.rows
}

// join offers what another top kept, and takes over what it cut.
func (t *top) join(o *top) {
	t.rest.Add(o.rest)
	t.cut += o.cut
	t.over = t.over || o.over
	for _, row := range o.finish() {
		t.push(row)
	}
}
