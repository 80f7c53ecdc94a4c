package main

import (
	"context"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/probe/godb"
	"github.com/weirflow/weir/probe/query"
)

func (a *app) dbCheckCommand() *cobra.Command {
	var directory string
	command := &cobra.Command{
		Use:   "check [-d DIR]",
		Short: "Read all of a database and say what is lost where",
		Long: `Read all of a database and say what cannot be read: one line for each damaged place, then one for each interface.
The exit code is 1 if anything is lost. Nothing is changed.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return a.dbCheck(c.Context(), directory) },
	}
	a.directoryFlag(command, &directory)
	return command
}

func (a *app) dbCheck(ctx context.Context, directory string) error {
	say := func(line string) { fmt.Fprintln(a.stdout, render.Safe(line)) }
	db, err := a.openDatabase(directory, func(d godb.Damage) { say(d.String()) })
	if err != nil {
		return err
	}
	defer db.close()
	names, err := db.Interfaces(ctx)
	if err != nil {
		return err
	}
	corrupted := uint64(0)
	for _, name := range names {
		stats, err := db.check(ctx, name, say)
		if err != nil {
			return err
		}
		corrupted += stats.Corrupted
		say(fmt.Sprintf("%s: %d intervals, %d rows, %d damaged places, %d bytes lost", name, stats.Blocks, stats.Rows, stats.Corrupted, stats.BytesLost))
	}
	switch corrupted {
	case 0:
		return nil
	case 1:
		return failure(fmt.Errorf("%s is damaged in one place", directory), "")
	}
	return failure(fmt.Errorf("%s is damaged in %d places", directory, corrupted), "")
}

// check scans an interface. The damages of a goProbe database are told as they are found; of a store's scan only the
// first are named, so that it is scanned day by day.
func (d *database) check(ctx context.Context, iface string, say func(string)) (sum query.ScanStats, err error) {
	nothing := func(flow.Interval, []flow.Record) error { return nil }
	if d.goProbe != nil {
		return d.Scan(ctx, iface, 0, math.MaxInt64, nothing)
	}
	first, last, err := d.Coverage(ctx, iface)
	if err != nil {
		return sum, err
	}
	for _, span := range daySpans(first, last) {
		stats, err := d.Scan(ctx, iface, span[0], span[1], nothing)
		for _, damage := range stats.Damage {
			say(damage.String())
		}
		if more := stats.Corrupted - uint64(len(stats.Damage)); more > 0 {
			say(fmt.Sprintf("%s: and %d more damaged places on the same day", iface, more))
		}
		for _, torn := range stats.Torn {
			say(torn.String() + " (being written, or cut off when the writer ended; no loss of what was acknowledged)")
		}
		sum.Add(stats)
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// daySpans are the ranges of interval ends that a store keeps in one file each, with all that is before and after.
func daySpans(first, last int64) (spans [][2]int64) {
	const day = 24 * 60 * 60
	start := first / day * day
	spans = append(spans, [2]int64{0, start})
	for ; start < last; start += day {
		spans = append(spans, [2]int64{start + 1, start + day})
	}
	return append(spans, [2]int64{start + 1, math.MaxInt64})
}
