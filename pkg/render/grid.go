package render

import (
	"bufio"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Grid is a table for people that is made column by column, for answers that are no rows of a query. Texts are made
// harmless for a terminal.
type Grid struct {
	// Width is how many characters a line should have at most; 0: any number.
	Width int
	table table
}

// Texts adds a column of texts. One that shortens loses the middle of its longest cells where the grid is too wide.
func (g *Grid) Texts(name string, shortens bool, cells []string) {
	c := tableColumn{name: name, shortens: shortens}
	for _, text := range cells {
		c.text(Safe(text))
	}
	g.table.columns = append(g.table.columns, c)
}

// Sizes adds a column of bytes. A negative number is one that is not known.
func (g *Grid) Sizes(name string, values []int64) { g.quantities(name, values, size) }

// Counts adds a column of numbers. A negative one is not known.
func (g *Grid) Counts(name string, values []int64) { g.quantities(name, values, count) }

func (g *Grid) quantities(name string, values []int64, show func(uint64) quantity) {
	c := tableColumn{name: name}
	for _, v := range values {
		if v < 0 {
			c.text("-")
			continue
		}
		c.add(show(uint64(v)))
	}
	g.table.columns = append(g.table.columns, c)
}

// Times adds a column of moments, in days and minutes; the year is left out where it is that of now for all of them.
func (g *Grid) Times(name string, values []time.Time, now time.Time) {
	layout := "01-02 15:04"
	for _, t := range values {
		if !t.IsZero() && t.In(now.Location()).Year() != now.Year() {
			layout = "2006-01-02 15:04"
		}
	}
	c := tableColumn{name: name}
	for _, t := range values {
		if t.IsZero() {
			c.text("-")
			continue
		}
		c.text(t.In(now.Location()).Format(layout))
	}
	g.table.columns = append(g.table.columns, c)
}

// Write writes the grid.
func (g *Grid) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	g.table.fit(g.Width)
	g.table.write(out)
	return out.Flush()
}

// CSVCell is a text as a cell of a table for spreadsheets: harmless there and on a terminal.
func CSVCell(text string) string { return inert(text) }

// Fold writes a text as lines of so many characters at most, each but the first behind an indent, parted at blanks;
// words that are longer stand on a line of their own.
func Fold(text string, width, indent int) string {
	var b strings.Builder
	used := indent
	for i, word := range strings.Fields(text) {
		word = Safe(word)
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case used+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			used = indent
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	return b.String()
}
