// Package render shows a result to people and to other programs: as a text table (View.Text), as CSV (View.CSV) and
// as JSON (JSON). Columns and figures are those of goQuery, so that eyes and scripts that know it find their way.
//
// Invariants: functions are pure but for the writer; rows stand in the order in which they came; whatever was named
// by somebody else (hosts, interfaces, messages) is escaped for its target, so that neither a terminal nor a
// spreadsheet can be made to act on it.
//
// Neighbours: wire has the result and its order; the command line writes what this package makes; frames does the
// same for Grafana.
package render

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// View says how to show the result of a query.
type View struct {
	// Query is what was asked. Its columns, direction and order decide what is shown.
	Query *wire.Query
	// Hosts shows the host of each row even if the query does not name it; rows that were merged have none.
	Hosts bool
	// Zone is the zone of times for people; nil: the local one.
	Zone *time.Location
	// Width is how many characters the lines of a text table should have at most: names that are too long lose their
	// middle, everything else stays. 0: any number.
	Width int
	// Stats shows what the query cost in a footer.
	Stats bool
	// Colour tells received from sent by colour in a text table, and shows shares dimly (ECMA-48 sequences).
	Colour bool
}

// column is something to show in front of the figures: a field of the rows, or what was looked up of an address.
type column struct {
	field  flow.Field
	name   string // of the column for programs; people see title
	title  string
	lookUp lookUp // of the field's addresses
	label  string // key of a host label
}

// columns are what to show in front of the figures: time, host, host id, interface and labels, then the attributes in the order
// of the query, addresses with their names beside them if they were asked for. Rows of several interfaces stay apart
// unless merged, so that the interface is shown where there may be several.
func (v View) columns(severalInterfaces bool) []column {
	var columns []column
	for _, name := range []string{"time", "host", "hostid", "iface"} {
		automatic := !v.Query.Merge && (name == "host" && v.Hosts || name == "iface" && severalInterfaces)
		if v.Query.Has(name) || automatic {
			f, _ := flow.LookupField(name)
			columns = append(columns, column{field: f, name: f.Name, title: f.Column})
		}
	}
	for _, c := range v.Query.Columns {
		if c.Label != "" {
			columns = append(columns, column{field: c.Field, name: c.Name, title: c.Label, label: c.Label})
		}
	}
	for _, c := range v.Query.Columns {
		if c.Field.Kind != flow.KindAttribute {
			continue
		}
		shown := column{field: c.Field, name: c.Name, title: c.Field.Column}
		if c.Prefix > 0 {
			shown.title = c.Name
		}
		columns = append(columns, shown)
		if c.Field.Type == flow.TypeAddress && c.Prefix == 0 {
			for _, l := range v.lookUps() {
				name := c.Name + " " + string(l)
				columns = append(columns, column{field: c.Field, name: name, title: name, lookUp: l})
			}
		}
	}
	if v.Query.Seen {
		for _, name := range []string{firstSeen, lastSeen} {
			columns = append(columns, column{field: flow.Field{Name: name, Type: flow.TypeTime}, name: name, title: name})
		}
	}
	return columns
}

// The columns of a query for when rows were counted. They are no fields: nothing can be grouped by them.
const (
	firstSeen = "first seen"
	lastSeen  = "last seen"
)

// severalAsked says that the query may be about more than one interface.
func (v View) severalAsked() bool {
	text := v.Query.Interfaces.String()
	return text == "any" || strings.HasPrefix(text, "/") || strings.Contains(text, ",")
}

// cells are the texts of a row's fields. People get names and local times, programs get numbers.
type cells struct {
	zone   *time.Location
	people bool
	names  map[netip.Addr]string
	origin map[netip.Addr]wire.Origin
}

func (c cells) text(of column, row *wire.Row) string {
	if of.label != "" {
		return row.Labels.HostLabels.Get(of.label)
	}
	if of.lookUp != "" {
		a := row.Attributes.Source
		if of.field.Name == "dip" {
			a = row.Attributes.Destination
		}
		return c.lookUp(of.lookUp, a)
	}
	switch of.field.Name {
	case "time":
		return c.time(row.Labels.Timestamp)
	case "host":
		return row.Labels.Host
	case "hostid":
		return row.Labels.HostID
	case "iface":
		return row.Labels.Iface
	case "sip":
		return row.Attributes.SourceText()
	case "dip":
		return row.Attributes.DestinationText()
	case "dport":
		if c.people {
			return flow.PortName(row.Attributes.DestinationPort, row.Attributes.Protocol)
		}
		return strconv.Itoa(int(row.Attributes.DestinationPort))
	case "proto":
		return strings.ToUpper(row.Attributes.Protocol.String())
	case "verdict":
		return row.Attributes.Verdict
	case firstSeen:
		return c.time(row.FirstSeen)
	case lastSeen:
		return c.time(row.LastSeen)
	}
	return ""
}

func (c cells) time(t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case c.people:
		return moment(t, c.zone)
	}
	return strconv.FormatInt(t.Unix(), 10)
}

// figure is one of the two counted things of a row, in the direction that the query asks for.
type figure struct {
	received, sent, both func(flow.Counters) uint64
}

var (
	packets = figure{
		received: func(c flow.Counters) uint64 { return c.PacketsReceived },
		sent:     func(c flow.Counters) uint64 { return c.PacketsSent },
		both:     flow.Counters.Packets,
	}
	bytes = figure{
		received: func(c flow.Counters) uint64 { return c.BytesReceived },
		sent:     func(c flow.Counters) uint64 { return c.BytesSent },
		both:     flow.Counters.Bytes,
	}
)

// of is what the share in percent is about.
func (f figure) of(d wire.Direction) func(flow.Counters) uint64 {
	switch d {
	case wire.DirectionIn:
		return f.received
	case wire.DirectionOut:
		return f.sent
	}
	return f.both
}

// share is the part of a total in percent, with two decimals.
func share(part, total uint64) string {
	if total == 0 {
		return "0.00"
	}
	return strconv.FormatFloat(100*float64(part)/float64(total), 'f', 2, 64)
}

// order says in words what the rows are sorted by.
func (v View) order() string {
	q := v.Query
	if q.SortBy == wire.SortTime {
		return "time, oldest first"
	}
	direction := map[wire.Direction]string{
		wire.DirectionIn: "received", wire.DirectionOut: "sent",
	}[q.Direction]
	if direction == "" {
		direction = "received and sent"
	}
	first := "largest first"
	if q.Ascending {
		first = "smallest first"
	}
	if q.Series {
		return "time; groups by " + string(q.SortBy) + " " + direction + ", " + first
	}
	return string(q.SortBy) + " " + direction + ", " + first
}

// truncated says that there are rows beyond those shown.
func truncated(r *wire.Result) bool { return r.Summary.Hits.Total > r.Summary.Hits.Displayed }

func interfaces(r *wire.Result) []string {
	names := slices.Clone(r.Summary.Interfaces)
	for i, name := range names {
		names[i] = Safe(name)
	}
	return names
}
