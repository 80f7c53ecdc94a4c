package render

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

func TestHumanize(t *testing.T) {
	for _, test := range []struct {
		n           uint64
		count, size string
	}{
		{0, "0", "0"}, {138, "138", "138"}, {999, "999", "999"}, {1000, "1.00 k", "1000"}, {1023, "1.02 k", "1023"},
		{1024, "1.02 k", "1.00 kB"}, {1733, "1.73 k", "1.69 kB"}, {10357, "10.36 k", "10.11 kB"},
		{999_994, "999.99 k", "976.56 kB"}, {999_996, "1.00 M", "976.56 kB"}, {1<<20 - 1, "1.05 M", "1.00 MB"},
		{75_254_945, "75.25 M", "71.77 MB"}, {1 << 30, "1.07 G", "1.00 GB"}, {1 << 40, "1.10 T", "1.00 TB"},
		{1 << 50, "1.13 P", "1.00 PB"}, {math.MaxUint64, "18.45 E", "16.00 EB"},
	} {
		if got := count(test.n).String(); got != test.count {
			t.Errorf("count(%d) = %q, want %q", test.n, got, test.count)
		}
		if got := size(test.n).String(); got != test.size {
			t.Errorf("size(%d) = %q, want %q", test.n, got, test.size)
		}
	}
}

func TestHumanizeIsMonotonic(t *testing.T) {
	// What is written as the next unit is never less than what is written before it.
	value := func(q quantity, units []string, step float64) float64 {
		var digits float64
		fmt.Sscan(q.digits, &digits) // 0 fails the test
		return digits * math.Pow(step, float64(1+slices.Index(units, q.unit)))
	}
	last := 0.0
	for n := uint64(1); n < 1<<62; n += 1 + n/97 {
		got := value(size(n), []string{"kB", "MB", "GB", "TB", "PB", "EB"}, 1024)
		if got < last || math.Abs(got-float64(n)) > 0.0051*float64(n)+0.5 {
			t.Fatalf("size(%d) = %v after %v", n, size(n), last)
		}
		last = got
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 1500 * time.Nanosecond: "2µs", 31400 * time.Microsecond: "31ms", 1234 * time.Millisecond: "1.23s",
		5 * time.Minute: "5m", 90 * time.Second: "1m30s", 61 * time.Minute: "1h1m", 24 * time.Hour: "1d",
		36*time.Hour + time.Second: "1d12h", -time.Minute: "-1m",
	} {
		if got := duration(d); got != want {
			t.Errorf("duration(%v) = %q, want %q", d, got, want)
		}
	}
}
