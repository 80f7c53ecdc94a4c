package render

import (
	"fmt"
	"strconv"
	"time"
)

// quantity is a number for people: its digits and its unit, which a table aligns separately. The unit is empty for
// numbers that need none.
type quantity struct{ digits, unit string }

// String is the number as it stands in a sentence.
func (q quantity) String() string {
	if q.unit == "" {
		return q.digits
	}
	return q.digits + " " + q.unit
}

// Count is a number of packets, flows or rows for people: "850", "1.73 k".
func Count(n uint64) string { return count(n).String() }

// Size is a number of bytes for people: "138", "71.77 MB".
func Size(n uint64) string { return size(n).String() }

// Duration is a time span for people: "31ms", "1m30s", "1d12h".
func Duration(d time.Duration) string { return duration(d) }

// count is a number of packets or rows, in steps of 1000: "850", "1.73 k".
func count(n uint64) quantity {
	return scale(n, 1000, [...]string{"k", "M", "G", "T", "P", "E"})
}

// size is a number of bytes, in steps of 1024: "138", "71.77 MB".
func size(n uint64) quantity {
	return scale(n, 1024, [...]string{"kB", "MB", "GB", "TB", "PB", "EB"})
}

func scale(n uint64, step float64, units [6]string) quantity {
	if n < uint64(step) {
		return quantity{digits: strconv.FormatUint(n, 10)}
	}
	value, unit := float64(n)/step, 0
	for value >= step-0.005 && unit < len(units)-1 { // what would be rounded up to a full step takes the next unit
		value /= step
		unit++
	}
	return quantity{strconv.FormatFloat(value, 'f', 2, 64), units[unit]}
}

// moment is a time in a zone for people, without the zone's name.
func moment(t time.Time, zone *time.Location) string { return t.In(zone).Format("2006-01-02 15:04:05") }

// duration is a time span for people: two units at most, never more precise than needed.
func duration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "-" + duration(-d)
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	case d < time.Hour:
		return units(d, time.Minute, "m", time.Second, "s")
	case d < day:
		return units(d, time.Hour, "h", time.Minute, "m")
	}
	return units(d, day, "d", time.Hour, "h")
}

func units(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	d = d.Round(small)
	text := fmt.Sprintf("%d%s", d/large, largeName)
	if rest := d % large / small; rest > 0 {
		text += fmt.Sprintf("%d%s", rest, smallName)
	}
	return text
}
