package wire

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxEpoch is the latest moment package time can hold, in Unix seconds; goProbe sends it for "end of time".
const maxEpoch = math.MaxInt64 - 62135596800

// layouts are the absolute formats, tried in order. A layout without a zone is read in the zone of now.
// A layout digit such as 2 or 15 also reads one digit.
var layouts = func() []string {
	list := []string{
		time.RFC3339, time.ANSIC, time.RubyDate, time.RFC822Z, time.RFC1123Z,
		"2006-1-2T15:04:05", "2006-1-2T15:04", "2006-1-2T15:04Z07:00",
	}
	for _, date := range []string{"2006-1-2", "06-1-2", "2-1-2006", "2-1-06", "2.1.2006", "2.1.06"} {
		for _, clock := range []string{" 15:04:05", " 15:04", ""} {
			for _, zone := range []string{"", " -0700", " Z07:00"} {
				if clock != "" || zone == "" {
					list = append(list, date+clock+zone)
				}
			}
		}
	}
	return list
}()

// errTime says what ParseTime takes.
var errTime = errors.New(`expected a time relative to now ("-1h", "-7d", "-1d:12h"), Unix seconds ("1790000000"), ` +
	`RFC 3339 ("2026-11-20T05:00:00Z") or a date ("2026-11-20 05:00", "20.11.2026 05:00:00 +0100", "2026-11-20")`)

// ParseTime reads a time: relative to now ("-15d4h5m", "-15d:04h:05m:10s", "now"), in Unix seconds, or one of the
// absolute formats that goProbe knows. A date alone is its midnight. Without an offset the zone is that of now.
func ParseTime(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return time.Time{}, fmt.Errorf("empty time: %w", errTime)
	case len(text) > 64:
		return time.Time{}, fmt.Errorf("invalid time %q…: %w", strings.ToValidUTF8(text[:32], "?"), errTime)
	case text[0] == '-', strings.HasPrefix(text, "now"):
		return parseRelative(text, now)
	case isDigits(text):
		return parseEpoch(text, now)
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("invalid time %q: %w", text, errTime)
}

func isDigits(text string) bool { return strings.Trim(text, "0123456789") == "" }

func parseEpoch(text string, now time.Time) (time.Time, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > maxEpoch {
		return time.Time{}, fmt.Errorf("invalid time %q: more Unix seconds than a time can hold (%d)", text, int64(maxEpoch))
	}
	return time.Unix(n, 0).In(now.Location()), nil
}

// parseRelative reads "now", "-1h" or "now-1h". Whole seconds are kept only, as time stamps are whole seconds.
func parseRelative(text string, now time.Time) (time.Time, error) {
	now = now.Truncate(time.Second)
	rest := strings.TrimPrefix(text, "now")
	if rest == "" {
		return now, nil
	}
	span, ok := strings.CutPrefix(rest, "-")
	if !ok {
		return time.Time{}, fmt.Errorf("invalid time %q: %w", text, errTime)
	}
	d, err := parseSpan(span)
	if err != nil {
		return time.Time{}, fmt.Errorf("invalid relative time %q: %w", text, err)
	}
	return now.Add(-d), nil
}

// parseSpan reads a length of time in Go's syntax, with days and weeks in front ("15d4h5m"), or its parts separated
// by colons, in any order ("15d:04h:05m:10s").
func parseSpan(text string) (time.Duration, error) {
	var sum time.Duration
	for part := range strings.SplitSeq(text, ":") {
		d, err := parseSpanPart(part)
		if err != nil {
			return 0, err
		}
		if sum += d; sum > maxSpan {
			return 0, fmt.Errorf("%q is longer than %d years", text, int(maxSpan.Hours()/24/365))
		}
	}
	return sum, nil
}

func parseSpanPart(part string) (time.Duration, error) {
	errPart := fmt.Errorf("%q is no length of time: expected numbers with units, such as 90m, 1h30m, 7d, 15d4h or 15d:04h:05m", part)
	var sum time.Duration
	rest := part
	for _, unit := range []struct {
		mark string
		size time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		count, tail, found := strings.Cut(rest, unit.mark)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(count, 10, 32)
		if err != nil || n > uint64(maxSpan/unit.size) {
			return 0, errPart
		}
		sum += time.Duration(n) * unit.size
		rest = tail
	}
	if rest == "" && rest != part {
		return sum, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || strings.HasPrefix(rest, "+") || strings.HasPrefix(rest, "-") || d > maxSpan {
		return 0, errPart
	}
	return sum + d, nil
}
