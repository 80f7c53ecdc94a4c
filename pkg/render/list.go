package render

import (
	"bufio"
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// ListEntry is one interface in a list: what is stored of it. Its JSON has the members of goQuery's list, and more.
type ListEntry struct {
	Host      string         `json:"host,omitempty"` // extension: where it is, if there may be several
	Interface string         `json:"iface"`
	First     time.Time      `json:"time_first,omitzero"` // start of the first interval
	Last      time.Time      `json:"time_last,omitzero"`  // end of the last one
	Capturing *bool          `json:"capturing,omitempty"` // extension; nil: not known
	Counters  *wire.Counters `json:"counts,omitempty"`    // nil: not counted
	Traffic   *ListTraffic   `json:"traffic,omitempty"`   // nil: not known
}

// ListTraffic counts stored rows, and packets that capture lost.
type ListTraffic struct {
	FlowsV4 uint64 `json:"num_v4_entries"`
	FlowsV6 uint64 `json:"num_v6_entries"`
	Drops   uint64 `json:"num_drops"`
}

// List is a list of interfaces.
type List struct {
	Entries []ListEntry
	// Hosts shows the host of each interface.
	Hosts bool
	// Detailed tells received from sent, IPv4 from IPv6, and shows drops.
	Detailed bool
	// Zone is the zone of times; nil: the local one.
	Zone *time.Location
}

// JSON writes the list as an array, on one line.
func (l List) JSON(w io.Writer) error {
	entries := l.Entries
	if entries == nil {
		entries = []ListEntry{}
	}
	return json.NewEncoder(InertJSON(w)).Encode(entries)
}

// Text writes the list as a table, with the totals below it if there is more than one interface. Figures are left out
// where nothing was counted.
func (l List) Text(w io.Writer) error {
	if l.Zone == nil {
		l.Zone = time.Local
	}
	t := &table{}
	if l.Hosts {
		t.columns = append(t.columns, l.names("host", func(e *ListEntry) string { return e.Host }))
	}
	t.columns = append(t.columns, l.names("iface", func(e *ListEntry) string { return e.Interface }))
	if slices.ContainsFunc(l.Entries, func(e ListEntry) bool { return e.Counters != nil }) {
		if len(l.Entries) > 1 {
			t.columns[0].add(quantity{}, quantity{digits: "Total:"})
		}
		for _, f := range l.figures() {
			t.columns = append(t.columns, l.figure(f))
		}
	}
	t.columns = append(t.columns,
		l.names("from", func(e *ListEntry) string { return l.moment(e.First) }),
		l.names("to", func(e *ListEntry) string { return l.moment(e.Last) }))
	out := bufio.NewWriter(w)
	t.write(out)
	return out.Flush()
}

func (l List) moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return moment(t, l.Zone)
}

func (l List) names(name string, text func(*ListEntry) string) tableColumn {
	column := tableColumn{name: name}
	for i := range l.Entries {
		column.text(Safe(text(&l.Entries[i])))
	}
	return column
}

// listFigure is a column of numbers; value is false where the number is not known.
type listFigure struct {
	unit, name string
	show       func(uint64) quantity
	value      func(*ListEntry) (uint64, bool)
}

func (l List) figures() []listFigure {
	counter := func(of func(*wire.Counters) uint64) func(*ListEntry) (uint64, bool) {
		return func(e *ListEntry) (uint64, bool) {
			if e.Counters == nil {
				return 0, false
			}
			return of(e.Counters), true
		}
	}
	traffic := func(of func(*ListTraffic) uint64) func(*ListEntry) (uint64, bool) {
		return func(e *ListEntry) (uint64, bool) {
			if e.Traffic == nil {
				return 0, false
			}
			return of(e.Traffic), true
		}
	}
	if l.Detailed {
		return []listFigure{
			{"packets", "in", count, counter(func(c *wire.Counters) uint64 { return c.PacketsReceived })},
			{"packets", "out", count, counter(func(c *wire.Counters) uint64 { return c.PacketsSent })},
			{"bytes", "in", size, counter(func(c *wire.Counters) uint64 { return c.BytesReceived })},
			{"bytes", "out", size, counter(func(c *wire.Counters) uint64 { return c.BytesSent })},
			{"flows", "IPv4", count, traffic(func(t *ListTraffic) uint64 { return t.FlowsV4 })},
			{"flows", "IPv6", count, traffic(func(t *ListTraffic) uint64 { return t.FlowsV6 })},
			{"", "drops", count, traffic(func(t *ListTraffic) uint64 { return t.Drops })},
		}
	}
	return []listFigure{
		{"", "packets", count, counter(func(c *wire.Counters) uint64 { return c.PacketsReceived + c.PacketsSent })},
		{"", "bytes", size, counter(func(c *wire.Counters) uint64 { return c.BytesReceived + c.BytesSent })},
		{"", "flows", count, traffic(func(t *ListTraffic) uint64 { return t.FlowsV4 + t.FlowsV6 })},
	}
}

func (l List) figure(f listFigure) tableColumn {
	column := tableColumn{unit: f.unit, name: f.name}
	var total uint64
	known := false
	for i := range l.Entries {
		n, ok := f.value(&l.Entries[i])
		if !ok {
			column.text("-")
			continue
		}
		known = true
		total += n
		column.add(f.show(n))
	}
	if len(l.Entries) > 1 {
		column.add(quantity{})
		if known {
			column.add(f.show(total))
		} else {
			column.text("-")
		}
	}
	return column
}
