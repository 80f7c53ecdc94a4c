package wire

import (
	"strings"
	"testing"
	"time"
)

// zone has an offset with minutes, so that a mix-up of zones cannot hide.
var zone = time.FixedZone("test", 5*3600+30*60)

var now = time.Date(2026, 11, 20, 12, 34, 56, 789e6, zone)

func TestParseTime(t *testing.T) {
	at := func(year, month, day, hour, minute, second int) time.Time {
		return time.Date(year, time.Month(month), day, hour, minute, second, 0, zone)
	}
	whole := at(2026, 11, 20, 12, 34, 56)
	utc := time.Date(2026, 11, 20, 5, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"now":                             whole,
		"now-1h":                          whole.Add(-time.Hour),
		"-30s":                            whole.Add(-30 * time.Second),
		"-90m":                            whole.Add(-90 * time.Minute),
		"-1h30m10s":                       whole.Add(-time.Hour - 30*time.Minute - 10*time.Second),
		"-15d":                            whole.Add(-15 * 24 * time.Hour),
		"-15d4h5m":                        whole.Add(-15*24*time.Hour - 4*time.Hour - 5*time.Minute),
		"-15d:04h:05m:10s":                whole.Add(-15*24*time.Hour - 4*time.Hour - 5*time.Minute - 10*time.Second),
		"-05m:1d":                         whole.Add(-24*time.Hour - 5*time.Minute),
		"-2w":                             whole.Add(-14 * 24 * time.Hour),
		"-1.5h":                           whole.Add(-90 * time.Minute),
		" -1h ":                           whole.Add(-time.Hour),
		"0":                               time.Unix(0, 0),
		"1790000000":                      time.Unix(1790000000, 0),
		"9223371974719179007":             time.Unix(9223371974719179007, 0),
		"2026-11-20T05:00:00Z":            utc,
		"2026-11-20T06:00:00+01:00":       utc,
		"2026-11-20T05:00:00.5Z":          utc.Add(500 * time.Millisecond),
		"2026-11-20T05:00:00":             at(2026, 11, 20, 5, 0, 0),
		"2026-11-20T05:00":                at(2026, 11, 20, 5, 0, 0),
		"Wed Oct 21 06:04:38 2026":        at(2026, 10, 21, 6, 4, 38),
		"Sun Nov  1 06:04:38 2026":        at(2026, 11, 1, 6, 4, 38),
		"Fri Nov 20 06:00:00 +0100 2026":  utc,
		"20 Nov 26 06:00 +0100":           utc,
		"Fri, 20 Nov 2026 06:00:00 +0100": utc,
		"2026-11-20 05:00":                at(2026, 11, 20, 5, 0, 0),
		"2026-11-20 05:00:07":             at(2026, 11, 20, 5, 0, 7),
		"2026-11-20 06:00 +0100":          utc,
		"2026-11-20 06:00:00 +0100":       utc,
		"26-11-20 05:00":                  at(2026, 11, 20, 5, 0, 0),
		"26-11-20 06:00:00 +0100":         utc,
		"20-11-2026 05:00":                at(2026, 11, 20, 5, 0, 0),
		"20-11-2026 06:00 +0100":          utc,
		"30-11-26 05:00":                  at(2030, 11, 26, 5, 0, 0), // two-digit years come first, as in goProbe
		"20.11.26 07:00:00":               at(2026, 11, 20, 7, 0, 0),
		"20.11.2026 07:00":                at(2026, 11, 20, 7, 0, 0),
		"1.2.2026 07:00":                  at(2026, 2, 1, 7, 0, 0),
		"1.12.26 7:00 +0100":              time.Date(2026, 12, 1, 6, 0, 0, 0, time.UTC),
		"2026-1-2 07:00":                  at(2026, 1, 2, 7, 0, 0),
		"2026-11-20":                      at(2026, 11, 20, 0, 0, 0),
		"20.11.2026":                      at(2026, 11, 20, 0, 0, 0),
	} {
		got, err := ParseTime(text, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("ParseTime(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestParseTimeFaults(t *testing.T) {
	for text, part := range map[string]string{
		"":                                       "empty time",
		"yesterday":                              `"-7d"`,
		"-":                                      "no length of time",
		"-5":                                     "numbers with units",
		"--1h":                                   "no length of time",
		"-1h:-2h":                                "no length of time",
		"-d":                                     "no length of time",
		"-1y":                                    "no length of time",
		"-1d:":                                   "no length of time",
		"-999999999d":                            "no length of time",
		"-50000d:50000d":                         "longer than",
		"now+1h":                                 "expected a time",
		"2026-13-01 00:00":                       "expected a time",
		"2026-11-20 25:00":                       "expected a time",
		"20/11/2026":                             "RFC 3339",
		"9223371974719179008":                    "more Unix seconds",
		"99999999999999999999999999999999999999": "more Unix seconds",
		"\x00":                                   "expected a time",
		strings.Repeat("1", 65):                  "expected a time",
	} {
		got, err := ParseTime(text, now)
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("ParseTime(%q) = %v, %v; want an error with %q", text, got, err, part)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{"-15d:04h:05m:10s", "-1w2d", "2026-11-20 05:00 +0100", "9223371974719179007", "now-1.5h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseTime(text, now)
		if err != nil {
			return
		}
		if strings.HasPrefix(strings.TrimSpace(text), "-") && got.After(now) {
			t.Errorf("%q lies in the future: %v", text, got)
		}
		if got.Unix() < -1<<40 && !strings.HasPrefix(strings.TrimSpace(text), "-") {
			t.Errorf("%q wrapped around: %v", text, got)
		}
	})
}
