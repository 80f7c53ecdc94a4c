package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/query"
)

// maxGroups bounds a query over a local store, which has the machine to itself: about 1.2 GB at 150 bytes a group.
const maxGroups = 1 << 23

// local answers from a store on this machine.
func (v *queryVerb) local(ctx context.Context, attributes, directory string) error {
	if err := v.connection.check(false); err != nil {
		return err
	}
	q, err := v.prepare(ctx, attributes, false)
	if err != nil {
		return err
	}
	switch {
	case q.Live:
		return usage("--live: a store holds closed intervals only", "ask the probe that writes it: --server unix:"+v.app.socket)
	case q.Request.Enrich:
		return usage("--enrich: a store does not know where addresses belong", "ask a server that has files of countries and networks: --server ADDR")
	case q.Request.QueryHosts != "" || q.Request.QueryHostsResolverType != "":
		return usage("--hosts: a store is about one host", "hosts are chosen at a gateway: --server ADDR")
	}
	ctx, cancel := v.connection.within(ctx)
	defer cancel()
	db, err := v.app.openDatabase(directory, nil)
	if err != nil {
		return err
	}
	defer db.close()
	result, err := v.scan(ctx, q, db, directory)
	if err != nil {
		return err
	}
	if err := v.show(ctx, q, result, false); err != nil {
		return err
	}
	if db.goProbe != nil {
		v.app.note("%s is a goProbe database: read in place; it has no message types of ICMP and no verdicts", directory)
		return nil
	}
	if v.format == "txt" && q.Last >= v.app.now().Unix() { // only then a current interval belongs to the answer
		v.app.note("closed intervals only; for the current one ask the probe: --server unix:%s", v.app.socket)
	}
	return nil
}

func (v *queryVerb) scan(ctx context.Context, q *wire.Query, db *database, directory string) (*wire.Result, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	source := &countingSource{StoredSource: db.StoredSource}
	var stored query.StoredSource = source
	if viewer, ok := db.StoredSource.(query.Viewer); ok {
		stored = countingViewer{source, viewer}
	}
	engine, err := query.New(query.Config{MaxGroups: maxGroups}, query.Deps{
		Stored: stored, Host: host, HostID: db.hostID, Now: v.app.now,
	})
	if err != nil {
		return nil, err
	}
	var seen atomic.Pointer[query.Progress]
	defer v.app.progress(func() string {
		text := "reading " + directory + ": " + plural(source.flows.Load(), "flow")
		if p := seen.Load(); p != nil && p.Total > 0 {
			text += fmt.Sprintf(", and %d %% of %s in columns", 100*p.Done/p.Total, plural(uint64(p.Total), "flow"))
		}
		return text
	})()
	return engine.QueryReporting(ctx, q, func(p query.Progress) { seen.Store(&p) })
}

// countingSource counts what is read row by row, for whoever waits.
type countingSource struct {
	query.StoredSource
	flows atomic.Uint64
}

func (s *countingSource) Scan(ctx context.Context, iface string, first, last int64, visit query.Visit) (query.ScanStats, error) {
	return s.StoredSource.Scan(ctx, iface, first, last, s.counting(visit))
}

func (s *countingSource) counting(visit query.Visit) query.Visit {
	return func(interval flow.Interval, records []flow.Record) error {
		s.flows.Add(uint64(len(records)))
		return visit(interval, records)
	}
}

// countingViewer does the same for a store, whose segments the engine reads itself.
type countingViewer struct {
	*countingSource
	viewer query.Viewer
}

func (s countingViewer) Open(ctx context.Context, iface string, first, last int64) (query.View, error) {
	view, err := s.viewer.Open(ctx, iface, first, last)
	return countingView{view, s.countingSource}, err
}

type countingView struct {
	query.View
	source *countingSource
}

func (v countingView) Scan(ctx context.Context, visit query.Visit) (query.ScanStats, error) {
	return v.View.Scan(ctx, v.source.counting(visit))
}

// isStore says that there is something to read, or not to be allowed to read.
func isStore(directory string) bool {
	_, err := os.Stat(filepath.Join(directory, "weir-store"))
	return err == nil || errors.Is(err, fs.ErrPermission)
}
