package frames

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/reports"
)

// sheet collects the columns of a table in the order in which they are shown.
type sheet struct {
	frame *data.Frame
	links Links
}

func newSheet(name string, links Links) *sheet {
	frame := data.NewFrame(name)
	frame.SetMeta(meta(data.FrameTypeTable))
	return &sheet{frame, links}
}

// add is a column with its heading, help and unit.
func add[T any](s *sheet, name, title, description, unit string, values []T) *data.Field {
	field := column(name, title, unit, values)
	field.Config.Description = description
	s.frame.Fields = append(s.frame.Fields, field)
	return field
}

// each makes a column of something of each row.
func each[R, T any](rows []R, of func(*R) T) []T {
	values := make([]T, len(rows))
	for i := range rows {
		values[i] = of(&rows[i])
	}
	return values
}

// seen are the columns of when something was seen first and last.
func seen[R any](s *sheet, rows []R, first, last func(*R) time.Time) {
	add(s, "first_seen", "First seen", "End of the first interval in which it was counted.", "", moments(each(rows, first)))
	add(s, "last_seen", "Last seen", "End of the last interval in which it was counted.", "", moments(each(rows, last)))
}

// outcome are the columns of connection attempts.
func outcomeColumns[R any](s *sheet, rows []R, of func(*R) reports.Outcome) {
	verdicts := add(s, "verdict", "Verdict", "accepted, rejected, unanswered, or n/a where no attempt was seen.", "",
		each(rows, func(r *R) string { return of(r).Verdict }))
	verdicts.Config.Mappings = verdictColors()
	add(s, "attempts", "Attempts", "Connection attempts whose outcome is known.", unitCount, each(rows, func(r *R) uint64 { return of(r).Attempts }))
	add(s, "accepts", "Accepted", "Connection attempts that were answered.", unitCount, each(rows, func(r *R) uint64 { return of(r).Accepted }))
	add(s, "rejects", "Rejected", "Connection attempts that were refused, by a reset or an ICMP error.", unitCount, each(rows, func(r *R) uint64 { return of(r).Rejected }))
	add(s, "unanswered", "Blocked", "Connection attempts that nothing answered: usually a filter that drops, or nobody there.", unitCount,
		each(rows, func(r *R) uint64 { return of(r).Unanswered }))
}

// verdictColors paint the cells of verdicts in the dashboards' colours.
func verdictColors() data.ValueMappings {
	return data.ValueMappings{data.ValueMapper{
		"accepted": {Color: "green", Index: 0}, "rejected": {Color: "red", Index: 1},
		"unanswered": {Color: "orange", Text: "blocked", Index: 2}, "n/a": {Color: "text", Index: 3}, reports.NotSeen: {Color: "text", Index: 4},
	}}
}

// answerSheet is the frame that holds the answer in words, with what it rests on.
func answerSheet(verdict, text string, coverage reports.Coverage) *data.Frame {
	s := newSheet("answer", Links{})
	if verdict != "" {
		add(s, "verdict", "Verdict", "", "", []string{verdict}).Config.Mappings = verdictColors()
	}
	add(s, "answer", "Answer", "", "", []string{text})
	add(s, "coverage", "Rests on", "Which hosts answered, and from when to when they have data.", "", []string{coverage.Text})
	add(s, "hosts", "Hosts asked", "", unitCount, []int64{int64(coverage.Hosts)})
	add(s, "answered", "Hosts that answered", "", unitCount, []int64{int64(coverage.Answered)})
	add(s, "with_data", "Hosts with data", "", unitCount, []int64{int64(coverage.WithData)})
	add(s, "data_first", "Data from", "", "", moments([]time.Time{coverage.First}))
	add(s, "data_last", "Data until", "", "", moments([]time.Time{coverage.Last}))
	return s.frame
}

// noRows is a frame of that name without fields: "No data" in a panel, where the notice says what that proves.
func noRows(name string) *data.Frame {
	frame := empty(data.FrameTypeTable)
	frame.Name = name
	return frame
}

// places writes points as "host iface", the first few of them.
func places(points []reports.Point) string {
	return listed(points, func(p reports.Point) string { return p.Host + " " + p.Iface })
}

// listedAtMost is how many of a cell's values are shown.
const listedAtMost = 10

// listed joins values for a cell, and says how many there are beyond those shown.
func listed[T any](values []T, text func(T) string) string {
	words := make([]string, 0, min(len(values), listedAtMost))
	for _, v := range values[:min(len(values), listedAtMost)] {
		words = append(words, text(v))
	}
	all := strings.Join(words, ", ")
	if more := len(values) - listedAtMost; more > 0 {
		all += fmt.Sprintf(" and %d more", more)
	}
	return all
}

func asText[T fmt.Stringer](v T) string { return v.String() }

func itself(s string) string { return s }

// labelKeys are the labels that any of the rows' hosts has, sorted.
func labelKeys[R any](rows []R, of func(*R) map[string]string) []string {
	var keys []string
	for i := range rows {
		for key := range of(&rows[i]) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// filterable lets a cell's value become a term of a condition by a click.
func filterable(field *data.Field) *data.Field {
	yes := true
	field.Config.Filterable = &yes
	return field
}
