package store

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bytes is a number of bytes that people write as 50GB or 1GiB.
type Bytes int64

// byteUnits, the greatest first, so that printing finds the shortest form.
var byteUnits = []struct {
	name string
	size int64
}{
	{"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9},
	{"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"B", 1}, {"", 1},
}

// UnmarshalText reads a whole number with or without a unit, B, kB, MB, GB, TB or KiB, MiB, GiB, TiB.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit := strings.TrimSpace(s[len(digits):])
	for _, u := range byteUnits {
		if !strings.EqualFold(unit, u.name) {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.size {
			break
		}
		*b = Bytes(n * u.size)
		return nil
	}
	return fmt.Errorf("%q is no size: expected a whole number with a unit, such as 50GB or 512MiB", s)
}

// MarshalText is the inverse of UnmarshalText, in the largest unit that keeps it whole.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// Expected says what a configuration takes.
func (Bytes) Expected() string { return "size such as 50GB or 512MiB" }

func (b Bytes) String() string {
	for _, u := range byteUnits {
		if b != 0 && int64(b)%u.size == 0 && u.name != "B" {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return "0"
}

// Age is a length of time that people write as 400d or 36h.
type Age time.Duration

const dayLength = Age(24 * time.Hour)

// UnmarshalText reads a number of days such as 400d, or a duration as Go writes it.
func (a *Age) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseInt(days, 10, 64); err == nil && n >= 0 && n <= math.MaxInt64/int64(dayLength) {
			*a = Age(n) * dayLength
			return nil
		}
	} else if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		*a = Age(d)
		return nil
	}
	return fmt.Errorf("%q is no age: expected days or hours, such as 400d or 36h", s)
}

// MarshalText is the inverse of UnmarshalText.
func (a Age) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Expected says what a configuration takes.
func (Age) Expected() string { return "age such as 400d or 36h" }

func (a Age) String() string {
	switch {
	case a == 0:
		return "0"
	case a%dayLength == 0:
		return strconv.FormatInt(int64(a/dayLength), 10) + "d"
	}
	return time.Duration(a).String()
}
