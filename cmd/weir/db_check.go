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
	"github.com/weirflow/weir/probe/store"
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

// check reads all of an interface, and says what is damaged.
func (d *database) check(ctx context.Context, iface string, say func(string)) (sum query.ScanStats, err error) {
	if d.goProbe != nil {
		return d.Scan(ctx, iface, 0, math.MaxInt64, func(flow.Interval, []flow.Record) error { return nil })
	}
	c, err := d.store.Check(ctx, iface, func(damage store.Damage) { say(damage.String()) })
	if c.BytesTorn > 0 {
		say(fmt.Sprintf("%s: %d bytes are being written, or were cut off when the writer ended; no loss of what was acknowledged", iface, c.BytesTorn))
	}
	return query.ScanStats{Blocks: c.Blocks, Rows: c.Rows, Corrupted: c.Corrupted, BytesLost: c.BytesLost}, err
}
