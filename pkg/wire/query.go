package wire

import (
	"net/netip"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
)

// Direction chooses the traffic that counts for sorting and for text columns. It never filters rows.
type Direction string

// The directions. Both and sum sort alike; sum asks text output for one column instead of two.
const (
	DirectionBoth Direction = "both"
	DirectionSum  Direction = "sum"
	DirectionIn   Direction = "in"
	DirectionOut  Direction = "out"
)

// SortKey is what rows, or the groups of a series, are ranked by.
type SortKey string

// The sort keys.
const (
	SortBytes   SortKey = "bytes"
	SortPackets SortKey = "packets"
	SortTime    SortKey = "time" // oldest first, always
)

// EndOfTime is the latest bound of a query in Unix seconds, the last second that RFC 3339 can write.
const EndOfTime = 253402300799

// Column is one attribute or label that a query groups by.
type Column struct {
	Field flow.Field
	Name  string // as it stands in the answer: the field's name, and with Prefix "/" and its bits
	// Prefix groups addresses by so many leading bits, at most all of the family's; 0: whole addresses.
	Prefix uint8
	// Label is the name of the host's label that is grouped by, where the field is one; else empty.
	Label string
}

// Query is a request that was checked and completed by Prepare. It is read-only: engines, fleets and clients share
// one between goroutines.
type Query struct {
	Columns    []Column
	Interfaces InterfaceSelection
	// Condition has no unresolved names; nil, like a nil Matcher, matches every row.
	Condition *filter.Condition
	Matcher   *filter.Matcher
	// First and Last bound the interval ends, Unix seconds, both inclusive, within 0..EndOfTime.
	First, Last int64
	// Resolution is the length of a time bin; 0: every interval end is its own bin. Only with time in Columns.
	Resolution time.Duration
	Direction  Direction
	// SortBy is SortTime exactly for queries with time that are no Series; for a Series it ranks the groups.
	SortBy    SortKey
	Ascending bool
	// Limit is the greatest number of rows, with Series of groups; above 0.
	Limit               int64
	Live, Merge, Series bool
	Other               bool
	// CompareFirst and CompareLast bound the earlier span that rows are compared with; both 0: none. A row with a time
	// stamp is compared with the one whose stamp is CompareShift earlier.
	CompareFirst, CompareLast int64
	// Threshold is the least sum of a group that gets a row; 0: all do. Only with descending order, not of time.
	Threshold uint64
	// Groups are the only ones that count; nil: all do.
	Groups []Group
	// Dedupe says how groups of several hosts are joined.
	Dedupe Dedupe
	// Explain asks for what the engine read and skipped, beside the answer.
	Explain bool
	// Seen asks for FirstSeen and LastSeen of every row; never with time in Columns.
	Seen bool
	// KeepAlive is the longest silence on a stream; 0: the server's choice.
	KeepAlive time.Duration
	// Lookups are the addresses of the host names that the condition was asked with.
	Lookups map[string][]netip.Addr
	// Request is what was asked, with names in the condition replaced by addresses; it can be sent on as it is.
	Request *Request
}

// Has says whether the query groups by the field of that name.
func (q *Query) Has(name string) bool {
	return slices.ContainsFunc(q.Columns, func(c Column) bool { return c.Field.Name == name })
}

// LabelNames are the labels of hosts that the query groups by, ascending.
func (q *Query) LabelNames() []string {
	var names []string
	for _, c := range q.Columns {
		if c.Label != "" {
			names = append(names, c.Label)
		}
	}
	slices.Sort(names)
	return names
}

// Echo is what the answer repeats of the query: its attributes, without labels, and the condition in canonical form.
func (q *Query) Echo() Echo {
	echo := Echo{Attributes: []string{}, Condition: q.Condition.String()}
	for _, c := range q.Columns {
		if c.Field.Kind == flow.KindAttribute {
			echo.Attributes = append(echo.Attributes, c.Name)
		}
	}
	return echo
}

// Compares says that rows are compared with an earlier span: then each of them has Before, zero where the group was
// not seen.
func (q *Query) Compares() bool { return q.CompareLast > 0 }

// CompareShift is by how many seconds the earlier span lies before the query's.
func (q *Query) CompareShift() int64 { return q.First - q.CompareFirst }

// BinEnd is the end of the time bin that holds an interval end, both in Unix seconds. Bins are aligned to the epoch
// and closed at their end.
func (q *Query) BinEnd(stamp int64) int64 {
	size := int64(q.Resolution / time.Second)
	if size <= 1 {
		return stamp
	}
	if rest := stamp % size; rest > 0 {
		return stamp - rest + size
	}
	return stamp
}
