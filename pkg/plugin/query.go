package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// queryVersion is the version of the saved query model; src/types.ts has the same.
const queryVersion = 2

// Units of the values.
const (
	unitRate    = "rate"    // bits or packets per second: of each bin of a series, over the covered time of a table
	unitTotal   = "total"   // bytes or packets: of each bin of a series, of the whole range of a table
	unitAverage = "average" // bits or packets per second over the covered time of the range: a series is a level line
)

// Query is what a panel saves and sends; it mirrors WeirQuery in src/types.ts, and src/testdata/query.json is
// decoded by the tests of both. Members that Grafana adds are passed over. Which members a query type honours stands
// in querytypes.go; the others keep what they had while the editor shows another type.
type Query struct {
	Version    int            `json:"version"`
	QueryType  string         `json:"queryType"`
	Servers    []string       `json:"servers"`    // names in the settings; empty: all of them
	Hosts      string         `json:"hosts"`      // a selection of hosts, "company=acme,fra-*"; empty: all of them
	Ifaces     string         `json:"interfaces"` // "any", "eth0,eth1", "any,!lo", "/regex/"
	Columns    []string       `json:"attributes"` // names or shorthands of the table of fields, sip/24, label.company
	Condition  string         `json:"condition"`
	Limit      int64          `json:"limit"`
	Direction  wire.Direction `json:"direction"`
	Value      frames.Value   `json:"value"`
	Unit       string         `json:"unit"`
	Sort       string         `json:"sort"` // bytes, packets, time; empty: by the value
	Ascending  bool           `json:"ascending"`
	Resolution string         `json:"resolution"` // "5m", "1h"; empty: what the panel can show
	Other      bool           `json:"other"`      // the sum of what the limit cut off
	Compare    string         `json:"compare"`    // "1d", "1w", "previous"
	Mirror     bool           `json:"mirror"`     // of both directions two series, sent below the axis
	Resolve    bool           `json:"resolve"`    // names beside addresses
	Enrich     bool           `json:"enrich"`     // country and network operator beside addresses
	Partial    bool           `json:"partial"`    // show answers while hosts still answer: the front end streams
	Strict     bool           `json:"strict"`     // an error where a host is missing
	Debug      bool           `json:"debug"`      // a frame on what each host did
	Frame      string         `json:"frame"`      // the one table to send of an answer of several; empty: all of them
	Dedupe     string         `json:"dedupe"`     // sum, max: flows that several hosts saw
	A          string         `json:"a"`          // the two ends of a path
	B          string         `json:"b"`
	Actors     string         `json:"actors"`   // "@list", or addresses separated by blanks, commas or line breaks
	Variable   string         `json:"variable"` // what a variable lists
	Label      string         `json:"label"`    // whose values a variable lists
}

// DecodeQuery reads a saved query of any version, fills in defaults and checks everything that can be checked without
// asking a server, except for the condition, which Prepare parses. The error names the member and what would be right.
func DecodeQuery(raw []byte) (Query, error) {
	var given saved
	if err := json.Unmarshal(raw, &given); err != nil {
		return Query{}, fmt.Errorf("read the saved query: %w", plain(err))
	}
	q, err := given.query()
	if err != nil {
		return Query{}, err
	}
	if q.Version > queryVersion {
		return Query{}, fmt.Errorf("the query was saved by a newer version of the plugin (query version %d, this one knows %d): update the plugin", q.Version, queryVersion)
	}
	q.fill(given.Mirror == nil)
	if err := q.check(); err != nil {
		return Query{}, err
	}
	return q, nil
}

// saved is a query as it may stand in a dashboard: a variable may be in the place of a number or a switch, and its value
// comes as a text.
type saved struct {
	members
	Limit   any   `json:"limit"`
	Resolve any   `json:"resolve"`
	Enrich  any   `json:"enrich"`
	Mirror  *bool `json:"mirror"`
}

type members Query

func (s saved) query() (Query, error) {
	q := Query(s.members)
	q.Mirror = s.Mirror != nil && *s.Mirror
	switch limit := s.Limit.(type) {
	case nil:
	case float64:
		if q.Limit = int64(limit); float64(q.Limit) != limit {
			return q, fmt.Errorf("limit %g: not a whole number", limit)
		}
	case string:
		if err := leftIn(limit); err != nil {
			return q, err
		}
		var err error
		if q.Limit, err = strconv.ParseInt(strings.TrimSpace(limit), 10, 64); err != nil {
			return q, fmt.Errorf("limit %q: not a number", limit)
		}
	default:
		return q, errors.New(`limit: not a number`)
	}
	for _, option := range []struct {
		name  string
		given any
		into  *bool
	}{{"resolve", s.Resolve, &q.Resolve}, {"enrich", s.Enrich, &q.Enrich}} {
		var err error
		if *option.into, err = switchedOn(option.name, option.given); err != nil {
			return q, err
		}
	}
	return q, nil
}

// switchedOn reads a switch; an empty text is off.
func switchedOn(name string, given any) (bool, error) {
	switch value := given.(type) {
	case nil:
		return false, nil
	case bool:
		return value, nil
	case string:
		switch strings.ToLower(strings.TrimSpace(value)) {
		case "true", "on", "yes", "1":
			return true, nil
		case "", "false", "off", "no", "0":
			return false, nil
		}
		if err := leftIn(value); err != nil {
			return false, err
		}
		return false, fmt.Errorf("%s %q: not one of true, false", name, value)
	}
	return false, fmt.Errorf("%s: not one of true, false", name)
}

// plain says which member has the wrong type without the names of Go's types.
func plain(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("member %q can't be a %s", strings.TrimPrefix(wrong.Field, "members."), wrong.Value)
	}
	return err
}

// fill replaces what is absent by its default, after bringing version 1 to the present model. No attributes at all is
// a choice: one series for everything.
func (q *Query) fill(noMirror bool) {
	q.QueryType = orDefault(q.QueryType, typeTable)
	q.Direction = orDefault(q.Direction, wire.DirectionBoth)
	if q.Version < 2 {
		// A series of both directions was always mirrored; the unit of a table had no effect.
		if q.QueryType == typeSeries && q.Direction == wire.DirectionBoth && noMirror {
			q.Mirror = true
		}
		if q.QueryType == typeTable && q.Unit == unitRate {
			q.Unit = unitTotal
		}
	}
	q.Version = queryVersion
	for _, text := range []*string{&q.Hosts, &q.Ifaces, &q.Condition, &q.Resolution, &q.Compare, &q.A, &q.B, &q.Actors, &q.Label} {
		*text = strings.TrimSpace(*text)
	}
	q.Ifaces = orDefault(q.Ifaces, "any")
	q.Value = orDefault(q.Value, frames.Bytes)
	if q.Servers == nil {
		q.Servers = []string{}
	}
	kind, _ := lookupType(q.QueryType)
	q.Unit = orDefault(q.Unit, kind.unit)
	if q.Columns == nil {
		q.Columns = append([]string{}, kind.attributes...)
	}
	if q.Limit == 0 {
		q.Limit = kind.limit
	}
	if q.QueryType == typeVariable {
		q.Variable = orDefault(q.Variable, listHosts)
	}
}

func orDefault[T ~string](value, otherwise T) T {
	if value == "" {
		return otherwise
	}
	return value
}
