package wire

import (
	"maps"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// Merger makes one result of the rows of several: it groups them as the query says, sums equal groups, ranks, cuts
// at the limit and reports the rest. The rows may come in any order and with equal keys; the outcome does not depend
// on the order of Add. It is for one query and not safe for concurrent use.
type Merger struct {
	query    *Query
	groups   map[groupKey]*sums
	other    Other
	bins     map[int64]*flow.Counters // of other, by Unix seconds
	coverage map[int64]float64
	cutRows  int64 // rows that the answers had cut off before
	result   Result
	ifaces   map[string]bool
	totals   flow.Counters
	filter   bool // see ApplyGroupTerms
	folded   *Folded
	explain  *explainMerger
	// Bits by which addresses are grouped, of answers that could not do so, too; 0: whole addresses.
	sourceBits, destinationBits uint8
}

// sums are what was counted for a group, and in the earlier span where the query compares.
type sums struct {
	now    flow.Counters
	before *flow.Counters // nil: nothing so far
	seen   seen
}

// groupKey is what rows have in common that are summed. The time stamp stands in Unix seconds, since equal
// moments in different zones are different values of time.Time.
type groupKey struct {
	attributes Attributes
	stamp      int64
	stamped    bool
	iface      string
	host       string
	hostID     string
}

// NewMerger returns an empty merger for the query.
func NewMerger(q *Query) *Merger {
	m := &Merger{
		query: q, groups: make(map[groupKey]*sums), bins: make(map[int64]*flow.Counters),
		coverage: make(map[int64]float64), ifaces: make(map[string]bool),
	}
	m.sourceBits, m.destinationBits = q.prefixes()
	return m
}

// ApplyGroupTerms makes the merger evaluate the condition's terms on sums, for results that were asked for without
// them, and count the totals of the groups that pass.
func (m *Merger) ApplyGroupTerms() { m.filter = m.query.Matcher.HasGroup() }

// Groups is the number of distinct groups so far, a measure of the memory in use.
func (m *Merger) Groups() int { return len(m.groups) }

// Add merges a result in. The result is not kept and not changed. Statuses of hosts are the caller's business.
func (m *Merger) Add(r *Result) {
	for i := range r.Rows {
		m.addRow(&r.Rows[i])
	}
	s := &r.Summary
	m.totals.Add(s.Totals.Flow())
	m.cutRows += max(s.Hits.Total-s.Hits.Displayed, 0)
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

func (m *Merger) addRow(row *Row) {
	key := m.key(row)
	group := m.groups[key]
	if group == nil {
		group = new(sums)
		m.groups[key] = group
	}
	group.now.Add(row.Counters.Flow())
	if m.query.Seen {
		group.seen.add(row)
	}
	if row.Before == nil {
		return
	}
	if group.before == nil {
		group.before = new(flow.Counters)
	}
	group.before.Add(row.Before.Flow())
}

// key keeps of a row what the query groups by. Without Merge, rows of different interfaces or hosts stay apart.
func (m *Merger) key(row *Row) groupKey {
	key := groupKey{attributes: row.Attributes}
	if m.sourceBits > 0 {
		key.attributes.Source, key.attributes.SourceBits = Network(row.Attributes.Source, m.sourceBits), m.sourceBits
	}
	if m.destinationBits > 0 {
		key.attributes.Destination, key.attributes.DestinationBits = Network(row.Attributes.Destination, m.destinationBits), m.destinationBits
	}
	for _, c := range m.query.Columns {
		switch c.Field.Name {
		case "time":
			if t := row.Labels.Timestamp; !t.IsZero() {
				key.stamp, key.stamped = m.query.BinEnd(t.Unix()), true
			}
		case "iface":
			key.iface = row.Labels.Iface
		case "host":
			key.host = row.Labels.Host
		case "hostid":
			key.hostID = row.Labels.HostID
		}
	}
	if !m.query.Merge {
		key.iface, key.host, key.hostID = row.Labels.Iface, row.Labels.Host, row.Labels.HostID
	}
	return key
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
	result.Rows, s.Hits = m.cut(m.rows())
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
		s.Other = m.remainder()
	}
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

// rows are all groups in canonical order.
func (m *Merger) rows() []Row {
	rows := make([]Row, 0, len(m.groups))
	for key, group := range m.groups {
		row := Row{
			Labels:     Labels{Iface: key.iface, Host: key.host, HostID: key.hostID},
			Attributes: key.attributes, Counters: CountersFrom(group.now),
		}
		if m.query.Compares() {
			row.Before = &Counters{}
			if group.before != nil {
				*row.Before = CountersFrom(*group.before)
			}
		}
		if m.query.Seen {
			row.FirstSeen, row.LastSeen = group.seen.first, group.seen.last
		}
		if key.stamped {
			row.Labels.Timestamp = time.Unix(key.stamp, 0).UTC()
		}
		rows = append(rows, row)
	}
	SortRows(rows, m.query)
	return rows
}

func (m *Merger) covered() []BinCoverage {
	list := make([]BinCoverage, 0, len(m.coverage))
	for _, end := range slices.Sorted(maps.Keys(m.coverage)) {
		list = append(list, BinCoverage{Timestamp: time.Unix(end, 0).UTC(), Seconds: m.coverage[end]})
	}
	return list
}

func (m *Merger) remainder() *Other {
	other := Other{Counters: m.other.Counters, Groups: m.other.Groups}
	if m.query.Series {
		for _, end := range slices.Sorted(maps.Keys(m.bins)) {
			other.Bins = append(other.Bins, OtherBin{time.Unix(end, 0).UTC(), CountersFrom(*m.bins[end])})
		}
	}
	return &other
}
