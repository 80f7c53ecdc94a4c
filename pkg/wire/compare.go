package wire

import (
	"fmt"
	"strings"
	"time"
)

// comparePrevious is the word for the span that ends where the query's starts.
const comparePrevious = "previous"

// compare finds the earlier span. Both spans have the same length; they may touch, but not overlap.
func (c *checker) compare(q *Query) {
	text := strings.TrimSpace(c.request.Compare)
	if text == "" || c.faulty("first") || c.faulty("last") {
		return
	}
	last := min(q.Last, c.now.Unix()) // an open end means now
	length := last - q.First
	if length < 0 {
		c.fault("compare", text, "the span lies in the future: there is nothing to compare")
		return
	}
	shift := length + 1 // no second belongs to both
	if !strings.EqualFold(text, comparePrevious) {
		d, err := parseSpan(strings.TrimPrefix(text, "-"))
		if err != nil || d < time.Second || d%time.Second != 0 {
			c.fault("compare", text, "invalid span %q: expected previous or a length of time in whole seconds, such as 1h, 1d or 1w, by which the other span is earlier%s",
				text, hint(text, []string{comparePrevious}))
			return
		}
		shift = int64(d / time.Second)
	}
	switch {
	case shift < length:
		c.fault("compare", text, "the span of %s and the one %s earlier overlap: compare with one at least as much earlier as the span is long, or give a later first",
			spanText(length), spanText(shift))
	case q.First < shift:
		c.fault("compare", text, "the span %s earlier begins before 1970", spanText(shift))
	default:
		q.CompareFirst, q.CompareLast = q.First-shift, last-shift
	}
}

// spanText writes a length in seconds as parseSpan reads it.
func spanText(seconds int64) string {
	const day = 24 * 60 * 60
	rest := time.Duration(seconds%day) * time.Second
	switch {
	case seconds < day:
		return rest.String()
	case rest == 0:
		return fmt.Sprintf("%dd", seconds/day)
	}
	return fmt.Sprintf("%dd%s", seconds/day, rest)
}
