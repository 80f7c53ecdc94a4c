package frames

import (
	"slices"
	"strconv"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// Table describes a table of flows: one row per group, in the order of the result.
type Table struct {
	// Columns are what the result is grouped by, in the order of the question; time among them makes the frame a
	// plain table, because numeric-long has no place for it.
	Columns   []wire.Column
	Direction wire.Direction
	Value     Value
	// Seconds turn the sums into rates per second; 0: sums.
	Seconds float64
	// Single keeps only the chosen value beside the dimensions, and so no remainder row: what alert rules need.
	Single bool
	// Compared adds what the rows were in the earlier span.
	Compared bool
	// Named and Enriched add columns behind those of addresses, from the summary of the result.
	Named, Enriched bool
	Links           Links
}

// measures lists the numeric columns: the chosen value by direction, then the other one.
func (t Table) measures() []measure {
	other := Packets
	if t.Value == Packets {
		other = Bytes
	}
	m := func(d wire.Direction, v Value) measure { return measure{d, v, t.Seconds} }
	switch {
	case t.Single:
		return []measure{m(t.Direction, t.Value)}
	case t.Direction != wire.DirectionBoth:
		return []measure{m(t.Direction, t.Value), m(t.Direction, other)}
	}
	return []measure{m(wire.DirectionIn, t.Value), m(wire.DirectionOut, t.Value), m(wire.DirectionBoth, t.Value), m(wire.DirectionBoth, other)}
}

// Frames builds the one frame of the table. A result without rows makes a typed frame without fields.
func (t Table) Frames(result *wire.Result) data.Frames {
	kind := data.FrameTypeNumericLong
	if slices.ContainsFunc(t.Columns, func(c wire.Column) bool { return c.Field.Type == flow.TypeTime }) {
		kind = data.FrameTypeTable
	}
	frame := empty(kind)
	if len(result.Rows) == 0 {
		return data.Frames{frame}
	}
	rows := t.rows(result)
	names := columnNames(t.Columns)
	for _, c := range t.Columns {
		field := dimension(c, rows)
		field.Config.Links = t.Links.column(c, names)
		frame.Fields = append(frame.Fields, field)
		if !t.Single {
			frame.Fields = append(frame.Fields, t.looked(c, rows, &result.Summary)...)
		}
	}
	for _, m := range t.measures() {
		frame.Fields = append(frame.Fields, m.field(rows))
	}
	if t.Single {
		return data.Frames{frame}
	}
	chosen := measure{t.Direction, t.Value, t.Seconds}
	if t.Compared {
		frame.Fields = append(frame.Fields, chosen.before(rows), chosen.change(rows))
	}
	if slices.ContainsFunc(t.Columns, func(c wire.Column) bool { return c.Field.Type == flow.TypeVerdict }) {
		frame.Fields = append(frame.Fields, handshakes(rows)...)
	}
	frame.Fields = append(frame.Fields, t.share(rows, result.Summary.Totals))
	return data.Frames{frame}
}

// tableRow is a row of the result, or the remainder.
type tableRow struct {
	row   *wire.Row
	other bool
}

// rows are those of the result and, where it reports one, the remainder.
func (t Table) rows(result *wire.Result) []tableRow {
	rows := make([]tableRow, 0, len(result.Rows)+1)
	for i := range result.Rows {
		rows = append(rows, tableRow{row: &result.Rows[i]})
	}
	if other := result.Summary.Other; other != nil && other.Groups > 0 && !t.Single {
		rows = append(rows, tableRow{row: &wire.Row{Counters: other.Counters}, other: true})
	}
	return rows
}

// dimension is the field of a column: text, except for time, which has none in the remainder row.
func dimension(column wire.Column, rows []tableRow) *data.Field {
	var field *data.Field
	if column.Field.Type == flow.TypeTime {
		times := make([]*time.Time, len(rows))
		for i, r := range rows {
			if !r.other {
				times[i] = &r.row.Labels.Timestamp
			}
		}
		field = data.NewField(column.Name, nil, times)
	} else {
		field = data.NewField(column.Name, nil, texts(column, rows))
	}
	config := &data.FieldConfig{DisplayNameFromDS: heading(column), Description: column.Field.Description}
	if column.Field.Filter {
		filterable := true
		config.Filterable = &filterable
	}
	return field.SetConfig(config)
}

// texts are those of a column in all rows. Addresses and ports are written one behind the other into one text and cut
// from it, which costs nothing for each row.
func texts(column wire.Column, rows []tableRow) []string {
	list := make([]string, len(rows))
	port := column.Field.Type == flow.TypePort
	if !port && !isAddress(column) {
		for i, r := range rows {
			if list[i] = otherText; !r.other {
				list[i] = text(column, &r.row.Labels, &r.row.Attributes)
			}
		}
		return list
	}
	all := make([]byte, 0, 16*len(rows))
	ends := make([]int, len(rows))
	for i, r := range rows {
		switch a := &r.row.Attributes; {
		case r.other:
			all = append(all, otherText...)
		case port:
			all = strconv.AppendUint(all, uint64(a.DestinationPort), 10)
		case addressOf(column, a).IsValid():
			all = addressOf(column, a).AppendTo(all)
		}
		ends[i] = len(all)
	}
	whole, start := string(all), 0
	for i, end := range ends {
		list[i], start = whole[start:end], end
	}
	return list
}

// heading is the title of a column: "Source IP", of networks with their length, "Source IP /24".
func heading(column wire.Column) string {
	if _, bits, ok := cutPrefix(column); ok {
		return column.Field.Title + " /" + bits
	}
	return column.Field.Title
}

// shareDecimals are those of a share in percent.
const shareDecimals = 2

// smallShare writes a share that is there but too small for its decimals as less than the smallest of them, so that
// it reads neither as a long fraction nor as nothing.
var smallShare = data.ValueMappings{data.RangeValueMapper{
	From:   bound(1e-20),
	To:     bound(0.0000999),
	Result: data.ValueMappingResult{Text: "<0.01%"},
}}

// bound is an end of a range that Grafana maps, itself in the range.
func bound(value float64) *data.ConfFloat64 {
	c := data.ConfFloat64(value)
	return &c
}

// share is each row's part of all traffic that matched, shown or not, as a bar in the cell.
func (t Table) share(rows []tableRow, totals wire.Counters) *data.Field {
	total := amount(totals, t.Direction, t.Value)
	values := make([]float64, len(rows))
	for i, r := range rows {
		if total > 0 {
			values[i] = float64(amount(r.row.Counters, t.Direction, t.Value)) / float64(total)
		}
	}
	config := &data.FieldConfig{
		DisplayNameFromDS: "Share",
		Description:       "Part of all matching " + string(t.Value) + ", shown or not.",
		Unit:              unitPart,
		Mappings:          smallShare,
		Custom:            map[string]any{"cellOptions": map[string]any{"type": "gauge", "mode": "basic"}},
	}
	return data.NewField("share", nil, values).SetConfig(config.SetDecimals(shareDecimals).SetMin(0).SetMax(1))
}
