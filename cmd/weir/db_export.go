package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/archive"
)

const secondsPerDay = 24 * 60 * 60

// exportVerb is one run of weir db export.
type exportVerb struct {
	app                  *app
	directory            string
	parquet, csv, ndjson string
	interfaces           []string
	first, last          string
	host                 string
	dryRun               bool

	db       *database
	names    []string
	from, to int64   // of interval ends, both included
	list     []int64 // days
	progress *progress
	days     atomic.Uint64 // interfaces × days that are done
	rows     uint64
	files    int
	kept     int // files that were there and hold the same
	damaged  uint64
}

func (a *app) dbExportCommand() *cobra.Command {
	v := &exportVerb{app: a}
	command := &cobra.Command{
		Use:   "export [-d DIR] (--parquet OUT | --csv FILE | --ndjson FILE) [--iface NAME]... [-f FIRST] [-l LAST] [--dry-run]",
		Short: "Write flows for other programs: Parquet, CSV, NDJSON",
		Long: `Write the flows of a database for other programs, row by row as they are stored.

Parquet makes one file a UTC day below OUT/HOST, which DuckDB, ClickHouse, Trino and Spark read. A day's file appears
when it is whole; a day that was exported and has not changed since is left alone, so an export that was interrupted
goes on with the same command, and one that is repeated adds the new days. CSV is one file, which weir db import reads
back; NDJSON one object a line. The database is only read, a probe may be writing to it.`,
		Example: `  weir db export -d /var/lib/weir --parquet /srv/flows
  weir db export -d /var/lib/weir --csv - --iface eth0 -f -1d | gzip > eth0.csv.gz`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return v.run(c.Context()) },
	}
	a.directoryFlag(command, &v.directory)
	f := command.Flags()
	f.StringVar(&v.parquet, "parquet", "", "`OUT`, the directory for Parquet, made if it is absent")
	f.StringVar(&v.csv, "csv", "", "`FILE` for comma-separated values; - is standard output")
	f.StringVar(&v.ndjson, "ndjson", "", "`FILE` for newline-delimited JSON; - is standard output")
	f.StringArrayVar(&v.interfaces, "iface", nil, "only the interface `NAME`, may be repeated")
	f.StringVarP(&v.first, "first", "f", "", "only intervals that end at `FIRST` or later, such as -7d")
	f.StringVarP(&v.last, "last", "l", "", "only intervals that end at `LAST` or before")
	f.StringVar(&v.host, "host", "", "`NAME` of the host in the files; default: this machine's")
	f.BoolVar(&v.dryRun, "dry-run", false, "read all, write nothing, and say what would be written")
	return command
}

func (v *exportVerb) run(ctx context.Context) (err error) {
	forms := 0
	for _, to := range []string{v.parquet, v.csv, v.ndjson} {
		if to != "" {
			forms++
		}
	}
	if forms != 1 {
		return usage("one form is needed: --parquet OUT, --csv FILE or --ndjson FILE", "weir db export --help shows examples")
	}
	if v.db, err = v.app.openDatabase(v.directory, nil); err != nil {
		return err
	}
	defer v.db.close()
	for _, name := range []string{v.csv, v.ndjson} {
		if info, err := os.Stat(name); name != "" && err == nil && info.IsDir() {
			return usage(name+" is a directory, and a file is to be written", "name a file in it, such as "+filepath.Join(name, "flows.csv"))
		}
	}
	if err := v.prepare(ctx); err != nil {
		return err
	}
	v.progress = newProgress(v.app.stderr)
	v.progress.total = uint64(len(v.list) * len(v.names))
	v.progress.start("days of interfaces", v.days.Load)
	work := v.toFile
	if v.parquet != "" {
		work = v.toParquet
	}
	err = work(ctx)
	v.progress.stop()
	if err != nil {
		if errors.Is(err, context.Canceled) && v.parquet != "" {
			v.app.note("the days that are done stay; the same command goes on")
		}
		return err
	}
	return v.tell()
}

// prepare finds out which interfaces and what span there is to export.
func (v *exportVerb) prepare(ctx context.Context) error {
	known, err := v.db.Interfaces(ctx)
	if err != nil {
		return err
	}
	if v.names, err = chosenInterfaces(v.interfaces, known, v.directory); err != nil {
		return err
	}
	first, last, err := v.span()
	if err != nil {
		return err
	}
	v.from, v.to = math.MaxInt64, 0
	for _, name := range v.names {
		from, to, err := v.db.Coverage(ctx, name)
		if err != nil {
			return err
		}
		if to > 0 {
			v.from, v.to = min(v.from, from+1), max(v.to, to)
		}
	}
	v.from, v.to = max(v.from, first, 1), min(v.to, last)
	if v.list, err = v.daysToDo(); err != nil {
		return err
	}
	if v.host == "" {
		v.host, err = os.Hostname()
	}
	return err
}

