package frames

import (
	"cmp"
	"slices"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// Series describes time series: per group of the result one series, or two mirrored ones where both directions
// are asked for (sent below the axis; its values stay positive, so that alert rules can compare them).
//
// A point stands at the end of its bin, as on the wire. A bin that the data covers and in which a group has no
// row is 0; a bin that is not covered has no point, and the step on the time field makes panels draw a gap.
type Series struct {
	// Columns are what the result is grouped by, without time.
	Columns   []flow.Field
	Direction wire.Direction
	Value     Value
	// Rate divides by the covered seconds of each bin: bits or packets per second. Otherwise each bin's sum.
	Rate bool
	// Step is the length of the bins, above 0.
	Step time.Duration
	// Command is the command line that gives the same answer.
	Command string
}

// group is one line of the chart before it is split by direction.
type group struct {
	texts []string // of the columns
	total uint64
	cells []wire.Counters // by bin
}

// Frames builds the frames, the largest group first and the remainder last. A result without rows makes one
// typed frame without fields.
func (s Series) Frames(result *wire.Result) data.Frames {
	var list data.Frames
	if len(result.Rows) > 0 {
		bins := bins(result, s.Step)
		times := make([]time.Time, len(bins))
		for i, b := range bins {
			times[i] = b.end
		}
		for _, g := range s.groups(result, bins) {
			for _, d := range s.directions() {
				list = append(list, s.frame(g, d, bins, times))
			}
		}
	}
	if len(list) == 0 {
		list = data.Frames{empty(data.FrameTypeTimeSeriesMulti)}
	}
	describe(list[0], result, s.Command, s.Step)
	return list
}

func (s Series) directions() []wire.Direction {
	if s.Direction == wire.DirectionBoth {
		return []wire.Direction{wire.DirectionIn, wire.DirectionOut}
	}
	return []wire.Direction{s.Direction}
}

// groups sorts the rows into groups by bin.
func (s Series) groups(result *wire.Result, bins []bin) []*group {
	type key struct {
		labels     wire.Labels
		attributes wire.Attributes
	}
	at := index(bins)
	byKey := make(map[key]*group)
	var list []*group
	for i := range result.Rows {
		row := &result.Rows[i]
		k := key{s.labels(&row.Labels), row.Attributes}
		g := byKey[k]
		if g == nil {
			g = &group{cells: make([]wire.Counters, len(bins))}
			for _, c := range s.Columns {
				g.texts = append(g.texts, text(c, &row.Labels, &row.Attributes))
			}
			byKey[k] = g
			list = append(list, g)
		}
		g.add(at[row.Labels.Timestamp.Unix()], row.Counters, s)
	}
	slices.SortStableFunc(list, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.total, a.total), slices.Compare(a.texts, b.texts))
	})
	if other := s.other(result, bins, at); other != nil {
		list = append(list, other)
	}
	return list
}

// labels keeps those labels of a row that are grouped by; a row carries more than that.
func (s Series) labels(from *wire.Labels) wire.Labels {
	var kept wire.Labels
	for _, c := range s.Columns {
		switch c.Name {
		case "host":
			kept.Host = from.Host
		case "hostid":
			kept.HostID = from.HostID
		case "iface":
			kept.Iface = from.Iface
		}
	}
	return kept
}

// other is the group of what the limit cut off, nil where the result reports none.
func (s Series) other(result *wire.Result, bins []bin, at map[int64]int) *group {
	other := result.Summary.Other
	if other == nil || other.Groups == 0 || len(other.Bins) == 0 {
		return nil
	}
	g := &group{cells: make([]wire.Counters, len(bins))}
	for range s.Columns {
		g.texts = append(g.texts, otherText)
	}
	for _, b := range other.Bins {
		g.add(at[b.Timestamp.Unix()], b.Counters, s)
	}
	return g
}

// add counts a row of the group in a bin.
func (g *group) add(bin int, counters wire.Counters, s Series) {
	sum := g.cells[bin].Flow()
	sum.Add(counters.Flow())
	g.cells[bin] = wire.CountersFrom(sum)
	g.total += amount(counters, s.Direction, s.Value)
}

// frame is one series. The time slice is shared by all frames of an answer.
func (s Series) frame(g *group, direction wire.Direction, bins []bin, times []time.Time) *data.Frame {
	labels := make(data.Labels, len(s.Columns)+1)
	for i, c := range s.Columns {
		labels[c.Name] = g.texts[i]
	}
	labels["direction"] = string(direction)

	clock := data.NewField("time", nil, times).
		SetConfig(&data.FieldConfig{Interval: float64(s.Step.Milliseconds())})
	field := s.values(g, direction, bins)
	field.Labels = labels
	field.Config.DisplayNameFromDS = s.display(g, direction)
	if s.Direction == wire.DirectionBoth && direction == wire.DirectionOut {
		field.Config.Custom = map[string]any{"transform": "negative-Y"}
	}
	frame := data.NewFrame(field.Config.DisplayNameFromDS, clock, field)
	frame.SetMeta(meta(data.FrameTypeTimeSeriesMulti))
	return frame
}

// values are the points of a series: sums as they were counted, rates as floating point.
func (s Series) values(g *group, direction wire.Direction, bins []bin) *data.Field {
	name, unit, scale := "bytes", unitBytes, 8.0
	if s.Value == Packets {
		name, unit, scale = "packets", unitCount, 1.0
	}
	if !s.Rate {
		values := make([]uint64, len(bins))
		for i := range bins {
			values[i] = amount(g.cells[i], direction, s.Value)
		}
		return data.NewField(name, nil, values).SetConfig(&data.FieldConfig{Unit: unit})
	}
	unit = unitBits
	if s.Value == Packets {
		unit = unitPackets
	}
	values := make([]float64, len(bins))
	for i, b := range bins {
		values[i] = float64(amount(g.cells[i], direction, s.Value)) * scale / b.seconds
	}
	return data.NewField(unit, nil, values).SetConfig(&data.FieldConfig{Unit: unit})
}

// display is the series' name in the legend. Both directions of a group are told apart by a word.
func (s Series) display(g *group, direction wire.Direction) string {
	name := title(s.Columns, g.texts)
	if len(s.Columns) > 0 && g.texts[0] == otherText {
		name = otherText
	}
	switch {
	case name == "":
		return map[wire.Direction]string{wire.DirectionIn: "Received", wire.DirectionOut: "Sent"}[direction]
	case s.Direction == wire.DirectionBoth:
		return name + " " + string(direction)
	}
	return name
}
