package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/probe/segment"
)

func (a *app) dbStatCommand() *cobra.Command {
	var directory string
	command := &cobra.Command{
		Use:   "stat [-d DIR]",
		Short: "Show what a database holds, by interface",
		Long: `Show what a database holds: by interface the span, days, intervals, rows, their size on disk, and bytes per row; of a
store then where the bytes of its segments go: keys of flows, sums of each flow over its segment, rows, dictionaries,
rollups by service and time, lists of places by destination, the rest.

Headers and metadata alone are read, no rows; weir db check reads all.`,
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
	first, last                  int64
	days, intervals, rows, bytes uint64
	faults                       uint64
	segments                     segment.Shares
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
	t := newTable("interface", "from", "to", "days", "intervals", "rows", "bytes", "bytes/row")
	shares := newTable("bytes of segments", "flows", "sums", "rows", "dictionaries", "rollups", "postings", "other")
	faults, inSegments := uint64(0), false
	for _, name := range names {
		h, err := db.holding(ctx, name)
		if err != nil {
			return err
		}
		faults += h.faults
		t.row(render.Safe(name), a.second(h.first), a.second(h.last), h.days, h.intervals, h.rows, h.bytes, perRow(h.bytes, h.rows))
		if s := h.segments; s != (segment.Shares{}) {
			inSegments = true
			shares.row(render.Safe(name), s.Flows, s.Sums, s.Rows, s.Dictionaries, s.Rollups, s.Postings, s.Other)
		}
	}
	if err := t.write(a); err != nil {
		return err
	}
	if inSegments {
		fmt.Fprintln(a.stdout)
		if err := shares.write(a); err != nil {
			return err
		}
	}
	if db.goProbe != nil {
		a.note("this is a goProbe database; weir db import brings it into a store")
	}
	if faults > 0 {
		a.note("%d damaged places; weir db check says what is lost where", faults)
	}
	return nil
}

func perRow(bytes, rows uint64) string {
	if rows == 0 {
		return "-"
	}
	return strconv.FormatFloat(float64(bytes)/float64(rows), 'f', 1, 64)
}

func (d *database) holding(ctx context.Context, iface string) (holding, error) {
	if d.goProbe != nil {
		s, err := d.goProbe.Stat(ctx, iface)
		return holding{first: s.First, last: s.Last, days: s.Days, intervals: s.Intervals, rows: s.Rows(), bytes: s.Bytes, faults: s.Faults}, err
	}
	s, err := d.store.Stat(iface)
	return holding{first: s.First, last: s.Last, days: uint64(s.Days), intervals: s.Blocks, rows: s.SegmentRows + s.LogRows,
		bytes: uint64(s.SegmentBytes + s.LogBytes), faults: uint64(s.Unreadable), segments: s.Shares}, err
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
