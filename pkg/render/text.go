package render

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// Text writes the result as a table for people, with a footer that says what it is about and what is missing.
func (v View) Text(w io.Writer, r *wire.Result) error {
	if v.Zone == nil {
		v.Zone = time.Local
	}
	out := bufio.NewWriter(w)
	if len(r.Rows) == 0 {
		fmt.Fprintf(out, "%s.\n", nothing(r))
	} else {
		t := v.table(r)
		t.fit(v.Width)
		t.write(out)
	}
	out.WriteByte('\n') //nolint:errcheck // Flush returns it
	v.footer(out, r)
	return out.Flush()
}

// nothing says why there are no rows, in the words of whoever looked.
func nothing(r *wire.Result) string {
	said := Line(r.Status.Message)
	switch {
	case r.Status.Code == wire.CodeMissingData && strings.HasPrefix(said, "no data "):
		return "N" + said[1:]
	case r.Status.Code == wire.CodeMissingData && said != "":
		return "No data: " + said
	case r.Status.Code == wire.CodeMissingData:
		return "No data in this span"
	case r.Status.Code != wire.CodeEmpty && r.Status.Code != wire.CodeOK:
		return "No answer: " + orElse(said, Line(string(r.Status.Code)))
	case said != "":
		return "No flows: " + said
	}
	return "No flows match"
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// table lays out rows, what was cut off, and totals.
func (v View) table(r *wire.Result) *table {
	fields := v.columns(len(r.Summary.Interfaces) != 1)
	c := cells{zone: v.Zone, people: true, names: r.Summary.Names, origin: r.Summary.Enrichment}
	t := &table{}
	for _, f := range fields {
		column := tableColumn{name: f.title, shortens: f.lookUp == lookUpName || f.lookUp == lookUpOrganisation || f.field.Type == flow.TypeString}
		column.expect(len(r.Rows))
		for i := range r.Rows {
			column.text(Safe(c.text(f, &r.Rows[i])))
		}
		t.columns = append(t.columns, column)
	}
	t.columns = append(t.columns, v.figures(r, packets, "packets", count)...)
	t.columns = append(t.columns, v.figures(r, bytes, "bytes", size)...)
	if v.Query.Compares() {
		t.columns = append(t.columns, v.comparison(r)...)
	}
	if len(fields) > 0 {
		v.rowHeads(&t.columns[0], r)
	}
	return t
}

// rowHeads names the rows below the flows in the first column.
func (v View) rowHeads(first *tableColumn, r *wire.Result) {
	switch {
	case r.Summary.Other != nil && r.Summary.Other.Groups > 0:
		first.text(fmt.Sprintf("%s more", count(uint64(r.Summary.Other.Groups))))
	case truncated(r):
		first.text("...")
	}
	if v.twoWays() {
		first.add(quantity{}, quantity{})
	}
	first.text("Totals:")
}

// twoWays says that what was received and what was sent stand in columns of their own.
func (v View) twoWays() bool { return v.Query.Direction == wire.DirectionBoth }

// figures are the columns of packets or bytes: one or two of numbers, and the share of the total.
func (v View) figures(r *wire.Result, f figure, unit string, show func(uint64) quantity) []tableColumn {
	columns := []tableColumn{
		{unit: unit, name: map[wire.Direction]string{wire.DirectionSum: "in + out", wire.DirectionOut: "out"}[v.Query.Direction]},
	}
	values := []func(flow.Counters) uint64{f.of(v.Query.Direction)}
	if columns[0].name == "" {
		columns[0].name = "in"
	}
	if v.twoWays() {
		columns = append(columns, tableColumn{unit: unit, name: "out", style: v.style(styleSent)})
		columns[0].style = v.style(styleReceived)
		values = []func(flow.Counters) uint64{f.received, f.sent}
	}
	totals := r.Summary.Totals.Flow()
	of := f.of(v.Query.Direction)
	shares := tableColumn{name: "%", spare: true, style: v.style(styleShare)}
	shares.expect(len(r.Rows))
	for i := range r.Rows {
		shares.text(share(of(r.Rows[i].Counters.Flow()), of(totals)))
	}
	for i := range columns {
		columns[i].expect(len(r.Rows))
		for k := range r.Rows {
			columns[i].add(show(values[i](r.Rows[k].Counters.Flow())))
		}
		columns[i].add(rest(r, values[i], show)...)
		columns[i].add(show(values[i](totals)))
	}
	if other := r.Summary.Other; other != nil && other.Groups > 0 {
		shares.text(share(of(other.Counters.Flow()), of(totals)))
	}
	if v.twoWays() {
		columns[1].add(quantity{}, show(f.both(totals)))
	}
	return append(columns, shares)
}

// comparison are the columns of the earlier span: its bytes, and how much more or less it is now.
func (v View) comparison(r *wire.Result) []tableColumn {
	of := bytes.of(v.Query.Direction)
	before, change := tableColumn{unit: "bytes", name: "before"}, tableColumn{name: "change"}
	for i := range r.Rows {
		then := uint64(0)
		if r.Rows[i].Before != nil {
			then = of(r.Rows[i].Before.Flow())
		}
		before.add(size(then))
		change.text(changed(then, of(r.Rows[i].Counters.Flow())))
	}
	return []tableColumn{before, change}
}

// changed says how a figure became another one, in percent.
func changed(before, now uint64) string {
	switch before {
	case now:
		return "0.0"
	case 0:
		return "new"
	}
	return strconv.FormatFloat(100*(float64(now)/float64(before)-1), 'f', 1, 64)
}

// The looks of columns, as parameters of SGR.
const (
	styleReceived = "36" // cyan
	styleSent     = "35" // magenta
	styleShare    = "2"  // faint
)

func (v View) style(style string) string {
	if !v.Colour {
		return ""
	}
	return style
}

// rest stands below the rows for those that the limit cut off: their sum if it is known, else dots.
func rest(r *wire.Result, value func(flow.Counters) uint64, show func(uint64) quantity) []quantity {
	switch {
	case r.Summary.Other != nil && r.Summary.Other.Groups > 0:
		return []quantity{show(value(r.Summary.Other.Counters.Flow()))}
	case truncated(r):
		return []quantity{{digits: "..."}}
	}
	return nil
}
