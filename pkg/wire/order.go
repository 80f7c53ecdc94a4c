package wire

import (
	"cmp"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
)

// SortRows puts rows in THE order, the one that engine, fleet and client use: by time, oldest first, where the query
// has time; else by the query's sort key, the largest first unless Ascending. Ties are ordered by attributes, then
// labels, always ascending, so that the order is total over rows with distinct keys.
func SortRows(rows []Row, q *Query) {
	slices.SortFunc(rows, func(a, b Row) int { return q.compare(&a, &b) })
}

func (q *Query) compare(a, b *Row) int {
	if q.byTime() {
		if c := a.Labels.Timestamp.Compare(b.Labels.Timestamp); c != 0 {
			return c
		}
		return compareKeys(a, b)
	}
	if c := cmp.Compare(q.Weight(a.Counters.Flow()), q.Weight(b.Counters.Flow())); c != 0 {
		if q.Ascending {
			return c
		}
		return -c
	}
	return compareKeys(a, b)
}

// byTime says that rows stand in the order of time: the groups of a Series are ranked by their sums, their rows
// are not.
func (q *Query) byTime() bool { return q.SortBy == SortTime || q.Series }

// Weight is the number that rows and the groups of a series are ranked by.
func (q *Query) Weight(c flow.Counters) uint64 {
	received, sent, both := c.BytesReceived, c.BytesSent, c.Bytes()
	if q.SortBy == SortPackets {
		received, sent, both = c.PacketsReceived, c.PacketsSent, c.Packets()
	}
	switch q.Direction {
	case DirectionIn:
		return received
	case DirectionOut:
		return sent
	}
	return both
}

// compareKeys orders rows by attributes, then labels.
func compareKeys(a, b *Row) int {
	x, y := &a.Attributes, &b.Attributes
	if c := x.Source.Compare(y.Source); c != 0 {
		return c
	}
	if c := x.Destination.Compare(y.Destination); c != 0 {
		return c
	}
	if x.DestinationPort != y.DestinationPort || x.Protocol != y.Protocol || x.Verdict != y.Verdict {
		return cmp.Or(cmp.Compare(x.DestinationPort, y.DestinationPort), cmp.Compare(x.Protocol, y.Protocol),
			strings.Compare(x.Verdict, y.Verdict))
	}
	return cmp.Or(a.Labels.Timestamp.Compare(b.Labels.Timestamp), strings.Compare(a.Labels.Iface, b.Labels.Iface),
		strings.Compare(a.Labels.Host, b.Labels.Host), strings.Compare(a.Labels.HostID, b.Labels.HostID),
		cmp.Compare(a.Labels.HostLabels, b.Labels.HostLabels))
}
