package query

import (
	"maps"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// covered is what the intervals of an answer cover.
type covered struct {
	any         bool
	first, last int64 // start of the first and end of the last interval
	accounting  flow.Accounting
	bins        map[bin]time.Duration // with Series
	previous    flow.Interval         // the one covered last
}

// bin is a time bin of an interface.
type bin struct {
	iface uint16
	end   int64
}

// cover notes that an interval is part of the answer; end is the moment until which it has data. It is called for
// each part of a long interval.
func (r *run) cover(iface uint16, interval flow.Interval, end int64) {
	c := &r.covered
	start := end - int64((interval.Duration+time.Second-1)/time.Second)
	if !c.any {
		c.any, c.first, c.last = true, start, end
	}
	c.first, c.last = min(c.first, start), max(c.last, end)
	c.accounting.Add(interval.Accounting)
	if !r.query.Series {
		return
	}
	interval.Accounting = flow.Accounting{}
	key := bin{iface, r.binEnd(interval.End)}
	if _, known := c.bins[key]; known && interval == c.previous {
		return // another part of the same interval
	}
	if c.bins == nil {
		c.bins = map[bin]time.Duration{}
	}
	c.bins[key] += interval.Duration
	c.previous = interval
}

// binEnd is the time stamp of the rows of an interval.
func (r *run) binEnd(stamp int64) int64 { return min(r.query.BinEnd(stamp), wire.EndOfTime) }

// binCoverage says how much of each bin is covered: as rows do, an interval belongs as a whole to the bin of its
// end.
func (r *run) binCoverage() (list []wire.BinCoverage) {
	longest := map[int64]time.Duration{}
	for key, d := range r.covered.bins {
		if r.query.Resolution > 0 {
			d = min(d, r.query.Resolution)
		}
		longest[key.end] = max(longest[key.end], d)
	}
	for _, end := range slices.Sorted(maps.Keys(longest)) {
		if d := longest[end]; d > 0 {
			list = append(list, wire.BinCoverage{Timestamp: time.Unix(end, 0).UTC(), Seconds: d.Seconds()})
		}
	}
	return list
}
