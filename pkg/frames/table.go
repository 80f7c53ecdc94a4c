package frames

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// Table describes a table of flows: one row per group, in the order of the result.
type Table struct {
	// Columns are what the result is grouped by, in the order of the question; time among them makes the frame a
	// plain table, because numeric-long has no place for it.
	Columns   []flow.Field
	Direction wire.Direction
	Value     Value
	// Single keeps only the chosen value beside the dimensions, and so no remainder row: what alert rules need.
	Single bool
	// Command is the command line that gives the same answer.
	Command string
}

// measure is one numeric column of a table.
type measure struct {
	name, title, description, unit string
	direction                      wire.Direction
	value                          Value
}

const (
	unitBytes   = "decbytes"
	unitCount   = "short"
	unitBits    = "bps"
	unitPackets = "pps"
)

// The measures a table can show.
var (
	bytesReceived   = measure{"bytes_received", "Bytes received", "Bytes the interface received.", unitBytes, wire.DirectionIn, Bytes}
	bytesSent       = measure{"bytes_sent", "Bytes sent", "Bytes the interface sent.", unitBytes, wire.DirectionOut, Bytes}
	bytesBoth       = measure{"bytes", "Bytes", "Bytes in both directions.", unitBytes, wire.DirectionBoth, Bytes}
	packetsReceived = measure{"packets_received", "Packets received", "Packets the interface received.", unitCount, wire.DirectionIn, Packets}
	packetsSent     = measure{"packets_sent", "Packets sent", "Packets the interface sent.", unitCount, wire.DirectionOut, Packets}
	packetsBoth     = measure{"packets", "Packets", "Packets in both directions.", unitCount, wire.DirectionBoth, Packets}
)

// measures lists the numeric columns: the chosen value by direction, then the other one.
func (t Table) measures() []measure {
	var list []measure
	switch {
	case t.Direction == wire.DirectionIn:
		list = []measure{bytesReceived, packetsReceived}
	case t.Direction == wire.DirectionOut:
		list = []measure{bytesSent, packetsSent}
	case t.Value == Packets:
		list = []measure{packetsReceived, packetsSent, packetsBoth, bytesBoth}
	default:
		list = []measure{bytesReceived, bytesSent, bytesBoth, packetsBoth}
	}
	if !t.Single {
		return list
	}
	for _, m := range list {
		if m.direction == t.Direction && m.value == t.Value {
			return []measure{m}
		}
	}
	return nil // not reached: every list holds the chosen pair
}

// Frames builds the one frame of the table. A result without rows makes a typed frame without fields.
func (t Table) Frames(result *wire.Result) data.Frames {
	kind := data.FrameTypeNumericLong
	for _, c := range t.Columns {
		if c.Type == flow.TypeTime {
			kind = data.FrameTypeTable
		}
	}
	frame := empty(kind)
	if len(result.Rows) > 0 {
		rows := t.rows(result)
		for _, c := range t.Columns {
			frame.Fields = append(frame.Fields, dimension(c, rows))
		}
		for _, m := range t.measures() {
			frame.Fields = append(frame.Fields, m.field(rows))
		}
		if !t.Single {
			frame.Fields = append(frame.Fields, t.share(rows, result.Summary.Totals))
		}
	}
	describe(frame, result, t.Command, 0)
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
func dimension(column flow.Field, rows []tableRow) *data.Field {
	var field *data.Field
	if column.Type == flow.TypeTime {
		times := make([]*time.Time, len(rows))
		for i, r := range rows {
			if !r.other {
				times[i] = &r.row.Labels.Timestamp
			}
		}
		field = data.NewField(column.Name, nil, times)
	} else {
		texts := make([]string, len(rows))
		for i, r := range rows {
			if r.other {
				texts[i] = otherText
				continue
			}
			texts[i] = text(column, &r.row.Labels, &r.row.Attributes)
		}
		field = data.NewField(column.Name, nil, texts)
	}
	config := &data.FieldConfig{DisplayNameFromDS: column.Title, Description: column.Description}
	if column.Filter {
		filterable := true
		config.Filterable = &filterable
	}
	return field.SetConfig(config)
}

func (m measure) field(rows []tableRow) *data.Field {
	values := make([]uint64, len(rows))
	for i, r := range rows {
		values[i] = amount(r.row.Counters, m.direction, m.value)
	}
	return data.NewField(m.name, nil, values).
		SetConfig(&data.FieldConfig{DisplayNameFromDS: m.title, Description: m.description, Unit: m.unit})
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
		Unit:              "percentunit",
		Custom:            map[string]any{"cellOptions": map[string]any{"type": "gauge", "mode": "basic"}},
	}
	return data.NewField("share", nil, values).SetConfig(config.SetMin(0).SetMax(1))
}
