package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/store"
)

// ScanStats is the cost of a scan and what it could not read.
type ScanStats = store.ScanStats

// Visit receives rows of an interval; see store.Visit.
type Visit = store.Visit

// Source is what the engine reads rows from. Its methods are called concurrently by concurrent queries.
//
// The engine reads a live source before the stored one and drops each live interval whose boot and sequence the
// store then has. Rows therefore count once and none is missed, provided that a live source keeps showing an
// interval until the store has it durably.
type Source interface {
	// Interfaces lists the interfaces the source knows, in any order.
	Interfaces(ctx context.Context) ([]string, error)
	// Scan visits the intervals of an interface with first <= End <= last. In a live source End is the nominal end
	// of the interval that is being counted, and Duration the part of it that has passed.
	Scan(ctx context.Context, iface string, first, last int64, visit Visit) (ScanStats, error)
}

// StoredSource is a Source of closed intervals.
type StoredSource interface {
	Source
	// Coverage returns the start of the first and the end of the last interval in Unix seconds; 0, 0 without any.
	Coverage(ctx context.Context, iface string) (first, last int64, err error)
}

// Stored makes a StoredSource of a store.
func Stored(s *store.Store) StoredSource { return stored{s} }

type stored struct{ *store.Store }

func (s stored) Interfaces(context.Context) ([]string, error) { return s.Store.Interfaces() }

func (s stored) Coverage(_ context.Context, iface string) (first, last int64, err error) {
	return s.Store.Coverage(iface)
}

// Config bounds what one query may use.
type Config struct {
	// MaxGroups is the greatest number of groups a query may have before its limit is applied, about 150 bytes
	// each; a series counts every bin of every group. A query that has more gets a *wire.LimitError.
	MaxGroups int
}

// DefaultConfig returns the defaults: about 160 MiB for the greatest query.
func DefaultConfig() Config { return Config{MaxGroups: 1 << 20} }

// Deps are what the engine reads and whose answers it gives.
type Deps struct {
	Stored StoredSource
	Live   Source // nil: there is no current interval
	// Interval is the length of a live interval; 0: five minutes.
	Interval time.Duration
	// Host, HostID and Labels are those of the host whose rows these are.
	Host, HostID string
	Labels       map[string]string
	Now          func() time.Time // nil: time.Now
}

// Engine answers queries. It is immutable and safe for concurrent use.
type Engine struct {
	cfg  Config
	deps Deps
}

// New returns an engine.
func New(cfg Config, deps Deps) (*Engine, error) {
	if cfg.MaxGroups < 1 {
		return nil, fmt.Errorf("query engine: max groups %d: must be at least 1", cfg.MaxGroups)
	}
	if deps.Stored == nil {
		return nil, errors.New("query engine: no source of stored rows")
	}
	if deps.Interval <= 0 {
		deps.Interval = 5 * time.Minute
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	return &Engine{cfg: cfg, deps: deps}, nil
}

// Query answers one query. That there is no data, or none that matches, is no error but stands in the status, as
// does data that could not be read. Errors are those of the context, a *wire.LimitError, and those of a source.
func (e *Engine) Query(ctx context.Context, q *wire.Query) (*wire.Result, error) {
	start := e.deps.Now()
	r := &run{engine: e, query: q, shape: shapeOf(q), groups: newGroups(e.cfg.MaxGroups)}
	if err := r.selectInterfaces(ctx); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	for i, iface := range r.interfaces {
		if err := r.collect(ctx, uint16(i), iface, start); err != nil {
			return nil, fmt.Errorf("query %s: %w", iface, err)
		}
	}
	result, err := r.answer(ctx)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	result.Summary.Timings = wire.Timings{QueryStart: start, Duration: e.deps.Now().Sub(start), Resolution: q.Resolution}
	r.status(ctx, result)
	return result, nil
}

// run is the state of one query.
type run struct {
	engine     *Engine
	query      *wire.Query
	shape      shape
	known      []string // interfaces there are
	interfaces []string // those selected
	groups     *groups
	covered    covered
	stats      ScanStats
}
