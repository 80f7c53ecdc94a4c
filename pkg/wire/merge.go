package wire

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// Merger makes one result of the rows of several: it groups them as the query says, joins equal groups, ranks, cuts
// at the limit and reports the rest. The rows may come in any order and with equal keys; the outcome does not depend
// on the order of Add. It is for one query and not safe for concurrent use.
type Merger struct {
	query    *Query
	keys     *keys
	table    *groupTable
	before   []flow.Counters // by group, of the earlier span; only where the query compares
	seen     []seen          // by group; only where the query asks for it
	only     *onlyGroups     // nil: all groups count
	other    Other
	bins     map[int64]*flow.Counters // of other, by Unix seconds
	coverage map[int64]float64
	cutRows  int64 // rows that the answers had cut off before
	result   Result
	ifaces   map[string]bool
	totals   flow.Counters
	filter   bool // see ApplyGroupTerms
	open     bool // see SetUnseen
	folded   *Folded
	explain  *explainMerger
	origins  map[netip.Addr]Origin
}

// NewMerger returns an empty merger for the query.
func NewMerger(q *Query) *Merger {
	m := &Merger{
		query: q, keys: newKeys(q), table: newGroupTable(), bins: make(map[int64]*flow.Counters),
		coverage: make(map[int64]float64), ifaces: make(map[string]bool),
	}
	m.only = m.newOnlyGroups(q.Groups)
	return m
}

// ApplyGroupTerms makes the merger evaluate the condition's terms on sums, for results that were asked for without
// them, and count the totals of the groups that pass.
func (m *Merger) ApplyGroupTerms() { m.filter = m.query.Matcher.HasGroup() }

// Groups is the number of distinct groups so far, a measure of the memory in use.
func (m *Merger) Groups() int { return len(m.table.entries) }

// Add merges a result in. The result is not kept and not changed. Statuses of hosts are the caller's business.
func (m *Merger) Add(r *Result) {
	if m.query.Dedupe == DedupeMax {
		m.addView(r.Rows)
	} else {
		m.addRows(r.Rows)
	}
	m.addSummary(r)
	m.cutRows += max(r.Summary.Hits.Total-r.Summary.Hits.Displayed, 0)
}

// addSummary merges all but the rows in.
func (m *Merger) addSummary(r *Result) {
	s := &r.Summary
	m.totals.Add(s.Totals.Flow())
	for _, name := range s.Interfaces {
		m.ifaces[name] = true
	}
	m.addSpan(r)
	m.addCost(s)
	for _, c := range s.Coverage {
		end := m.query.BinEnd(c.Timestamp.Unix())
		m.coverage[end] = max(m.coverage[end], c.Seconds)
	}
	if s.Other != nil {
		m.addOther(s.Other)
	}
	m.addFolded(s.Folded)
	m.addExplain(s.Explain, r.Hostname)
	m.addBounded(s.Bounded)
	m.addOrigins(s.Enrichment)
}

// addBounded adds up what answers may lack that are not exact themselves.
func (m *Merger) addBounded(b *Bounded) {
	if b == nil {
		return
	}
	into := &m.result.Summary.Bounded
	if *into == nil {
		*into = &Bounded{Reason: b.Reason}
	}
	sum := **into
	sum.Missing, sum.Unseen = addSaturating(sum.Missing, b.Missing), addSaturating(sum.Unseen, b.Unseen)
	sum.Reason = min(sum.Reason, b.Reason) // the same one whatever the order
	*into = &sum
}

func addSaturating(a, b uint64) uint64 {
	if s := a + b; s >= a {
		return s
	}
	return ^uint64(0)
}

func (m *Merger) addFolded(f *Folded) {
	if f == nil {
		return
	}
	if m.folded == nil {
		m.folded = &Folded{}
	}
	m.folded.Packets += f.Packets
	m.folded.Bytes += f.Bytes
	m.folded.Intervals += f.Intervals
}

// mergeBatch is how many keys are made before they are looked up: look-ups that do not depend on each other wait for
// memory side by side.
const mergeBatch = 64

func (m *Merger) addRows(rows []Row) {
	var keys [mergeBatch]groupKey
	var hashes [mergeBatch]uint32
	for len(rows) > 0 {
		batch := rows[:min(len(rows), mergeBatch)]
		rows = rows[len(batch):]
		for i := range batch {
			m.keys.of(&batch[i], &keys[i])
			hashes[i] = m.table.hash(&keys[i])
		}
		m.table.touch(hashes[:len(batch)])
		for i := range batch {
			if m.only != nil && !m.only.has(&keys[i]) {
				continue
			}
			m.join(m.group(&keys[i], hashes[i]), &batch[i])
		}
	}
}

// addView joins the groups of one host, whose own rows are summed.
func (m *Merger) addView(rows []Row) {
	q := *m.query
	q.Dedupe = DedupeSum
	own := NewMerger(&q)
	own.addRows(rows)
	for group := range own.table.entries {
		row := own.row(group)
		m.AddNew([]Row{row}, &GroupSet{})
	}
}

// group returns the number of a group, which it makes if it is new.
func (m *Merger) group(key *groupKey, hash uint32) int {
	n, slot := m.table.find(key, hash)
	if n >= 0 {
		return n
	}
	if m.query.Compares() {
		m.before = append(m.before, flow.Counters{})
	}
	if m.query.Seen {
		m.seen = append(m.seen, seen{})
	}
	return m.table.insert(key, hash, slot)
}

