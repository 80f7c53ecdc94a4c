package render

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// CSV writes the result as comma-separated values (RFC 4180, lines end with LF): a heading, a line for each row, and
// lines with the totals, the order and the interfaces, which have two fields. Times are Unix seconds, ports and
// counters plain numbers, protocols names. Which columns there are depends on the query only, never on the rows.
func (v View) CSV(w io.Writer, r *wire.Result) error {
	out := csv.NewWriter(w)
	fields := v.columns(v.severalAsked())
	var head []string
	for _, f := range fields {
		head = append(head, f.name)
	}
	figures := v.csvFigures()
	for _, f := range figures {
		head = append(head, f.name)
	}
	if v.Query.Compares() {
		head = append(head, "packets before", "data vol. before")
	}
	out.Write(head) //nolint:errcheck // Error returns it
	c := cells{names: r.Summary.Names, origin: r.Summary.Enrichment}
	totals := r.Summary.Totals.Flow()
	for i := range r.Rows {
		record := make([]string, 0, len(head))
		for _, f := range fields {
			record = append(record, inert(c.text(f, &r.Rows[i])))
		}
		counters := r.Rows[i].Counters.Flow()
		for _, f := range figures {
			record = append(record, f.text(counters, totals))
		}
		if v.Query.Compares() {
			record = append(record, v.csvBefore(&r.Rows[i])...)
		}
		out.Write(record) //nolint:errcheck // Error returns it
	}
	v.csvTrailer(out, r)
	out.Flush()
	return out.Error()
}

// csvFigure is a column of numbers.
type csvFigure struct {
	name string
	text func(row, totals flow.Counters) string
}

// csvFigures are the columns of numbers, named as goQuery names them.
func (v View) csvFigures() []csvFigure {
	number := func(name string, value func(flow.Counters) uint64) csvFigure {
		return csvFigure{name, func(row, _ flow.Counters) string { return strconv.FormatUint(value(row), 10) }}
	}
	percent := func(value func(flow.Counters) uint64) csvFigure {
		return csvFigure{"%", func(row, totals flow.Counters) string { return share(value(row), value(totals)) }}
	}
	d := v.Query.Direction
	if v.twoWays() {
		return []csvFigure{
			number("packets received", packets.received), number("packets sent", packets.sent), percent(packets.both),
			number("data vol. received", bytes.received), number("data vol. sent", bytes.sent), percent(bytes.both),
		}
	}
	return []csvFigure{number("packets", packets.of(d)), percent(packets.of(d)), number("data vol.", bytes.of(d)), percent(bytes.of(d))}
}

// csvBefore are the figures of the earlier span that a row is compared with.
func (v View) csvBefore(row *wire.Row) []string {
	var before flow.Counters
	if row.Before != nil {
		before = row.Before.Flow()
	}
	d := v.Query.Direction
	return []string{strconv.FormatUint(packets.of(d)(before), 10), strconv.FormatUint(bytes.of(d)(before), 10)}
}

func (v View) csvTrailer(out *csv.Writer, r *wire.Result) {
	t := r.Summary.Totals
	for _, line := range []struct {
		name  string
		value uint64
	}{
		{"Received packets", t.PacketsReceived}, {"Sent packets", t.PacketsSent},
		{"Received data volume (bytes)", t.BytesReceived}, {"Sent data volume (bytes)", t.BytesSent},
	} {
		out.Write([]string{line.name, strconv.FormatUint(line.value, 10)}) //nolint:errcheck // CSV returns it
	}
	out.Write([]string{"Sorting and flow direction", v.order()}) //nolint:errcheck // CSV returns it
	if names := interfaces(r); len(names) > 0 {
		out.Write([]string{"Interface", inert(strings.Join(names, ","))}) //nolint:errcheck // CSV returns it
	}
}
