package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// queryVersion is the version of the saved query model; src/types.ts has the same.
const queryVersion = 1

// The kinds of queries.
const (
	typeTable  = "table"
	typeSeries = "timeseries"
)

// Units of a time series.
const (
	unitRate  = "rate"  // bits or packets per second
	unitTotal = "total" // bytes or packets of each bin
)

// Defaults and bounds of the number of groups. A thousand series are past what a graph can show, a hundred
// thousand rows past what a browser paints.
const (
	defaultRows   = 25
	defaultSeries = 10
	maximumRows   = 100_000
	maximumSeries = 1_000
)

// Query is what a panel saves and sends; it mirrors WeirQuery in src/types.ts, and src/testdata/query.json is
// decoded by the tests of both. Members that Grafana adds are passed over.
type Query struct {
	Version   int            `json:"version"`
	QueryType string         `json:"queryType"`
	Servers   []string       `json:"servers"`    // names in the settings; empty: all of them
	Ifaces    string         `json:"interfaces"` // "any", "eth0,eth1", "any,!lo", "/regex/"
	Columns   []string       `json:"attributes"` // names or shorthands of the table of fields
	Condition string         `json:"condition"`
	Limit     int64          `json:"limit"`
	Direction wire.Direction `json:"direction"`
	Value     frames.Value   `json:"value"`
	Unit      string         `json:"unit"` // of time series
	Other     bool           `json:"other"`
}

// DecodeQuery reads a saved query, fills in defaults and checks everything that can be checked without asking a
// server, except for the condition, which Prepare parses. The error names the member and what would be right.
func DecodeQuery(raw []byte) (Query, error) {
	var q Query
	if err := json.Unmarshal(raw, &q); err != nil {
		return Query{}, fmt.Errorf("read the saved query: %w", plain(err))
	}
	if q.Version > queryVersion {
		return Query{}, fmt.Errorf("the query was saved by a newer version of the plugin (query version %d, this one knows %d): update the plugin", q.Version, queryVersion)
	}
	q.fill()
	if err := q.check(); err != nil {
		return Query{}, err
	}
	return q, nil
}

// plain says which member has the wrong type without the names of Go's types.
func plain(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("member %q can't be a %s", wrong.Field, wrong.Value)
	}
	return err
}

// fill replaces what is absent by its default. No attributes at all is a choice: one series for everything.
func (q *Query) fill() {
	q.Version = queryVersion
	q.QueryType = orDefault(q.QueryType, typeTable)
	q.Ifaces = orDefault(strings.TrimSpace(q.Ifaces), "any")
	q.Condition = strings.TrimSpace(q.Condition)
	q.Direction = orDefault(q.Direction, wire.DirectionBoth)
	q.Value = orDefault(q.Value, frames.Bytes)
	q.Unit = orDefault(q.Unit, unitRate)
	if q.Servers == nil {
		q.Servers = []string{}
	}
	if q.Columns == nil {
		q.Columns = []string{"sip", "dip", "dport", "proto"}
	}
	if q.Limit == 0 {
		q.Limit = defaultRows
		if q.QueryType == typeSeries {
			q.Limit = defaultSeries
		}
	}
}

func orDefault[T ~string](value, otherwise T) T {
	if value == "" {
		return otherwise
	}
	return value
}

func (q *Query) check() error {
	if err := q.variables(); err != nil {
		return err
	}
	maximum := int64(maximumRows)
	if q.QueryType == typeSeries {
		maximum = maximumSeries
	}
	switch {
	case q.QueryType != typeTable && q.QueryType != typeSeries:
		return fmt.Errorf("query type %q: not one of %s, %s", q.QueryType, typeTable, typeSeries)
	case q.Direction != wire.DirectionBoth && q.Direction != wire.DirectionIn && q.Direction != wire.DirectionOut:
		return fmt.Errorf("direction %q: not one of both, in, out", q.Direction)
	case q.Value != frames.Bytes && q.Value != frames.Packets:
		return fmt.Errorf("value %q: not one of bytes, packets", q.Value)
	case q.Unit != unitRate && q.Unit != unitTotal:
		return fmt.Errorf("unit %q: not one of %s, %s", q.Unit, unitRate, unitTotal)
	case q.Limit < 0 || q.Limit > maximum:
		return fmt.Errorf("limit %d: not within 1 to %d", q.Limit, maximum)
	}
	fields, err := q.Fields()
	if err != nil {
		return err
	}
	if q.QueryType == typeTable && len(fields) == 0 {
		return errors.New("attributes: choose at least one, such as sip or dport")
	}
	return nil
}

// Fields looks the attributes up in the table of fields, shorthands expanded and repeated ones dropped. In a time
// series, time is a matter of course and left out.
func (q *Query) Fields() ([]flow.Field, error) {
	var fields []flow.Field
	add := func(name string) error {
		field, ok := flow.LookupField(name)
		if !ok || !field.Query {
			return unknownAttribute(name)
		}
		known := slices.ContainsFunc(fields, func(f flow.Field) bool { return f.Name == field.Name })
		if !known && (q.QueryType != typeSeries || field.Type != flow.TypeTime) {
			fields = append(fields, field)
		}
		return nil
	}
	for _, name := range q.Columns {
		names := []string{strings.ToLower(strings.TrimSpace(name))}
		for _, s := range flow.Shorthands() {
			if s.Name == names[0] {
				names = s.Fields
			}
		}
		for _, n := range names {
			if err := add(n); err != nil {
				return nil, err
			}
		}
	}
	return fields, nil
}

func unknownAttribute(name string) error {
	var known []string
	for _, f := range flow.Fields() {
		if f.Query {
			known = append(known, f.Name)
		}
	}
	if nearest, ok := flow.Nearest(name, known); ok {
		return fmt.Errorf("attribute %q is not known; did you mean %q?", name, nearest)
	}
	return fmt.Errorf("attribute %q is not known; known are %s", name, strings.Join(known, ", "))
}

// leftover finds a template variable in any of Grafana's three spellings.
var leftover = regexp.MustCompile(`\$\w+|\$\{[^}]*\}|\[\[[\w:.]+\]\]`)

// variables refuses a query in which a dashboard variable was not replaced, as in alert rules, which have none.
func (q *Query) variables() error {
	texts := append([]string{q.Condition, q.Ifaces}, q.Columns...)
	for _, text := range append(texts, q.Servers...) {
		if found := leftover.FindString(text); found != "" {
			return fmt.Errorf("variable %s has no value here: alert rules and shared links have no dashboard variables, so write the value itself", found)
		}
	}
	return nil
}
