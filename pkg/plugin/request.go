package plugin

import (
	"errors"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/weirflow/weir/pkg/wire"
)

// liveSlack is how long ago a range may end and still be taken for one that ends now: a panel's "now" has aged on
// its way here, and clocks differ.
const liveSlack = time.Minute

// defaultPoints is the resolution of a graph that does not say how wide it is.
const defaultPoints = 1000

const day = 24 * time.Hour

// span is the stretch of time of a query.
type span struct {
	first, last time.Time // bounds of the interval ends, both inclusive
	step        time.Duration
	live        bool
}

// tableSpan bounds a table. The interval that ends at the range's start belongs to the range before it, so that
// neighbouring ranges never count one twice.
func tableSpan(r backend.TimeRange, now time.Time, alert bool) (span, error) {
	s := span{first: r.From.Truncate(time.Second).Add(time.Second), last: r.To.Truncate(time.Second)}
	s.live = !alert && now.Sub(r.To) < liveSlack
	if s.last.Before(s.first) {
		return s, errors.New("time range: shorter than a second")
	}
	return s, nil
}

// seriesSpan bounds a time series. The start moves back to the grid of the bins, so that the first bin is whole.
func seriesSpan(r backend.TimeRange, now time.Time, alert bool, step time.Duration) (span, error) {
	s, err := tableSpan(r, now, alert)
	s.step = step
	s.first = r.From.Truncate(step).Add(time.Second)
	return s, err
}

// binLength is the length of a time bin: a multiple of the servers' interval that is at least what the panel wants
// (its interval) and can show (its points). Up to a day it divides the day, where the interval does, so that bins
// fall on full hours and midnight.
func binLength(interval time.Duration, q backend.DataQuery) time.Duration {
	points := q.MaxDataPoints
	if points <= 0 {
		points = defaultPoints
	}
	least := max(interval, q.Interval, q.TimeRange.Duration()/time.Duration(points))
	bin := (least + interval - 1) / interval * interval
	if day%interval != 0 {
		return bin
	}
	for bin < day && day%bin != 0 {
		bin += interval
	}
	if bin > day {
		bin = (bin + day - 1) / day * day
	}
	return bin
}

// Request is the question to the servers. Rows of all interfaces and hosts are merged into the groups that the
// attributes name; host and interface are attributes like the others.
func (q *Query) Request(s span) (*wire.Request, error) {
	fields, err := q.Fields()
	if err != nil {
		return nil, err
	}
	var names []string
	if s.step > 0 {
		names = append(names, "time")
	}
	for _, f := range fields {
		names = append(names, f.Name)
	}
	r := &wire.Request{
		Query:      strings.Join(names, ","),
		Ifaces:     q.Ifaces,
		Condition:  q.Condition,
		First:      s.first.UTC().Format(time.RFC3339),
		Last:       s.last.UTC().Format(time.RFC3339),
		In:         q.Direction == wire.DirectionIn,
		Out:        q.Direction == wire.DirectionOut,
		SortBy:     string(q.Value),
		NumResults: q.Limit,
		Caller:     "grafana",
		Live:       s.live,
		Merge:      true,
		Other:      q.Other,
	}
	if s.step > 0 {
		r.Series = true
		r.TimeResolution = s.step.String()
	}
	return r, nil
}
