package render

import (
	"bufio"
	"slices"
	"strings"
	"unicode/utf8"
)

// gap stands between the columns of a table.
const gap = "  "

// table is a grid of right-aligned columns. Numbers with and without a unit are aligned by their digits.
type table struct {
	columns []tableColumn
	narrow  bool // one blank between columns, not two
}

// tableColumn is one column: two lines of heading, and its cells from top to bottom.
type tableColumn struct {
	unit, name string
	cells      []quantity
	shortens   bool   // may lose characters from the middle of its cells
	spare      bool   // goes where the table is too wide
	style      string // of the cells, as a parameter of SGR; empty for none
}

func (c *tableColumn) add(cells ...quantity) { c.cells = append(c.cells, cells...) }

func (c *tableColumn) text(text string) { c.add(quantity{digits: text}) }

// fill makes all columns equally long, so that rows which only some of them have stand on one line.
func (t *table) fill() {
	longest := 0
	for _, c := range t.columns {
		longest = max(longest, len(c.cells))
	}
	for i := range t.columns {
		c := &t.columns[i]
		for len(c.cells) < longest {
			c.add(quantity{})
		}
	}
}

// lay returns the column's lines, headings first, all of one width.
func (c *tableColumn) lay() []string {
	slot := 0 // width of the units, with the blank before them
	for _, q := range c.cells {
		if q.unit != "" {
			slot = max(slot, 1+utf8.RuneCountInString(q.unit))
		}
	}
	lines := []string{c.unit, c.name}
	for _, q := range c.cells {
		text := q.String()
		if q.unit == "" && isNumber(text) {
			text += strings.Repeat(" ", slot)
		}
		lines = append(lines, text)
	}
	width := 0
	for _, line := range lines {
		width = max(width, utf8.RuneCountInString(line))
	}
	for i, line := range lines {
		lines[i] = strings.Repeat(" ", width-utf8.RuneCountInString(line)) + line
	}
	return lines
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789.") == "" && text[0] != '.'
}

// write writes the table without blanks at the ends of lines, and without the line of units if there are none.
func (t *table) write(w *bufio.Writer) {
	t.fill()
	var columns [][]string
	for i := range t.columns {
		columns = append(columns, t.columns[i].lay())
	}
	first := 1
	for i := range t.columns {
		if t.columns[i].unit != "" {
			first = 0
		}
	}
	for line := first; len(columns) > 0 && line < len(columns[0]); line++ {
		var b strings.Builder
		for i, c := range columns {
			if i > 0 {
				b.WriteString(gap[:t.gap()])
			}
			b.WriteString(styled(c[line], t.columns[i].style, line))
		}
		w.WriteString(strings.TrimRight(b.String(), " ")) //nolint:errcheck // Flush returns it
		w.WriteByte('\n')                                 //nolint:errcheck // Flush returns it
	}
}

// styled puts a cell, but not the blanks around it, between sequences of SGR. The headings stay as they are.
func styled(text, style string, line int) string {
	core := strings.Trim(text, " ")
	if style == "" || line < 2 || core == "" {
		return text
	}
	before, after, _ := strings.Cut(text, core)
	return before + "\x1b[" + style + "m" + core + "\x1b[0m" + after
}

// shortest is the width to which names are shortened at most.
const shortest = 12

// gap is the width between columns.
func (t *table) gap() int {
	if t.narrow {
		return 1
	}
	return len(gap)
}

// width is how wide the table is.
func (t *table) width() int {
	width := -t.gap()
	for i := range t.columns {
		width += utf8.RuneCountInString(t.columns[i].lay()[0]) + t.gap()
	}
	return width
}

// fit makes the table as narrow as the width if it can: names are shortened, then columns move together, then those go
// that can be spared.
func (t *table) fit(width int) {
	if width == 0 {
		return
	}
	t.shorten(width)
	t.narrow = t.width() > width
	if t.width() > width {
		t.columns = slices.DeleteFunc(t.columns, func(c tableColumn) bool { return c.spare })
	}
}

// shorten shortens names, the longest first, until the table has the width or nothing more can be shortened without
// making different names look the same.
func (t *table) shorten(width int) {
	widths, floors := make([]int, len(t.columns)), make([]int, len(t.columns))
	over := -len(gap) - width
	for i := range t.columns {
		widths[i] = utf8.RuneCountInString(t.columns[i].lay()[0])
		over += widths[i] + len(gap)
		floors[i] = widths[i]
		if t.columns[i].shortens {
			floors[i] = t.columns[i].floor(widths[i])
		}
	}
	for ; over > 0; over-- {
		longest := -1
		for i := range t.columns {
			if widths[i] > floors[i] && (longest < 0 || widths[i] > widths[longest]) {
				longest = i
			}
		}
		if longest < 0 {
			break
		}
		widths[longest]--
	}
	for i, c := range t.columns {
		for k := range c.cells {
			if c.shortens {
				c.cells[k].digits = shorten(c.cells[k].digits, widths[i])
			}
		}
	}
}

// floor is the least width at which different names still look different.
func (c *tableColumn) floor(width int) int {
	names := make(map[string]bool)
	for _, q := range c.cells {
		names[q.digits] = true
	}
	for width > shortest {
		short := make(map[string]bool)
		for name := range names {
			short[shorten(name, width-1)] = true
		}
		if len(short) < len(names) {
			break
		}
		width--
	}
	return width
}

// shorten takes characters out of the middle of a text.
func shorten(text string, width int) string {
	r := []rune(text)
	if len(r) <= width {
		return text
	}
	end := (width - 1) / 2
	return string(r[:width-1-end]) + "…" + string(r[len(r)-end:])
}
