package wire

import (
	"math/bits"

	"github.com/weirflow/weir/pkg/flow"
)

// What follows is for whoever asks in rounds: the answers of one round hold some groups of a host, those of the next
// some more, and none may count twice.

// GroupSet is a set of groups of one merger, by their numbers. The zero value is empty.
type GroupSet struct{ bits []uint64 }

// Has says whether a group is in the set.
func (s *GroupSet) Has(group int) bool {
	return group/64 < len(s.bits) && s.bits[group/64]>>(group%64)&1 != 0
}

// All iterates over the groups in the set.
func (s *GroupSet) All(yield func(group int) bool) {
	for i, word := range s.bits {
		for ; word != 0; word &= word - 1 {
			if !yield(i*64 + bits.TrailingZeros64(word)) {
				return
			}
		}
	}
}

// Add adds a group, and says whether it is new.
func (s *GroupSet) Add(group int) bool {
	if s.Has(group) {
		return false
	}
	for group/64 >= len(s.bits) {
		s.bits = append(s.bits, 0)
	}
	s.bits[group/64] |= 1 << (group % 64)
	return true
}

// AddNew merges the rows of a host in whose groups are not among those that were seen of it, and notes them there. It
// returns how many they were.
func (m *Merger) AddNew(rows []Row, seen *GroupSet) (added int64) {
	for i := range rows {
		var key groupKey
		m.keys.of(&rows[i], &key)
		if m.only != nil && !m.only.has(&key) {
			continue
		}
		if group := m.group(&key, m.table.hash(&key)); seen.Add(group) {
			m.join(group, &rows[i])
			added++
		}
	}
	return added
}

// AddSummary merges in what an answer says beside its rows, of the first answer of a host.
func (m *Merger) AddSummary(r *Result) { m.addSummary(r) }

// AddCost merges in what a further answer of a host cost.
func (m *Merger) AddCost(r *Result) {
	m.addCost(&Summary{Stats: r.Summary.Stats})
	m.addExplain(r.Summary.Explain, r.Hostname)
	m.addBounded(r.Summary.Bounded)
}

// SetUnseen says that hosts have up to so many groups beyond those that were added: the remainder is then what the
// totals leave beside the rows.
func (m *Merger) SetUnseen(groups int64) { m.open, m.cutRows = true, groups }

// Weights appends the sums by which the groups are ranked, by their numbers.
func (m *Merger) Weights(to []uint64) []uint64 {
	for i := range m.table.entries {
		to = append(to, m.query.Weight(m.table.entries[i].sum))
	}
	return to
}

// Group is the group of a number.
func (m *Merger) Group(n int) Group {
	row := m.keys.row(&m.table.entries[n].key)
	return GroupOf(&row)
}

// Number is the number of the group of a row, -1 if there is none.
func (m *Merger) Number(row *Row) int {
	var key groupKey
	m.keys.of(row, &key)
	n, _ := m.table.find(&key, m.table.hash(&key))
	return n
}

// Sum is what was counted for the group of a row.
func (m *Merger) Sum(row *Row) (Counters, bool) {
	n := m.Number(row)
	if n < 0 {
		return Counters{}, false
	}
	return CountersFrom(m.table.entries[n].sum), true
}

// Bound says that the answer may be wrong by so much.
func (m *Merger) Bound(b *Bounded) { m.addBounded(b) }

// without is what the totals leave beside some rows.
func (m *Merger) without(rows []Row) Counters {
	var shown flow.Counters
	for i := range rows {
		shown.Add(rows[i].Counters.Flow())
	}
	t := m.totals
	for _, pair := range [...]struct {
		from *uint64
		take uint64
	}{
		{&t.BytesReceived, shown.BytesReceived}, {&t.BytesSent, shown.BytesSent}, {&t.PacketsReceived, shown.PacketsReceived},
		{&t.PacketsSent, shown.PacketsSent}, {&t.Attempts, shown.Attempts}, {&t.Accepts, shown.Accepts}, {&t.Rejects, shown.Rejects},
		{&t.RoundTripNanoseconds, shown.RoundTripNanoseconds}, {&t.RoundTrips, shown.RoundTrips},
	} {
		*pair.from -= min(*pair.from, pair.take)
	}
	return CountersFrom(t)
}
