package frames

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

// Annotations describes the stretches of time in which something matched: bins that follow each other and have a row
// of the same group are one region.
type Annotations struct {
	Columns   []wire.Column // without time
	Direction wire.Direction
	Value     Value
	Step      time.Duration // of the bins
	Named     bool
	Limit     int // regions, the largest first
}

// region is one annotation.
type region struct {
	first, last time.Time
	counters    wire.Counters
	group       *group
}

// Frames builds the frame. Grafana renders title and text as HTML: what stands there came from the wire.
func (a Annotations) Frames(result *wire.Result) data.Frames {
	list := a.regions(result)
	slices.SortStableFunc(list, func(x, y *region) int {
		return cmp.Compare(amount(y.counters, a.Direction, a.Value), amount(x.counters, a.Direction, a.Value))
	})
	if a.Limit > 0 && len(list) > a.Limit {
		list = list[:a.Limit]
	}
	slices.SortStableFunc(list, func(x, y *region) int {
		return cmp.Or(x.first.Compare(y.first), slices.Compare(x.group.texts, y.group.texts))
	})
	n := len(list)
	starts, ends := make([]time.Time, n), make([]time.Time, n)
	titles, texts, tags, ids := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, r := range list {
		starts[i], ends[i] = r.first, r.last
		name := title(a.Columns, r.group.names)
		if name == "" {
			name = "Matching flows"
		}
		titles[i], texts[i], tags[i] = html.EscapeString(name), html.EscapeString(a.text(r)), a.tags(r)
		ids[i] = fmt.Sprintf("%d %s", r.first.Unix(), strings.Join(r.group.texts, " "))
	}
	frame := data.NewFrame("annotations",
		data.NewField("time", nil, starts), data.NewField("timeEnd", nil, ends), data.NewField("title", nil, titles),
		data.NewField("text", nil, texts), data.NewField("tags", nil, tags), data.NewField("id", nil, ids))
	frame.SetMeta(meta(data.FrameTypeTable))
	return data.Frames{frame}
}

// regions joins the rows of each group whose bins touch.
func (a Annotations) regions(result *wire.Result) []*region {
	s := Series{Columns: a.Columns, Direction: a.Direction, Value: a.Value, Step: a.Step, Named: a.Named}
	open := make(map[groupKey]*region)
	groups := make(map[groupKey]*group)
	rows := make([]*wire.Row, len(result.Rows))
	for i := range result.Rows {
		rows[i] = &result.Rows[i]
	}
	slices.SortStableFunc(rows, func(x, y *wire.Row) int { return x.Labels.Timestamp.Compare(y.Labels.Timestamp) })
	var list []*region
	for _, row := range rows {
		key := s.key(row)
		if groups[key] == nil {
			groups[key] = s.newGroup(row, 0, result.Summary.Names)
		}
		end := row.Labels.Timestamp
		r := open[key]
		if r == nil || end.Add(-a.Step).After(r.last) {
			r = &region{first: end.Add(-a.Step), group: groups[key]}
			open[key] = r
			list = append(list, r)
		}
		r.last = end
		sum := r.counters.Flow()
		sum.Add(row.Counters.Flow())
		r.counters = wire.CountersFrom(sum)
	}
	return list
}

// text says how much it was, and what became of the attempts.
func (a Annotations) text(r *region) string {
	parts := []string{volume(amount(r.counters, a.Direction, Bytes), Bytes), volume(amount(r.counters, a.Direction, Packets), Packets)}
	if c := r.counters; c.Attempts > 0 {
		parts = append(parts, fmt.Sprintf("%d attempts: %d accepted, %d rejected, %d unanswered", c.Attempts, c.Accepts, c.Rejects, unanswered(c)))
	}
	return strings.Join(parts, ", ")
}

// tags are the places and the verdict, separated by commas as Grafana wants them.
func (a Annotations) tags(r *region) string {
	var tags []string
	for i, c := range a.Columns {
		switch c.Field.Name {
		case "host", "iface", "verdict", "proto":
			if word := strings.ReplaceAll(r.group.texts[i], ",", " "); word != "" {
				tags = append(tags, html.EscapeString(word))
			}
		}
	}
	return strings.Join(append([]string{"weir"}, tags...), ",")
}