// span is what -f and -l ask for.
func (v *exportVerb) span() (first, last int64, err error) {
	request := wire.Request{Query: "time", Ifaces: "any", First: v.first, Last: v.last}
	if request.First == "" {
		request.First = "0"
	}
	q, err := request.Prepare(v.app.now())
	var problem *wire.Problem
	if errors.As(err, &problem) {
		return 0, 0, &invalid{request: &request, problem: problem}
	}
	if err != nil {
		return 0, 0, err
	}
	return q.First, q.Last, nil
}

// dayOf is the UTC day, since 1970, of an interval's end: midnight closes the day before.
func dayOf(end int64) int64 { return (end - 1) / secondsPerDay }

// daysToDo lists the days that may hold rows: a clock that was wrong once may lie thousands of years off.
func (v *exportVerb) daysToDo() (list []int64, err error) {
	if v.from > v.to {
		return nil, nil
	}
	first, last := dayOf(v.from), dayOf(v.to)
	if v.db.store == nil {
		for day := first; day <= last; day++ {
			list = append(list, day)
		}
		return list, nil
	}
	for _, name := range v.names {
		days, err := v.db.store.Days(name)
		if err != nil {
			return nil, err
		}
		list = append(list, days...)
	}
	slices.Sort(list)
	outside := func(day int64) bool { return day < first || day > last }
	return slices.DeleteFunc(slices.Compact(list), outside), nil
}

// scan hands the rows of a day over, interface by interface.
func (v *exportVerb) scan(ctx context.Context, day int64, to archive.Writer) (rows uint64, err error) {
	first, last := max(v.from, day*secondsPerDay+1), min(v.to, (day+1)*secondsPerDay)
	for _, name := range v.names {
		stats, err := v.db.Scan(ctx, name, first, last, func(interval flow.Interval, records []flow.Record) error {
			return to.Write(name, interval, records)
		})
		if err != nil {
			return rows, err
		}
		rows += stats.Rows
		for _, d := range stats.Damage {
			v.progress.note(v.app, "%s", d)
		}
		v.damaged += stats.Corrupted
		v.days.Add(1)
	}
	return rows, nil
}

// toFile writes all days into one file of text.
func (v *exportVerb) toFile(ctx context.Context) error {
	name, begin := v.csv, archive.NewCSV
	if v.ndjson != "" {
		origin := archive.Origin{Host: v.host, HostID: v.db.hostID}
		name, begin = v.ndjson, func(w writerOnly) archive.Writer { return archive.NewNDJSON(w, origin) }
	}
	out, err := v.create(name)
	if err != nil {
		return err
	}
	w := begin(out)
	for _, day := range v.list {
		if err != nil {
			break
		}
		var rows uint64
		rows, err = v.scan(ctx, day, w)
		v.rows += rows
	}
	if err == nil {
		err = w.Close()
	}
	v.files = 1
	return out.finish(err)
}

// toParquet writes a file a day.
func (v *exportVerb) toParquet(ctx context.Context) error {
	directory := filepath.Join(v.parquet, fileName(v.host))
	if !v.dryRun {
		if err := os.MkdirAll(directory, 0o750); err != nil {
			return failure(err, "")
		}
	}
	for _, day := range v.list {
		name := filepath.Join(directory, time.Unix(day*secondsPerDay, 0).UTC().Format(time.DateOnly)+".parquet")
		if err := v.parquetDay(ctx, day, name); err != nil {
			return err
		}
	}
	return nil
}

// versionKey is where a Parquet file says which state of the database it holds.
const versionKey = "weir.data_version"

func (v *exportVerb) parquetDay(ctx context.Context, day int64, name string) error {
	version, err := v.db.dataVersion(v.names, max(v.from, day*secondsPerDay+1), min(v.to, (day+1)*secondsPerDay))
	if err != nil {
		return err
	}
	if version != "" && archive.ParquetMetadata(name, versionKey) == version {
		v.kept++
		v.days.Add(uint64(len(v.names)))
		return nil
	}
	out, err := v.create(name)
	if err != nil {
		return err
	}
	w := archive.NewParquet(out, archive.Origin{Host: v.host, HostID: v.db.hostID}, map[string]string{versionKey: version})
	rows, err := v.scan(ctx, day, w)
	if err == nil {
		err = w.Close()
	}
	if rows == 0 && err == nil {
		return out.discard()
	}
	v.rows += rows
	v.files++
	return out.finish(err)
}

// fileName makes the name of a directory of a host's name.
func fileName(host string) string {
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == 0 || r < ' ' {
			return '_'
		}
		return r
	}, host)
	if name == "" || name == "." || name == ".." {
		return "_"
	}
	return name
}

func (v *exportVerb) tell() error {
	did := "wrote"
	if v.dryRun {
		did = "would write"
	}
	v.app.note("%s %s rows; files: %d, and %d that held the same already", did, render.Count(v.rows), v.files, v.kept)
	if v.damaged > 0 {
		return failure(fmt.Errorf("%d damaged places could not be exported", v.damaged), "weir db check says what is lost where")
	}
	return nil
}
