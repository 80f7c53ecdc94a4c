package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/render"
)

func (a *app) dbStatCommand() *cobra.Command {
	var directory string
	command := &cobra.Command{
		Use:   "stat [-d DIR]",
		Short: "Show what a database holds, by interface",
		Long: `Show what a database holds: by interface the span, intervals, rows, their size on disk, and bytes per row.

A goProbe database is summed up from its metadata alone, a store by reading all of it.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return a.dbStat(c.Context(), directory) },
	}
	a.directoryFlag(command, &directory)
	return command
}

func (a *app) directoryFlag(command *cobra.Command, directory *string) {
	command.Flags().StringVarP(directory, "directory", "d", a.directory, "`DIR` of the database")
}

// holding is what a database holds of an interface.
type holding struct {
	first, last            int64
	intervals, rows, bytes uint64
	faults                 uint64
}

func (a *app) dbStat(ctx context.Context, directory string) error {
	db, err := a.openDatabase(directory, nil)
	if err != nil {
		return err
	}
	defer db.close()
	names, err := db.Interfaces(ctx)
	if err != nil {
		return err
	}
	t := newTable("interface", "from", "to", "intervals", "rows", "bytes", "bytes/row")
	faults := uint64(0)
	for _, name := range names {
		h, err := db.holding(ctx, name)
		if err != nil {
			return err
		}
		faults += h.faults
		perRow := "-"
		if h.rows > 0 {
			perRow = strconv.FormatFloat(float64(h.bytes)/float64(h.rows), 'f', 1, 64)
		}
		t.row(render.Safe(name), a.second(h.first), a.second(h.last), h.intervals, h.rows, h.bytes, perRow)
	}
	if err := t.write(a); err != nil {
		return err
	}
	if db.goProbe != nil {
		a.note("this is a goProbe database; weir db import brings it into a store")
	}
	if faults > 0 {
		a.note("%d damaged places; weir db check says what is lost where", faults)
	}
	return nil
}

func (d *database) holding(ctx context.Context, iface string) (h holding, err error) {
	if d.goProbe != nil {
		s, err := d.goProbe.Stat(ctx, iface)
		return holding{s.First, s.Last, s.Intervals, s.Rows(), s.Bytes, s.Faults}, err
	}
	if h.first, h.last, err = d.Coverage(ctx, iface); err != nil {
		return h, err
	}
	stats, err := d.Scan(ctx, iface, 0, math.MaxInt64, func(flow.Interval, []flow.Record) error { return nil })
	h.intervals, h.rows, h.bytes, h.faults = stats.Blocks, stats.Rows, stats.BytesRead, stats.Corrupted
	return h, err
}

// second is a moment, for people.
func (a *app) second(unix int64) string {
	if unix == 0 {
		return "-"
	}
	return time.Unix(unix, 0).In(a.now().Location()).Format(time.DateTime)
}

// textTable is a table for people.
type textTable struct {
	text bytes.Buffer
	w    *tabwriter.Writer
}

func newTable(heads ...any) *textTable {
	t := &textTable{}
	t.w = tabwriter.NewWriter(&t.text, 0, 0, 2, ' ', tabwriter.AlignRight)
	t.row(heads...)
	return t
}

func (t *textTable) row(cells ...any) {
	for _, cell := range cells {
		fmt.Fprintf(t.w, "%v\t", cell)
	}
	fmt.Fprintln(t.w)
}

func (t *textTable) write(a *app) error {
	t.w.Flush() //nolint:errcheck // into memory
	if _, err := fmt.Fprint(a.stdout, trimLines(t.text.String())); err != nil {
		return failure(fmt.Errorf("write the table: %w", err), "")
	}
	return nil
}