// join joins a row to its group.
func (m *Merger) join(group int, row *Row) {
	if sum := &m.table.entries[group].sum; m.query.Dedupe == DedupeMax {
		m.query.Dedupe.join(sum, row.Counters.Flow())
	} else {
		addCounters(sum, &row.Counters)
	}
	if m.seen != nil {
		m.seen[group].add(row)
	}
	if row.Before != nil && m.before != nil {
		m.query.Dedupe.join(&m.before[group], row.Before.Flow())
	}
}

func (m *Merger) addSpan(r *Result) {
	s := &r.Summary
	if !s.DataAvailable && (len(s.Interfaces) == 0 || r.Status.Code == CodeMissingData) {
		return // the span of an answer without data is only the question's
	}
	into := &m.result.Summary
	into.DataAvailable = true
	if !s.TimeFirst.IsZero() && (into.TimeFirst.IsZero() || s.TimeFirst.Before(into.TimeFirst)) {
		into.TimeFirst = s.TimeFirst.UTC()
	}
	if s.TimeLast.After(into.TimeLast) {
		into.TimeLast = s.TimeLast.UTC()
	}
}

func (m *Merger) addCost(s *Summary) {
	into := &m.result.Summary.Stats
	into.BytesLoaded += s.Stats.BytesLoaded
	into.BytesDecompressed += s.Stats.BytesDecompressed
	into.BlocksProcessed += s.Stats.BlocksProcessed
	into.BlocksCorrupted += s.Stats.BlocksCorrupted
	into.DirectoriesProcessed += s.Stats.DirectoriesProcessed
	into.Workloads += s.Stats.Workloads
	if s.Accounting == nil {
		return
	}
	if m.result.Summary.Accounting == nil {
		m.result.Summary.Accounting = &Accounting{}
	}
	sum := m.result.Summary.Accounting
	sum.Received += s.Accounting.Received
	sum.Dropped += s.Accounting.Dropped
	sum.Metered += s.Accounting.Metered
	for reason, n := range s.Accounting.Issues {
		if sum.Issues == nil {
			sum.Issues = make(map[string]uint64)
		}
		sum.Issues[reason] += n
	}
}

func (m *Merger) addOther(o *Other) {
	m.other.Groups += o.Groups
	m.addRemainder(o.Counters.Flow())
	for _, b := range o.Bins {
		m.addBin(m.query.BinEnd(b.Timestamp.Unix()), b.Counters.Flow())
	}
}

func (m *Merger) addRemainder(c flow.Counters) {
	sum := m.other.Counters.Flow()
	sum.Add(c)
	m.other.Counters = CountersFrom(sum)
}

func (m *Merger) addBin(end int64, c flow.Counters) {
	sum := m.bins[end]
	if sum == nil {
		sum = new(flow.Counters)
		m.bins[end] = sum
	}
	sum.Add(c)
}

// Result is everything that was added: the best rows up to the query's limit in canonical order. Status, Timings
// and HostsStatuses are left to the caller. The merger may be added to afterwards, and asked again.
func (m *Merger) Result() *Result {
	other, bins, totals := m.other, m.bins, m.totals
	m.bins = cloneBins(bins)
	defer func() { m.other, m.bins, m.totals = other, bins, totals }()

	result := m.result
	result.Query = m.query.Echo()
	s := &result.Summary
	result.Rows, s.Hits = m.cut()
	s.Interfaces = slices.Sorted(maps.Keys(m.ifaces))
	s.Totals = CountersFrom(m.totals)
	if m.folded != nil {
		folded := *m.folded
		s.Folded = &folded
	}
	if m.explain != nil {
		s.Explain = m.explain.result()
	}
	if m.query.Series {
		s.Coverage = m.covered()
	}
	if m.query.Other {
		s.Other = m.remainder(s.Hits, result.Rows)
	}
	s.Enrichment = m.originsOf(&result)
	return &result
}

func cloneBins(bins map[int64]*flow.Counters) map[int64]*flow.Counters {
	clone := make(map[int64]*flow.Counters, len(bins))
	for end, c := range bins {
		sum := *c
		clone[end] = &sum
	}
	return clone
}

// row makes the row of a group.
func (m *Merger) row(group int) Row {
	e := &m.table.entries[group]
	row := m.keys.row(&e.key)
	row.Counters = CountersFrom(e.sum)
	if m.query.Compares() {
		before := CountersFrom(m.before[group])
		row.Before = &before
	}
	if m.seen != nil {
		row.FirstSeen, row.LastSeen = m.seen[group].first, m.seen[group].last
	}
	return row
}

func (m *Merger) covered() []BinCoverage {
	list := make([]BinCoverage, 0, len(m.coverage))
	for _, end := range slices.Sorted(maps.Keys(m.coverage)) {
		list = append(list, BinCoverage{Timestamp: time.Unix(end, 0).UTC(), Seconds: m.coverage[end]})
	}
	return list
}

func (m *Merger) remainder(hits Hits, rows []Row) *Other {
	other := Other{Counters: m.other.Counters, Groups: m.other.Groups}
	if m.open {
		other = Other{Counters: m.without(rows), Groups: hits.Total - hits.Displayed}
	}
	if m.query.Series {
		for _, end := range slices.Sorted(maps.Keys(m.bins)) {
			other.Bins = append(other.Bins, OtherBin{time.Unix(end, 0).UTC(), CountersFrom(*m.bins[end])})
		}
	}
	return &other
}
