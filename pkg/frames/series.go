package frames

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// Series describes time series: per group of the result one series, or two mirrored ones (sent below the axis; its
// values stay positive, so that alert rules can compare them). They share one frame, timeseries-wide.
//
// A point stands at the end of its bin, as on the wire. A bin that the data covers and in which a group has no
// row is 0; a bin that is not covered has no point, and the step on the time field makes panels draw a gap.
type Series struct {
	// Columns are what the result is grouped by, without time.
	Columns   []wire.Column
	Direction wire.Direction
	Value     Value
	// Rate divides by the covered seconds of each bin: bits or packets per second. Otherwise each bin's sum.
	Rate bool
	// Average divides the whole range's sum by all its covered seconds: a level line.
	Average bool
	// Mirror makes two series of both directions.
	Mirror bool
	// Step is the length of the bins, above 0.
	Step time.Duration
	// Named shows the names of addresses, from the summary of the result, in the legend.
	Named bool
	// Before is the answer for the same groups in an earlier span, drawn Shift later; nil: none.
	Before *wire.Result
	Shift  time.Duration
	// Ago says how much earlier that span is, "1d".
	Ago string
}

// group is one line of the chart before it is split by direction.
type group struct {
	texts []string // of the columns, as labels
	names []string // of the columns, for the legend
	total uint64
	cells []wire.Counters // by bin
	ago   string          // of the earlier span
}

// groupKey is what makes a group; rows carry more than that.
type groupKey struct {
	host, hostID, iface string
	hostLabels          wire.HostLabels
	attributes          wire.Attributes
}

// Frames builds the frame, the largest group first and the remainder last. A result without rows makes a typed frame
// without fields.
func (s Series) Frames(result *wire.Result) data.Frames {
	frame := empty(data.FrameTypeTimeSeriesWide)
	if len(result.Rows) == 0 {
		return data.Frames{frame}
	}
	bins := bins(result, s.Step)
	times := make([]time.Time, len(bins))
	for i, b := range bins {
		times[i] = b.end
	}
	frame.Fields = append(frame.Fields, data.NewField("time", nil, times).
		SetConfig(&data.FieldConfig{Interval: float64(s.Step.Milliseconds())}))
	for _, g := range s.groups(result, bins) {
		for _, d := range s.directions() {
			frame.Fields = append(frame.Fields, s.field(g, d, bins))
		}
	}
	return data.Frames{frame}
}

func (s Series) directions() []wire.Direction {
	if s.Direction == wire.DirectionBoth && s.Mirror {
		return []wire.Direction{wire.DirectionIn, wire.DirectionOut}
	}
	return []wire.Direction{s.Direction}
}

// groups sorts the rows into groups by bin, each followed by what it was earlier.
func (s Series) groups(result *wire.Result, bins []bin) []*group {
	at := index(bins)
	byKey := make(map[groupKey]*group)
	var keys []groupKey
	for i := range result.Rows {
		row := &result.Rows[i]
		k := s.key(row)
		g := byKey[k]
		if g == nil {
			g = s.newGroup(row, len(bins), result.Summary.Names)
			byKey[k] = g
			keys = append(keys, k)
		}
		g.add(at[row.Labels.Timestamp.Unix()], row.Counters, s)
	}
	slices.SortStableFunc(keys, func(a, b groupKey) int {
		return cmp.Or(cmp.Compare(byKey[b].total, byKey[a].total), slices.Compare(byKey[a].texts, byKey[b].texts))
	})
	earlier := s.earlier(byKey, at, len(bins))
	list := make([]*group, 0, 2*len(keys)+1)
	for _, k := range keys {
		list = append(list, byKey[k])
		if e := earlier[k]; e != nil {
			list = append(list, e)
		}
	}
	if other := s.other(result, bins, at); other != nil {
		list = append(list, other)
	}
	return list
}

func (s Series) newGroup(row *wire.Row, bins int, names map[netip.Addr]string) *group {
	g := &group{cells: make([]wire.Counters, bins)}
	for _, c := range s.Columns {
		word := text(c, &row.Labels, &row.Attributes)
		g.texts = append(g.texts, word)
		if s.Named && c.Field.Type == flow.TypeAddress && c.Prefix == 0 {
			if name := names[addressOf(c, &row.Attributes)]; name != "" {
				word = name
			}
		}
		g.names = append(g.names, word)
	}
	return g
}

