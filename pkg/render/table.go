package render

import (
	"bufio"
	buffer "bytes"
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

// footRows is for how many cells below those of the rows there is room.
const footRows = 6

// expect makes room for the cells of so many rows.
func (c *tableColumn) expect(rows int) { c.cells = slices.Grow(c.cells, rows+footRows) }

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

// measure returns the width of the column, headings included, and that of its units with the blank before them.
func (c *tableColumn) measure() (width, slot int) {
	for _, q := range c.cells {
		if q.unit != "" {
			slot = max(slot, 1+utf8.RuneCountInString(q.unit))
		}
	}
	width = max(utf8.RuneCountInString(c.unit), utf8.RuneCountInString(c.name))
	for _, q := range c.cells {
		width = max(width, q.width(slot))
	}
	return width, slot
}

// width is how many characters a cell takes, where units take slot.
func (q quantity) width(slot int) int {
	n := utf8.RuneCountInString(q.digits)
	switch {
	case q.unit != "":
		n += 1 + utf8.RuneCountInString(q.unit)
	case slot > 0 && isNumber(q.digits):
		n += slot
	}
	return n
}

// lines is how many lines the column has, headings included.
func (c *tableColumn) lines() int { return 2 + len(c.cells) }

// append appends a line of the column, headings first, in as many characters as measure found.
func (c *tableColumn) append(b []byte, line, width, slot int) []byte {
	switch line {
	case 0:
		return append(blanks(b, width-utf8.RuneCountInString(c.unit)), c.unit...)
	case 1:
		return append(blanks(b, width-utf8.RuneCountInString(c.name)), c.name...)
	}
	q := c.cells[line-2]
	b = blanks(b, width-q.width(slot))
	start := len(b)
	b = append(b, q.digits...)
	switch {
	case q.unit != "":
		b = append(append(b, ' '), q.unit...)
	case slot > 0 && isNumber(q.digits):
		b = blanks(b, slot)
	}
	if c.style != "" {
		b = append(b[:start], styled(string(b[start:]), c.style)...)
	}
	return b
}

func blanks(b []byte, n int) []byte {
	for range n {
		b = append(b, ' ')
	}
	return b
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789.") == "" && text[0] != '.'
}

// write writes the table without blanks at the ends of lines, and without the line of units if there are none.
func (t *table) write(w *bufio.Writer) {
	t.fill()
	first := 1
	widths, slots := make([]int, len(t.columns)), make([]int, len(t.columns))
	for i := range t.columns {
		widths[i], slots[i] = t.columns[i].measure()
		if t.columns[i].unit != "" {
			first = 0
		}
	}
	var b []byte
	for line := first; len(t.columns) > 0 && line < t.columns[0].lines(); line++ {
		b = b[:0]
		for i := range t.columns {
			if i > 0 {
				b = append(b, gap[:t.gap()]...)
			}
			b = t.columns[i].append(b, line, widths[i], slots[i])
		}
		w.Write(append(buffer.TrimRight(b, " "), '\n')) //nolint:errcheck // Flush returns it
	}
}

// styled puts a cell, but not the blanks around it, between sequences of SGR.
func styled(text, style string) string {
	core := strings.Trim(text, " ")
	if core == "" {
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
		wide, _ := t.columns[i].measure()
		width += wide + t.gap()
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
		widths[i], _ = t.columns[i].measure()
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
