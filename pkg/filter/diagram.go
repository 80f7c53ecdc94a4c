package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Widths of the line a diagram shows, in columns of a terminal.
const (
	diagramBefore = 60 // before the fault
	diagramAfter  = 30 // behind its start
)

// Diagram shows the line with the fault, carets under it, and what is wrong, on three lines for people. Tabs and
// other characters that would move the cursor are replaced, long lines are cut, and wide characters get carets of
// their width; it is safe to print.
func (e *Error) Diagram() string {
	offset := min(max(e.Offset, 0), len(e.Text))
	end := min(max(offset, e.Offset+e.Length), len(e.Text))
	start := strings.LastIndexByte(e.Text[:offset], '\n') + 1
	stop := len(e.Text)
	if i := strings.IndexByte(e.Text[offset:], '\n'); i >= 0 {
		stop = offset + i
	}
	end = min(end, stop)

	var line, carets strings.Builder
	from := cutBefore(e.Text[start:offset], diagramBefore)
	if from > 0 {
		line.WriteString("…")
		carets.WriteByte(' ')
	}
	carets.WriteString(strings.Repeat(" ", draw(&line, e.Text[start+from:offset])))
	to := offset + cutAfter(e.Text[offset:stop], diagramAfter)
	width := draw(&line, e.Text[offset:min(end, to)])
	carets.WriteString(strings.Repeat("^", max(width, 1)))
	if to > end {
		draw(&line, e.Text[end:to])
	}
	if to < stop {
		line.WriteString("…")
	}
	return line.String() + "\n" + carets.String() + "\n" + e.sentence()
}

// draw appends the characters of s as a terminal can show them and returns the columns they take.
func draw(b *strings.Builder, s string) int {
	columns := 0
	for _, r := range s {
		r, width := harmless(r)
		b.WriteRune(r)
		columns += width
	}
	return columns
}

// cutBefore returns where the last columns of s begin, cutAfter where its first columns end.
func cutBefore(s string, columns int) int {
	at := len(s)
	for at > 0 {
		r, size := utf8.DecodeLastRuneInString(s[:at])
		_, width := harmless(r)
		if columns -= width; columns < 0 {
			break
		}
		at -= size
	}
	return at
}

func cutAfter(s string, columns int) int {
	for i, r := range s {
		_, width := harmless(r)
		if columns -= width; columns < 0 {
			return i
		}
	}
	return len(s)
}

// harmless returns what to show for a character and how many columns it takes.
func harmless(r rune) (rune, int) {
	switch {
	case unicode.IsSpace(r):
		return ' ', 1
	case !unicode.IsPrint(r), unicode.Is(unicode.M, r):
		return utf8.RuneError, 1 // a mark would hide in the character before it
	case unicode.Is(wide, r):
		return r, 2
	}
	return r, 1
}

// wide are the characters that take two columns: East Asian wide and full-width ones, and emoji (Unicode
// Standard Annex #11, rounded to blocks).
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1}, {Lo: 0x2e80, Hi: 0x303e, Stride: 1}, {Lo: 0x3041, Hi: 0xa4cf, Stride: 1},
		{Lo: 0xa960, Hi: 0xa97f, Stride: 1}, {Lo: 0xac00, Hi: 0xd7a3, Stride: 1}, {Lo: 0xf900, Hi: 0xfaff, Stride: 1},
		{Lo: 0xfe30, Hi: 0xfe6f, Stride: 1}, {Lo: 0xff00, Hi: 0xff60, Stride: 1}, {Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{{Lo: 0x1f300, Hi: 0x1f64f, Stride: 1}, {Lo: 0x1f680, Hi: 0x1f6ff, Stride: 1},
		{Lo: 0x1f900, Hi: 0x1f9ff, Stride: 1}, {Lo: 0x20000, Hi: 0x3fffd, Stride: 1}},
}