// earlier are the groups' lines of the earlier span, moved by the shift; bins that are not drawn now are left out.
func (s Series) earlier(now map[groupKey]*group, at map[int64]int, bins int) map[groupKey]*group {
	if s.Before == nil {
		return nil
	}
	list := make(map[groupKey]*group, len(now))
	for k, g := range now {
		list[k] = &group{texts: g.texts, names: g.names, cells: make([]wire.Counters, bins), ago: s.Ago}
	}
	for i := range s.Before.Rows {
		row := &s.Before.Rows[i]
		g := list[s.key(row)]
		if bin, ok := at[row.Labels.Timestamp.Add(s.Shift).Unix()]; ok && g != nil {
			g.add(bin, row.Counters, s)
		}
	}
	return list
}

// key keeps of a row what is grouped by.
func (s Series) key(row *wire.Row) groupKey {
	key := groupKey{attributes: row.Attributes, hostLabels: row.Labels.HostLabels}
	for _, c := range s.Columns {
		switch c.Field.Name {
		case "host":
			key.host = row.Labels.Host
		case "hostid":
			key.hostID = row.Labels.HostID
		case "iface":
			key.iface = row.Labels.Iface
		}
	}
	return key
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
	g.names = []string{otherText}
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

// field is one series.
func (s Series) field(g *group, direction wire.Direction, bins []bin) *data.Field {
	labels := make(data.Labels, len(s.Columns)+2)
	for i, c := range s.Columns {
		labels[c.Name] = g.texts[i]
	}
	labels["direction"] = string(direction)
	if g.ago != "" {
		labels["compare"] = g.ago
	}
	field := s.values(g, direction, bins)
	field.Labels = labels
	field.Config.DisplayNameFromDS = s.display(g, direction)
	if direction == wire.DirectionOut && s.Direction == wire.DirectionBoth {
		field.Config.Custom = map[string]any{"transform": "negative-Y"}
	}
	if g.ago != "" {
		if field.Config.Custom == nil {
			field.Config.Custom = map[string]any{}
		}
		field.Config.Custom["lineStyle"] = map[string]any{"fill": "dash", "dash": []int{4, 8}}
		field.Config.Custom["fillOpacity"] = 0
	}
	return field
}

// values are the points of a series: sums as they were counted, rates as floating point.
func (s Series) values(g *group, direction wire.Direction, bins []bin) *data.Field {
	m := measure{direction: direction, value: s.Value}
	if !s.Rate && !s.Average {
		values := make([]uint64, len(bins))
		for i := range bins {
			values[i] = amount(g.cells[i], direction, s.Value)
		}
		return data.NewField(string(s.Value), nil, values).SetConfig(&data.FieldConfig{Unit: m.unit()})
	}
	values := make([]float64, len(bins))
	var sum, seconds float64
	for i, b := range bins {
		m.seconds = b.seconds
		values[i] = m.perSecond(amount(g.cells[i], direction, s.Value))
		sum += values[i] * b.seconds
		seconds += b.seconds
	}
	if s.Average && seconds > 0 {
		for i := range values {
			values[i] = sum / seconds
		}
	}
	return data.NewField(m.unit(), nil, values).SetConfig(&data.FieldConfig{Unit: m.unit()})
}

// display is the series' name in the legend. Both directions of a group are told apart by a word.
func (s Series) display(g *group, direction wire.Direction) string {
	name := otherText
	if len(g.names) == len(s.Columns) && len(s.Columns) > 0 {
		name = title(s.Columns, g.names)
	} else if len(s.Columns) == 0 {
		name = ""
	}
	switch {
	case name == "":
		name = map[wire.Direction]string{wire.DirectionIn: "Received", wire.DirectionOut: "Sent", wire.DirectionBoth: "Total"}[direction]
	case s.Direction == wire.DirectionBoth && s.Mirror:
		name += " " + string(direction)
	}
	if g.ago != "" {
		name += " (" + g.ago + " earlier)"
	}
	return name
}
