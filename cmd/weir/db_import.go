package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/probe/godb"
	"github.com/weirflow/weir/probe/store"
	"github.com/weirflow/weir/probe/vfs"
)

// importVerb is one run of weir db import.
type importVerb struct {
	app        *app
	directory  string
	goDB, csv  string
	interfaces []string
	dryRun     bool
}

func (a *app) dbImportCommand() *cobra.Command {
	v := &importVerb{app: a}
	command := &cobra.Command{
		Use:   "import -d DIR (--godb SRC | --csv FILE) [--iface NAME]... [--dry-run]",
		Short: "Bring a goProbe database or CSV of flows into a store",
		Long: `Bring the flows of a goProbe v4 database, or of CSV as goQuery prints it, into a store, which is made if it is absent.

What is in the store already is not added again: the same import can be repeated, and one that was interrupted goes on
where it was. The source is only read; the store must not be in use by a probe. What cannot be read is counted and named.`,
		Example: `  weir db import -d /var/lib/weir --godb /usr/local/goProbe/db
  weir db import -d /var/lib/weir --godb /mnt/old --iface eth0 --iface eth1 --dry-run
  weir db import -d /var/lib/weir --csv flows.csv --iface eth0`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return v.run(c.Context()) },
	}
	f := command.Flags()
	f.StringVarP(&v.directory, "directory", "d", "", "`DIR` of the store to import into")
	f.StringVar(&v.goDB, "godb", "", "`SRC`, the directory of a goProbe v4 database")
	f.StringVar(&v.csv, "csv", "", "`FILE` of comma-separated values with a heading; - is standard input")
	f.StringArrayVar(&v.interfaces, "iface", nil, "only the interface `NAME`, may be repeated; with CSV that names none, that of all rows")
	f.BoolVar(&v.dryRun, "dry-run", false, "read all, write nothing, and say what would be imported")
	return command
}

func (v *importVerb) run(ctx context.Context) error {
	switch {
	case (v.goDB == "") == (v.csv == ""):
		return usage("one source is needed: --godb SRC or --csv FILE", "weir db import --help shows examples")
	case v.directory == "" && !v.dryRun:
		return usage("no store is named", "add -d DIR, the store to import into, such as -d "+v.app.directory)
	}
	if v.app.collect != nil {
		v.app.collect(growing)
	}
	var target *store.Store
	if !v.dryRun {
		s, err := store.Open(store.Config{Path: v.directory}, store.Deps{})
		var locked *vfs.LockedError
		switch {
		case errors.As(err, &locked):
			return failure(fmt.Errorf("%s is in use: %w", v.directory, err), "stop the probe that writes it while importing, or import into another directory")
		case err != nil:
			return err
		}
		defer s.Close() //nolint:errcheck // what was appended is durable
		target = s
	}
	im := newImporter(v.app, target)
	work := v.fromGoDB
	if v.csv != "" {
		work = v.fromCSV
	}
	err := work(ctx, im)
	err = errors.Join(err, im.finish(ctx))
	im.progress.stop()
	if errors.Is(err, context.Canceled) && target != nil {
		v.app.note("what was imported until now stays; the same command goes on")
	}
	if err != nil {
		return err
	}
	return im.summary()
}

// fromGoDB imports a goProbe database, several interfaces at a time.
func (v *importVerb) fromGoDB(ctx context.Context, im *importer) error {
	db, err := godb.Open(godb.Config{Path: v.goDB}, godb.Deps{Damaged: im.damaged})
	if errors.Is(err, godb.ErrNoDatabase) {
		return failure(err, "name the directory that holds one directory per interface: goProbe's db.path")
	}
	if err != nil {
		return err
	}
	names, err := v.selected(db)
	if err != nil {
		return err
	}
	for _, name := range names {
		stat, err := db.Stat(ctx, name)
		if err != nil {
			return err
		}
		im.progress.total += stat.Rows()
		im.tally(name)
	}
	im.progress.start("rows", im.rows.Load)
	return im.each(ctx, names, func(ctx context.Context, name string) error {
		return im.pump(ctx, func(ctx context.Context, emit emitter) error {
			stats, err := db.Scan(ctx, name, 0, 1<<62, func(interval flow.Interval, records []flow.Record) error {
				return emit(name, interval, records)
			})
			t := im.tally(name)
			t.damaged, t.lost, t.salvaged = stats.Corrupted, stats.RowsLost, stats.Salvaged
			return err
		})
	})
}

// selected are the interfaces to import.
func (v *importVerb) selected(db *godb.DB) ([]string, error) {
	known, err := db.Interfaces()
	if err != nil {
		return nil, err
	}
	return chosenInterfaces(v.interfaces, known, v.goDB)
}

// fromCSV imports a file of comma-separated values.
func (v *importVerb) fromCSV(ctx context.Context, im *importer) error {
	source := os.Stdin
	if v.csv != "-" {
		f, err := os.Open(v.csv)
		if err != nil {
			return failure(err, "")
		}
		defer f.Close()
		source = f
	}
	if info, err := source.Stat(); err == nil && info.Mode().IsRegular() {
		im.progress.total = uint64(info.Size())
	}
	cfg := godb.CSVConfig{Only: v.interfaces}
	if len(v.interfaces) == 1 {
		cfg.Interface = v.interfaces[0]
	}
	counted := &countingReader{source: source}
	im.progress.start("bytes", counted.read.Load)
	var stats godb.CSVStats
	err := im.pump(ctx, func(ctx context.Context, emit emitter) (err error) {
		stats, err = godb.ReadCSV(ctx, counted, cfg, emit)
		return err
	})
	im.progress.stop()
	v.tell(stats)
	switch {
	case errors.Is(err, godb.ErrNoColumn):
		err = failure(err, fmt.Sprintf("line 1 of %s has to name the columns %s, in any order; --iface NAME stands for iface",
			v.csv, strings.Join(godb.CSVColumns(), ", ")))
	case err == nil && stats.Rows == 0 && stats.Bad > 0:
		err = failure(fmt.Errorf("%s: no line can be read", v.csv), "")
	}
	return err
}

// tell says what of a file is not imported.
func (v *importVerb) tell(stats godb.CSVStats) {
	for _, line := range stats.BadLines {
		v.app.note("%s: %s", render.Safe(v.csv), line)
	}
	if more := stats.Bad - uint64(len(stats.BadLines)); more > 0 {
		v.app.note("%s: and %d more such lines", render.Safe(v.csv), more)
	}
	if stats.Bad > 0 {
		v.app.note("%d of %d lines are not imported", stats.Bad, stats.Lines)
	}
	if stats.Passed > 0 {
		v.app.note("%d rows of other interfaces are not imported", stats.Passed)
	}
	if len(stats.Ignored) > 0 {
		v.app.note("columns that are not imported: %s", strings.Join(stats.Ignored, ", "))
	}
}
