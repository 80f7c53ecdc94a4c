package query

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/segment"
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

func (s stored) Open(ctx context.Context, iface string, first, last int64) (View, error) {
	v, err := s.View(ctx, iface, first, last)
	return storedView{v}, err
}

type storedView struct{ *store.View }

func (v storedView) Segments() []*segment.Reader { return v.View.Segments }

func (v storedView) Scan(ctx context.Context, visit Visit) (ScanStats, error) {
	stats, err := v.ScanLogs(ctx, visit)
	stats.Add(v.Stats)
	return stats, err
}

func (s stored) Interfaces(context.Context) ([]string, error) { return s.Store.Interfaces() }

func (s stored) Coverage(_ context.Context, iface string) (first, last int64, err error) {
	return s.Store.Coverage(iface)
}

// Config bounds what one query may use.
type Config struct {
	// MaxGroups is the greatest number of groups that may have to be kept at a time, about 150 bytes each: rows of
	// the answer, the bins of the groups of a series, and all groups of rows that are in no segment. Other groups are
	// summed, ranked and forgotten. A query that needs more gets a *wire.LimitError.
	MaxGroups int
	// Memory bounds the bytes for summing up segments, decoded chunks included; 0: the default. Where all groups do
	// not fit, segments are read in several passes, at most 64; a query that needs more gets a *wire.LimitError.
	// Beside it stand the dictionaries: 4 bytes for each address of each segment.
	Memory int64
	// Parallel is how many processors a query uses; 0: all of them.
	Parallel int

	alwaysSparse, neverSparse bool // for tests
}

// DefaultConfig returns the defaults: about 160 MiB for the greatest answer, and as much for its making.
func DefaultConfig() Config { return Config{MaxGroups: 1 << 20, Memory: 160 << 20} }

// sparse says that so many tuples are not worth the reading of so many addresses.
func (c *Config) sparse(tuples, codes int64) bool {
	return !c.neverSparse && tuples*4 < codes || c.alwaysSparse
}

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
	if cfg.Memory < 0 || cfg.Parallel < 0 {
		return nil, fmt.Errorf("query engine: memory %d, parallel %d: must not be negative", cfg.Memory, cfg.Parallel)
	}
	if cfg.Memory == 0 {
		cfg.Memory = DefaultConfig().Memory
	}
	if cfg.Parallel == 0 {
		cfg.Parallel = min(runtime.GOMAXPROCS(0), runtime.NumCPU()) // the first may be more
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
	return e.QueryReporting(ctx, q, nil)
}

// QueryReporting is Query for whoever waits: report is told about every hundredth of the work, by one goroutine at a
// time.
func (e *Engine) QueryReporting(ctx context.Context, q *wire.Query, report func(Progress)) (*wire.Result, error) {
	start := e.deps.Now()
	r := e.newRun(q, q.First, q.Last)
	r.progress.report = report
	defer r.close()
	if err := r.selectInterfaces(ctx); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	r.keepNamed()
	if err := r.collectAll(ctx, start); err != nil {
		return nil, err
	}
	result, err := r.answer(ctx)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	result.Summary.Timings = wire.Timings{QueryStart: start, Duration: e.deps.Now().Sub(start), Resolution: q.Resolution}
	r.status(ctx, result)
	return result, nil
}

// run is the state of one query, or of its earlier span.
type run struct {
	engine      *Engine
	query       *wire.Query
	first, last int64
	shape       shape
	hostLabels  wire.HostLabels  // those that the query groups by
	keep        map[key]struct{} // groups without their time that count; nil: all
	known       []string         // interfaces there are
	interfaces  []string         // those selected
	views       []View
	opened      []opened
	readBefore  []int64 // by opened: bytes that were read for others, or are accounted for
	readHere    []int64 // by opened: bytes that are accounted for
	groups      *groups // of rows that are in no segment
	covered     covered
	foldedSum   foldedSum
	seen        map[key]seenSpan // of groups of rows that are in no segment; nil: not asked for
	seenAll     bool             // seen has all groups
	steps       []*part
	unsegmented []wire.ExplainStep // what was looked at that is in no segment
	earlier     *wire.Explain      // of the span that is compared with
	progress    progress
	doubts      *doubts // shared with the runs that this one starts

	mu    sync.Mutex // guards what follows while segments are read
	stats ScanStats
	lost  map[lostChunk]struct{}
}

func (e *Engine) newRun(q *wire.Query, first, last int64) *run {
	r := &run{engine: e, query: q, first: first, last: last, shape: shapeOf(q), groups: newGroups(e.cfg.MaxGroups), doubts: &doubts{}}
	r.hostLabels = wire.HostLabelsOf(r.shape.labels, func(name string) string { return e.deps.Labels[name] })
	if q.Seen {
		r.seen = make(map[key]seenSpan)
	}
	return r
}

func (r *run) close() {
	for _, v := range r.views {
		v.Close()
	}
}

// collectAll opens the segments of the interfaces and sums up the rows that are in none.
func (r *run) collectAll(ctx context.Context, now time.Time) error {
	for i, iface := range r.interfaces {
		if err := r.collect(ctx, uint16(i), iface, now); err != nil {
			return fmt.Errorf("query %s: %w", iface, err)
		}
	}
	return nil
}
