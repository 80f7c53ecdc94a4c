package render

import (
	"bufio"
	"strings"
	"unicode/utf8"
)

// gap stands between the columns of a table.
const gap = "  "

// table is a grid of right-aligned columns. Numbers with and without a unit are aligned by their digits.
type table struct {
	columns []tableColumn
}

// tableColumn is one column: two lines of heading, and its cells from top to bottom.
type tableColumn struct {
	unit, name string
	cells      []quantity
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
				b.WriteString(gap)
			}
			b.WriteString(c[line])
		}
		w.WriteString(strings.TrimRight(b.String(), " ")) //nolint:errcheck // Flush returns it
		w.WriteByte('\n')                                 //nolint:errcheck // Flush returns it
	}
}
