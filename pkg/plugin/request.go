package plugin

import (
	"errors"
	"fmt"
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

// maximumPoints bounds what a resolution may ask for: more than any panel has pixels.
const maximumPoints = 20_000

// resolution reads the length of a bin that a query names. It has to be a multiple of the servers' interval: else
// some bins would hold more intervals than others, and a graph of steady traffic would have teeth.
func resolution(text string, interval, lasting time.Duration) (time.Duration, error) {
	prepared, err := (&wire.Request{Query: "time", Ifaces: "any", TimeResolution: text}).Prepare(time.Unix(0, 0))
	if err != nil {
		return 0, explain(err)
	}
	bin := prepared.Resolution
	switch {
	case bin < interval || bin%interval != 0:
		return 0, fmt.Errorf("resolution %s: not a multiple of the interval of %s in which the hosts count", text, short(interval))
	case lasting/bin > maximumPoints:
		return 0, fmt.Errorf("resolution %s: the range has %d bins of that length, more than %d; choose longer bins or a shorter range", text, lasting/bin, maximumPoints)
	}
	return bin, nil
}

// short writes a length of time without the zeros at its end: "5m" for 5m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
