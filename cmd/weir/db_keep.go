package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/probe/store"
	"github.com/weirflow/weir/probe/vfs"
)

// openWritable opens a store that no probe is writing.
func (a *app) openWritable(cfg store.Config) (*store.Store, error) {
	if reader, err := store.Open(store.Config{Path: cfg.Path, ReadOnly: true}, store.Deps{}); err == nil {
		reader.Close() //nolint:errcheck // it was only looked at: opening for writing would make a store where none is
	} else if _, err := a.openDatabase(cfg.Path, nil); err != nil {
		return nil, err
	} else {
		return nil, failure(fmt.Errorf("%s is a goProbe database, which is only read", cfg.Path), "weir db import brings it into a store")
	}
	s, err := store.Open(cfg, store.Deps{Now: a.now})
	var locked *vfs.LockedError
	if errors.As(err, &locked) {
		return nil, failure(fmt.Errorf("%s is in use: %w", cfg.Path, err), "the probe that writes it does this by itself; stop it to do it by hand")
	}
	return s, err
}

func (a *app) dbCompactCommand() *cobra.Command {
	var directory string
	var interfaces []string
	var dryRun bool
	command := &cobra.Command{
		Use:   "compact [-d DIR] [--iface NAME]... [--dry-run]",
		Short: "Turn the logs of a store into segments now",
		Long: `Turn the logs of a store into segments now, which a probe otherwise does by itself while it runs. Segments take about
half the space and answer much faster. The store must not be in use by a probe. It may be interrupted at any time; the
next run goes on.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.dbCompact(c.Context(), directory, interfaces, dryRun)
		},
	}
	a.directoryFlag(command, &directory)
	command.Flags().StringArrayVar(&interfaces, "iface", nil, "only the interface `NAME`, may be repeated")
	command.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing, and say which days are not one segment yet")
	return command
}

func (a *app) dbCompact(ctx context.Context, directory string, interfaces []string, dryRun bool) error {
	s, err := a.openWritable(store.Config{Path: directory})
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // each step is durable
	known, err := s.Interfaces()
	if err != nil {
		return err
	}
	if interfaces, err = chosenInterfaces(interfaces, known, directory); err != nil {
		return err
	}
	if dryRun {
		plan, err := s.CompactPlan(interfaces)
		if err == nil {
			fmt.Fprintf(a.stdout, "would compact %d days of interfaces, %d files with %s\n", plan.Days, plan.Files, render.Size(uint64(plan.Bytes)))
		}
		return err
	}
	p := newProgress(a.stderr)
	var done, total atomic.Uint64
	p.start("days of interfaces", done.Load)
	report, err := s.Compact(ctx, store.CompactOptions{All: true, Interfaces: interfaces, Progress: func(now store.CompactProgress) {
		done.Store(uint64(now.Done))
		if total.Swap(uint64(now.Total)) == 0 {
			p.setTotal(uint64(now.Total))
		}
	}})
	p.stop()
	if err != nil {
		if errors.Is(err, context.Canceled) {
			a.note("what is done stays; the same command goes on")
		}
		return err
	}
	fmt.Fprintf(a.stdout, "%s rows in %d new segments: %s from %s; %d files removed\n", render.Count(report.Rows), report.Segments,
		render.Size(uint64(report.BytesWritten)), render.Size(uint64(report.BytesRead)), report.Removed)
	for _, fault := range report.Faults {
		a.note("%s", render.Line(fault.Error()))
	}
	if len(report.Faults) > 0 {
		return failure(fmt.Errorf("%d days could not be compacted in whole; nothing of them is lost", len(report.Faults)), "weir db check says what is damaged")
	}
	return nil
}

func (a *app) dbPruneCommand() *cobra.Command {
	var directory string
	var dryRun bool
	var keep store.Retention
	command := &cobra.Command{
		Use:   "prune [-d DIR] [--max-age AGE] [--max-bytes SIZE] [--min-free SIZE] [--dry-run]",
		Short: "Delete the oldest days of a store",
		Long: `Delete the oldest days of a store until it keeps the bounds named: whole UTC days, all interfaces of a day at once, never
the current day. A probe does so by itself, by the bounds under store.retention of its configuration; here the bounds are
those of the flags alone. The store must not be in use by a probe.`,
		Example: `  weir db prune -d /var/lib/weir --max-age 90d --dry-run
  weir db prune -d /mnt/archive --max-bytes 50GB`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return a.dbPrune(c.Context(), directory, keep, dryRun) },
	}
	a.directoryFlag(command, &directory)
	f := command.Flags()
	f.TextVar(&keep.MaxAge, "max-age", store.Age(0), "keep days up to this `AGE`, such as 400d")
	f.TextVar(&keep.MaxBytes, "max-bytes", store.Bytes(0), "keep the store below this `SIZE`, such as 50GB")
	f.TextVar(&keep.MinFree, "min-free", store.Bytes(0), "keep so much free on the disk, such as 1GiB")
	f.BoolVar(&dryRun, "dry-run", false, "delete nothing, and say what would be deleted")
	return command
}

func (a *app) dbPrune(ctx context.Context, directory string, keep store.Retention, dryRun bool) error {
	if keep == (store.Retention{}) {
		return usage("no bound is given", "add at least one of --max-age, --max-bytes and --min-free; weir db prune --help explains them")
	}
	if err := keep.Validate(); err != nil {
		return usage(err.Error(), "")
	}
	s, err := a.openWritable(store.Config{Path: directory, Retention: keep})
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // what went is gone
	report, err := s.Prune(ctx, dryRun)
	if err != nil {
		return err
	}
	did := "deleted"
	if dryRun {
		did = "would delete"
	}
	for _, d := range report.Days {
		fmt.Fprintf(a.stdout, "%s %s: %d files, %s (%s)\n", did, d.Day, d.Files, render.Size(uint64(d.Bytes)), d.Reason)
	}
	fmt.Fprintf(a.stdout, "%s %d days with %s; %d days with %s stay\n", did, len(report.Days), render.Size(uint64(report.Bytes)),
		report.KeptDays, render.Size(uint64(report.KeptBytes)))
	if report.Insufficient != "" {
		return failure(fmt.Errorf("%s is not met", report.Insufficient), "only the current day is left to delete, which stays")
	}
	return nil
}
