package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// coverage says what the answers so far rest on.
func (a *asker) coverage() Coverage {
	var c Coverage
	if a.result == nil {
		return c
	}
	r := a.result
	c.Hosts = len(r.HostsStatuses)
	asked := [2]time.Time{time.Unix(a.span[0], 0).UTC(), time.Unix(min(a.span[1], a.scope.Now.Unix()), 0).UTC()}
	for name, status := range r.HostsStatuses {
		n := rank(status)
		if n < 3 {
			c.Answered++
		}
		if n == 0 || n == 2 {
			c.WithData++
		}
		if n > 0 {
			c.Missing = append(c.Missing, MissingHost{Host: name, State: stateOf(status), Reason: status.Message})
		}
		first, last := a.spanOf(status)
		if n == 0 && covers(first, last, asked) {
			c.Full++
		}
	}
	slices.SortFunc(c.Missing, func(a, b MissingHost) int { return cmp.Compare(a.Host, b.Host) })
	if c.WithData > 0 {
		c.First, c.Last = later(asked[0], r.Summary.TimeFirst), r.Summary.TimeLast
		if asked[1].Before(c.Last) {
			c.Last = asked[1]
		}
	}
	c.Folded = r.Summary.Folded
	c.Text = c.text(a.scope.Now)
	return c
}

// slack is how much may be missing at the ends of a span: the interval that is being counted, and one that is written.
const slack = 10 * time.Minute

func covers(first, last time.Time, asked [2]time.Time) bool {
	return !first.IsZero() && !first.After(asked[0].Add(slack)) && !last.Before(asked[1].Add(-slack))
}

// spanOf is from when to when a host has data, zero where it is not known.
func (a *asker) spanOf(s wire.Status) (first, last time.Time) {
	if s.First.IsZero() && len(a.result.HostsStatuses) == 1 {
		return a.result.Summary.TimeFirst, a.result.Summary.TimeLast
	}
	return s.First, s.Last
}

func stateOf(s wire.Status) wire.State {
	if s.State != "" {
		return s.State
	}
	return wire.State(s.Code)
}

// text is such as "31 of 34 hosts answered, data covers 1 Aug 00:00 .. now on 29".
func (c *Coverage) text(now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %s answered", c.Answered, plural(c.Hosts, "host"))
	switch {
	case c.WithData == 0:
		b.WriteString(", none of them has data of this time")
	case c.Full > 0:
		fmt.Fprintf(&b, ", data covers %s .. %s on %d", c.moment(c.First, now), c.moment(c.Last, now), c.Full)
		if c.Full < c.WithData {
			fmt.Fprintf(&b, ", and less of it on %d", c.WithData-c.Full)
		}
	default:
		fmt.Fprintf(&b, ", data within %s .. %s on %d", c.moment(c.First, now), c.moment(c.Last, now), c.WithData)
	}
	if c.Folded != nil {
		fmt.Fprintf(&b, "; %d packets in %s are without addresses (flow table full)", c.Folded.Packets, plural(int(c.Folded.Intervals), "interval"))
	}
	return b.String()
}

// moment writes a time as short as it is clear: "now" near the present, with the year where it is another one.
func (c *Coverage) moment(t, now time.Time) string {
	switch {
	case now.Sub(t) < slack:
		return "now"
	case t.Year() != now.Year():
		return t.Format("2 Jan 2006 15:04")
	}
	return t.Format("2 Jan 15:04")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// truncation is what the limit cut off an answer, nil for nothing.
func truncation(r *wire.Result, means string) *Truncation {
	hits := r.Summary.Hits
	if hits.Total <= hits.Displayed {
		return nil
	}
	upTo := ""
	if hits.Bound {
		upTo = "up to "
	}
	return &Truncation{
		Shown: hits.Displayed, Total: hits.Total, Bound: hits.Bound, What: "rows",
		Text: fmt.Sprintf("%d of %s%d rows were looked at, those with most bytes: %s", hits.Displayed, upTo, hits.Total, means),
	}
}

// joinTruncations sums two up; either may be nil.
func joinTruncations(a, b *Truncation, means string) *Truncation {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	r := &wire.Result{Summary: wire.Summary{Hits: wire.Hits{Displayed: a.Shown + b.Shown, Total: a.Total + b.Total, Bound: a.Bound || b.Bound}}}
	return truncation(r, means)
}
