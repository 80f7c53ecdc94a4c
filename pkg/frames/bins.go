package frames

import (
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// bin is a covered stretch of time that has a point in every series.
type bin struct {
	end     time.Time
	seconds float64 // covered part, above 0
}

// bins lists the covered bins in ascending order. The result says which they are; of one that does not (goProbe's
// servers), the bins with any row are taken as covered, the first and last as far as the summary's span reaches.
func bins(result *wire.Result, step time.Duration) []bin {
	covered := make(map[int64]float64)
	for _, c := range result.Summary.Coverage {
		if c.Seconds > 0 {
			covered[c.Timestamp.Unix()] = c.Seconds
		}
	}
	seen := func(end time.Time) {
		if _, ok := covered[end.Unix()]; !ok {
			covered[end.Unix()] = overlap(end, step, &result.Summary)
		}
	}
	for i := range result.Rows {
		seen(result.Rows[i].Labels.Timestamp)
	}
	if other := result.Summary.Other; other != nil {
		for _, b := range other.Bins {
			seen(b.Timestamp)
		}
	}
	list := make([]bin, 0, len(covered))
	for end, seconds := range covered {
		list = append(list, bin{time.Unix(end, 0).UTC(), seconds})
	}
	slices.SortFunc(list, func(a, b bin) int { return a.end.Compare(b.end) })
	return list
}

// overlap is how many seconds of the bin that ends at end lie within the span of the summary; the whole bin where
// the summary names no span, or one that contradicts its rows.
func overlap(end time.Time, step time.Duration, summary *wire.Summary) float64 {
	start, stop := end.Add(-step), end
	if first := summary.TimeFirst; !first.IsZero() && first.After(start) {
		start = first
	}
	if last := summary.TimeLast; !last.IsZero() && last.Before(stop) {
		stop = last
	}
	if covered := stop.Sub(start); covered > 0 {
		return covered.Seconds()
	}
	return step.Seconds()
}

// index finds a bin by its end in Unix seconds.
func index(bins []bin) map[int64]int {
	at := make(map[int64]int, len(bins))
	for i, b := range bins {
		at[b.end.Unix()] = i
	}
	return at
}
