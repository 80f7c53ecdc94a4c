package query

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// top keeps the groups whose rows come first in the order of wire.SortRows, and the sum of the others. It sorts when
// it holds twice as many as it is to keep, so that a million groups for a small limit cost few comparisons.
type top struct {
	query  *wire.Query
	limit  int
	max    int // groups that it may hold, 0: any number
	groups []group
	list   []ranked // of groups, by index
	spare  []group
	full   bool   // groups were cut at least once
	worst  uint64 // then the rank of the last one kept at that time
	rest   flow.Counters
	cut    int64
	over   bool   // more than max had to be held
	floor  uint64 // groups of a greater rank are below the threshold
}

// ranked is a group and the number by which it is ranked, the least first.
type ranked struct {
	rank  uint64
	index int
}

// maxKept bounds the limit, so that twice of it is a number.
const maxKept = 1 << 40

func newTop(q *wire.Query, limit int64) *top {
	t := &top{query: q, limit: int(min(limit, maxKept)), floor: math.MaxUint64}
	if q.Threshold > 0 {
		t.floor = t.rank(q.Threshold, 0)
	}
	return t
}

// rank of a group by its weight, or the end of its bin.
func (t *top) rank(weight uint64, stamp int64) uint64 {
	switch {
	case t.query.SortBy == wire.SortTime:
		return uint64(stamp)
	case t.query.Ascending:
		return weight
	}
	return ^weight
}

// add offers a group.
func (t *top) add(g *group) {
	rank := t.rank(t.query.Weight(g.counters), g.key.stamp)
	if t.worse(rank) {
		t.drop(g.counters)
		return
	}
	t.push(rank, *g)
}

// expect makes room for what it may hold of so many groups.
func (t *top) expect(groups int) {
	if room := min(groups, 2*t.limit+64); room > cap(t.groups) && len(t.groups) == 0 {
		t.groups, t.list = make([]group, 0, room), make([]ranked, 0, room)
	}
}

func (t *top) push(rank uint64, g group) {
	t.list = append(t.list, ranked{rank, len(t.groups)})
	t.groups = append(t.groups, g)
	if len(t.groups) >= 2*t.limit+64 {
		t.shrink()
	}
	t.over = t.over || t.max > 0 && len(t.groups) > 2*t.max+64
}

// worse says that a group ranks behind the last one kept whatever its key is, or is below the threshold.
func (t *top) worse(rank uint64) bool { return t.full && rank > t.worst || rank > t.floor }

func (t *top) drop(c flow.Counters) {
	t.rest.Add(c)
	t.cut++
}

func (t *top) shrink() {
	slices.SortFunc(t.list, func(a, b ranked) int {
		if a.rank != b.rank {
			return cmp.Compare(a.rank, b.rank)
		}
		return compareKeys(&t.groups[a.index].key, &t.groups[b.index].key)
	})
	kept := min(len(t.list), t.limit)
	for _, r := range t.list[kept:] {
		t.drop(t.groups[r.index].counters)
	}
	t.full = t.full || kept < len(t.list) && kept > 0
	t.list = t.list[:kept]
	ordered := slices.Grow(t.spare[:0], kept)
	for i, r := range t.list {
		ordered = append(ordered, t.groups[r.index])
		t.list[i].index = i
	}
	t.groups, t.spare = ordered, t.groups
	if t.full {
		t.worst = t.list[kept-1].rank
	}
}

// finish returns the groups to keep, in order.
func (t *top) finish() []group {
	t.shrink()
	return t.groups
}

// join offers what another top kept, and takes over what it cut.
func (t *top) join(o *top) {
	o.shrink()
	t.rest.Add(o.rest)
	t.cut += o.cut
	t.over = t.over || o.over
	for i, r := range o.list {
		t.push(r.rank, o.groups[i])
	}
}

// compareKeys is the order in which wire.SortRows puts rows of the same rank. Interfaces are numbered in the order of
// their names.
func compareKeys(a, b *key) int {
	if a.family != b.family {
		return cmp.Compare(a.family, b.family)
	}
	if c := bytes.Compare(a.source[:], b.source[:]); c != 0 {
		return c
	}
	if c := bytes.Compare(a.destination[:], b.destination[:]); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.port, b.port), cmp.Compare(a.protocol, b.protocol),
		cmp.Compare(verdictOrder(a.verdict), verdictOrder(b.verdict)), cmp.Compare(a.stamp, b.stamp), cmp.Compare(a.iface, b.iface))
}

// verdictOrder is the place of a verdict among their names.
func verdictOrder(v uint16) int {
	switch flow.Verdict(v) {
	case flow.VerdictAccepted:
		return 0
	case flow.VerdictNone: // n/a
		return 1
	case flow.VerdictRejected:
		return 2
	}
	return 3
}
