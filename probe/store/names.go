package store

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxInterfaceName is the greatest length of an interface's name, in bytes. Linux allows 15; derived names
// (eth0~vxlan.42) and imported ones may be longer. Three characters a byte stay below the 255 of file systems.
const MaxInterfaceName = 64

const hexDigits = "0123456789ABCDEF"

// encodeName makes a directory name of an interface's name: bytes outside [a-zA-Z0-9._-] and a leading dot are
// written as % and two upper-case hexadecimal digits. It is reversible, and two names never share a directory.
func encodeName(name string) (string, error) {
	if name == "" || len(name) > MaxInterfaceName {
		return "", fmt.Errorf("interface name %q: length must be 1 to %d bytes", name, MaxInterfaceName)
	}
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; plain(c) && (i > 0 || c != '.') {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String(), nil
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

// decodeName is the inverse of encodeName; false for a directory that encodeName would not have made.
func decodeName(dir string) (string, bool) {
	if len(dir) > 3*MaxInterfaceName {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(dir); i++ {
		if dir[i] != '%' {
			b.WriteByte(dir[i])
			continue
		}
		if i+2 >= len(dir) {
			return "", false
		}
		high, low := strings.IndexByte(hexDigits, dir[i+1]), strings.IndexByte(hexDigits, dir[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	name := b.String()
	again, err := encodeName(name)
	return name, err == nil && again == dir
}

// day is a UTC day as the number of days since 1970-01-01.
type day int64

const (
	secondsPerDay = 24 * 60 * 60
	logSuffix     = ".wlog"
	segmentSuffix = ".wseg"
	maxEnd        = 253402300799 // 9999-12-31T23:59:59Z, the last second with four digits of year
)

// dayOf is the day a block belongs to: that of the last second before its end.
func dayOf(end int64) day { return day((end - 1) / secondsPerDay) }

// String is the date.
func (d day) String() string { return time.Unix(int64(d)*secondsPerDay, 0).UTC().Format(time.DateOnly) }

// fileName is the name of the day's log.
func (d day) fileName() string { return d.String() + logSuffix }

// segmentName is the name of a day's segment: that of the day as a whole, number 0, or a part of it.
func (d day) segmentName(number int) string {
	if number == 0 {
		return d.String() + segmentSuffix
	}
	return fmt.Sprintf("%s.%04d%s", d, number, segmentSuffix)
}

// parseDate is the inverse of day.String.
func parseDate(date string) (day, bool) {
	t, err := time.ParseInLocation(time.DateOnly, date, time.UTC)
	if err != nil {
		return 0, false
	}
	d := day(t.Unix() / secondsPerDay)
	return d, t.Unix() >= 0 && d.String() == date
}

// parseFileName is the inverse of fileName.
func parseFileName(name string) (day, bool) {
	date, ok := strings.CutSuffix(name, logSuffix)
	if !ok {
		return 0, false
	}
	return parseDate(date)
}

// parseSegmentName is the inverse of segmentName.
func parseSegmentName(name string) (d day, number int, ok bool) {
	stem, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return 0, 0, false
	}
	date, digits, part := strings.Cut(stem, ".")
	if part {
		number, _ = strconv.Atoi(digits) // what is no number does not give the same name again
	}
	d, ok = parseDate(date)
	return d, number, ok && number >= 0 && d.segmentName(number) == name
}
