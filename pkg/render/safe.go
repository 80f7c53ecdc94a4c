package render

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Safe makes a text from elsewhere harmless on a terminal and in a line of a log: characters that do not print, that
// reorder or overlay others, and bytes that are no UTF-8 are written as escapes such as \x1b or \u202e. White space
// other than the plain blank counts as not printing.
func Safe(text string) string {
	if plain(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, width := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && width == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r < utf8.RuneSelf && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case !unicode.IsPrint(r) || unicode.Is(unicode.M, r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		i += width
	}
	return b.String()
}

func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// Line folds a message from elsewhere into one harmless line of bounded length.
func Line(message string) string {
	const limit = 300 // characters
	text := Safe(strings.Join(strings.Fields(message), " "))
	if r := []rune(text); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return text
}

// inert makes a text harmless as a cell of a spreadsheet: one that would be taken for a formula gets an apostrophe in
// front, as spreadsheets themselves write it (OWASP, CSV injection).
func inert(text string) string {
	text = Safe(text)
	if text != "" && strings.ContainsRune("=+-@|%", rune(text[0])) {
		return "'" + text
	}
	return text
}
