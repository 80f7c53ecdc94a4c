package host

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// units of relative times that have a fixed length.
var units = map[byte]time.Duration{
	's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour,
}

// parseTime reads an end of a time range as Grafana's API takes it: Unix milliseconds, "now" or "now-6h". Rounding
// ("now/d") and calendar units are the browser's business, which sends milliseconds.
func parseTime(text string, now time.Time) (time.Time, error) {
	if milliseconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(milliseconds).UTC(), nil
	}
	offset, ok := strings.CutPrefix(text, "now")
	if !ok {
		return time.Time{}, fmt.Errorf("time %q: not Unix milliseconds, now or now-<number><s|m|h|d|w>", text)
	}
	if offset == "" {
		return now, nil
	}
	unit, known := units[offset[len(offset)-1]]
	number, err := strconv.ParseInt(offset[:len(offset)-1], 10, 32)
	if !known || err != nil || (offset[0] != '-' && offset[0] != '+') {
		return time.Time{}, fmt.Errorf("time %q: not now-<number><s|m|h|d|w>", text)
	}
	return now.Add(time.Duration(number) * unit), nil
}
