package render

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSafe(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "eth0.100~vxlan": "eth0.100~vxlan", "żółw 水": "żółw 水", "a\tb\n": `a\x09b\x0a`,
		"\x1b[31m": `\x1b[31m`, "\xff\x80": `\xff\x80`, "a\u202eb": `a\u202eb`, "e\u0301": `e\u0301`, "\u00a0": `\u00a0`, "\x7f\u0085": `\x7f\u0085`,
	} {
		if got := Safe(text); got != want {
			t.Errorf("Safe(%q) = %q, want %q", text, got, want)
		}
	}
	if got := Line(strings.Repeat("ab\n", 1000)); utf8.RuneCountInString(got) != 301 || strings.Contains(got, "\n") {
		t.Errorf("Line gives %d characters: %q", utf8.RuneCountInString(got), got)
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("eth0\x1b[31m\u202e\xff")
	f.Fuzz(func(t *testing.T, text string) {
		printable(t, Safe(text))
		if got := inert(text); got != "" && strings.ContainsRune("=+-@|%", rune(got[0])) {
			t.Errorf("inert(%q) = %q starts a formula", text, got)
		}
	})
}
