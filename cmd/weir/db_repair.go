package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/probe/store"
	"github.com/weirflow/weir/probe/vfs"
)

func (a *app) dbDumpCommand() *cobra.Command {
	var directory string
	command := &cobra.Command{
		Use:   "dump (FILE | -d DIR)",
		Short: "Show what the files of a store hold, place by place",
		Long: `Show what a log (.wlog) or a segment (.wseg) of a store holds: headers, blocks, sections, chunks and columns with their
places, sizes and checksums. docs/FORMAT.md says what they mean. Rows are shown by weir db export. With -d all logs and
segments of a store are shown, one after the other, each below its name; the exit code is 1 if one of them cannot be read.`,
		Example: `  weir db dump /var/lib/weir/interfaces/eth0/2026-11-21.wseg
  weir db dump -d /var/lib/weir | less`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, arguments []string) error {
			if (directory != "") == (len(arguments) > 0) || len(arguments) > 1 {
				return usage("one file is expected, or the directory of a store with -d", "weir db dump --help shows examples")
			}
			if directory == "" {
				return a.dumpFile(arguments[0])
			}
			return a.dumpStore(c.Context(), directory)
		},
	}
	command.Flags().StringVarP(&directory, "directory", "d", "", "`DIR` of a store, all files of which are shown")
	return command
}

func (a *app) dumpFile(name string) error {
	err := store.Dump(vfs.OS{}, name, a.stdout)
	if errors.Is(err, store.ErrNoData) {
		return failure(err, "weir db stat shows what a store holds")
	}
	return err
}

// dumpStore shows all files of a store; one that cannot be read is told of, and the others are shown.
func (a *app) dumpStore(ctx context.Context, directory string) error {
	s, err := a.openStore(directory)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // it was only read
	names, err := s.Files()
	if err != nil {
		return err
	}
	failed := 0
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(a.stdout, "%s\n", name); err != nil {
			return err
		}
		if err := store.Dump(vfs.OS{}, name, a.stdout); err != nil {
			failed++
			a.note("%s", render.Line(err.Error()))
		}
		fmt.Fprintln(a.stdout)
	}
	if failed > 0 {
		return failure(fmt.Errorf("%d of %d files cannot be shown", failed, len(names)), "weir db check says what is lost")
	}
	return nil
}

func (a *app) dbRepairCommand() *cobra.Command {
	var directory, hostID string
	var dryRun bool
	command := &cobra.Command{
		Use:   "repair [-d DIR] [--host-id ID] [--dry-run]",
		Short: "Set damaged files of a store aside and keep what can be read of them",
		Long: `Set damaged files of a store aside, having brought what can be read of them into new ones. Nothing is deleted: a file that
is set aside stays beside the others, under a name that is not read, until its day is pruned. The store must not be in use
by a probe.

A store whose identity (the file weir-store) is damaged or missing gets one again, with the host id of --host-id or a new
one.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return a.dbRepair(c.Context(), directory, hostID, dryRun) },
	}
	a.directoryFlag(command, &directory)
	command.Flags().StringVar(&hostID, "host-id", "", "`ID` of the host for a store that has lost its identity, such as another store of it has")
	command.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing, and say what would be set aside")
	return command
}

// repairIdentity gives a store an identity again that has lost it; others are left alone.
func (a *app) repairIdentity(directory, hostID string, dryRun bool) (lost bool, err error) {
	s, fault := store.Open(store.Config{Path: directory, ReadOnly: true}, store.Deps{})
	if fault == nil {
		return false, s.Close()
	}
	if info, err := os.Stat(filepath.Join(directory, "interfaces")); err != nil || !info.IsDir() || errors.Is(fault, fs.ErrPermission) {
		return false, nil //nolint:nilerr // no store, or none that can be read: who opens it next says so
	}
	if dryRun {
		_, err = fmt.Fprintf(a.stdout, "the identity would be made anew, then the rest looked at: %s\n", render.Line(fault.Error()))
		return true, err
	}
	id, err := store.RepairIdentity(store.Config{Path: directory}, store.Deps{}, hostID)
	if err != nil {
		return true, err
	}
	_, err = fmt.Fprintf(a.stdout, "the identity is made anew: host id %s\n", id)
	return true, err
}

func (a *app) dbRepair(ctx context.Context, directory, hostID string, dryRun bool) error {
	if lost, err := a.repairIdentity(directory, hostID, dryRun); err != nil || lost && dryRun {
		return err
	}
	s, err := a.openWritable(store.Config{Path: directory})
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // each step is durable
	names, err := s.Interfaces()
	if err != nil {
		return err
	}
	files, lost := 0, uint64(0)
	for _, name := range names {
		err := s.Repair(ctx, name, dryRun, func(r store.Repaired) {
			files++
			lost += r.Lost
			fmt.Fprintln(a.stdout, render.Safe(r.String()))
		})
		if err != nil {
			return err
		}
	}
	did := "set aside"
	if dryRun {
		did = "would be set aside"
	}
	_, err = fmt.Fprintf(a.stdout, "files %s: %d; rows lost, as far as that is known: %d\n", did, files, lost)
	return err
}
