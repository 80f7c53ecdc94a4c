package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/godb"
	"github.com/weirflow/weir/probe/query"
	"github.com/weirflow/weir/probe/store"
)

func (a *app) dbCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "db",
		Short: "Look after a database: stat, check, repair, dump, import, export, compact, prune",
		Long: `Look after a database on this machine: what it holds, whether all of it can be read, bring data into it, and out of it.

stat and check read a store of weir-probe and a database of goProbe v4 alike.`,
		Args: knownVerb,
		RunE: func(*cobra.Command, []string) error {
			return usage("no command is given", "weir db --help lists the commands")
		},
	}
	command.AddCommand(a.dbStatCommand(), a.dbCheckCommand(), a.dbImportCommand(), a.dbExportCommand(),
		a.dbCompactCommand(), a.dbPruneCommand(), a.dbRepairCommand(), a.dbDumpCommand())
	return command
}

// database is a store of ours or a database of goProbe, open for reading.
type database struct {
	query.StoredSource
	hostID  string
	goProbe *godb.DB     // nil: a store of ours
	store   *store.Store // nil: a database of goProbe
	close   func()
}

// dataVersion tells states of the data of interfaces in a span apart; "" where that is not known.
func (d *database) dataVersion(interfaces []string, first, last int64) (string, error) {
	if d.store == nil {
		return "", nil
	}
	versions := make([]string, 0, len(interfaces))
	for _, name := range interfaces {
		version, err := d.store.DataVersion(name, first, last)
		if err != nil {
			return "", err
		}
		versions = append(versions, name+" "+version)
	}
	return strings.Join(versions, ", "), nil
}

// chosenInterfaces are those that --iface names, all that are known without it; each must be known in the directory.
func chosenInterfaces(named, known []string, directory string) ([]string, error) {
	if len(named) == 0 {
		return known, nil
	}
	names := slices.Compact(slices.Sorted(slices.Values(named)))
	for _, name := range names {
		if slices.Contains(known, name) {
			continue
		}
		text := fmt.Sprintf("--iface: no interface %q in %s", name, directory)
		if nearest, ok := flow.Nearest(name, known); ok {
			return nil, usage(text+fmt.Sprintf("; did you mean %q?", nearest), "")
		}
		return nil, usage(text, "there are "+strings.Join(known, ", "))
	}
	return names, nil
}

// openDatabase opens what is in a directory.
func (a *app) openDatabase(directory string, damaged func(godb.Damage)) (*database, error) {
	s, err := store.Open(store.Config{Path: directory, ReadOnly: true}, store.Deps{})
	if err == nil {
		return &database{StoredSource: query.Stored(s), store: s, hostID: s.HostID(), close: func() {
			s.Close() //nolint:errcheck // it was only read
		}}, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		db, goErr := godb.Open(godb.Config{Path: directory}, godb.Deps{Damaged: damaged})
		if goErr == nil {
			return &database{StoredSource: goProbe{db}, hostID: db.HostID(), goProbe: db, close: func() {}}, nil
		}
		if errors.Is(goErr, fs.ErrPermission) {
			err = goErr
		}
	}
	return nil, a.unopened(err, directory, ", or that of a goProbe database")
}

// goProbe makes a source of a goProbe database.
type goProbe struct{ *godb.DB }

func (g goProbe) Interfaces(context.Context) ([]string, error) { return g.DB.Interfaces() }

func (g goProbe) Scan(ctx context.Context, iface string, first, last int64, visit query.Visit) (query.ScanStats, error) {
	s, err := g.DB.Scan(ctx, iface, first, last, visit)
	stats := query.ScanStats{
		Files: s.Days, Blocks: s.Blocks, Rows: s.Rows, BytesRead: s.BytesRead, BytesDecoded: s.BytesDecoded,
		Replays: s.Replays, Corrupted: s.Corrupted, BytesLost: s.BytesLost,
	}
	for _, d := range s.Damage {
		where := strings.TrimPrefix(d.String(), d.File+": ") // block, time and rows, which a store's damage does not have
		stats.Damage = append(stats.Damage, store.Damage{File: d.File, Offset: d.Offset, Bytes: d.Bytes, Cause: where})
	}
	return stats, err
}
