package render

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestGrid(t *testing.T) {
	now := time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC)
	g := Grid{Width: 60}
	g.Texts("host", true, []string{"a-host-with-a-name-that-is-too-long-for-a-table", "b\x1b[31m"})
	g.Sizes("bytes", []int64{1 << 20, -1})
	g.Counts("packets", []int64{7, 12_345})
	g.Times("seen", []time.Time{now.Add(-time.Hour), {}}, now)
	var b strings.Builder
	if err := g.Write(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "1.00 MB") || !strings.Contains(b.String(), "12.35 k") || !strings.Contains(b.String(), "11-21 04:00") ||
		!strings.Contains(b.String(), "…") || !strings.Contains(b.String(), `b\x1b[31m`) {
		t.Error(b.String())
	}
	for line := range strings.Lines(b.String()) {
		if utf8.RuneCountInString(line) > 61 || strings.Contains(line, "\x1b") {
			t.Errorf("%q", line)
		}
	}
	var old strings.Builder
	g = Grid{}
	g.Times("seen", []time.Time{now.AddDate(-1, 0, 0), now}, now)
	if err := g.Write(&old); err != nil || !strings.Contains(old.String(), "2025-11-21 05:00") {
		t.Errorf("%v: %s", err, old.String())
	}
}

func TestFold(t *testing.T) {
	got := Fold("one two  three\nf\x1bur "+strings.Repeat("x", 30)+" five", 16, 2)
	if want := "one two three\n  f\\x1bur\n  " + strings.Repeat("x", 30) + "\n  five"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if CSVCell("=1+1") != "'=1+1" {
		t.Error("a formula is left to act")
	}
}
