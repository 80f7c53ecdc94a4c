package query

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
	tracing "github.com/weirflow/weir/pkg/span"
	"github.com/weirflow/weir/pkg/wire"
)

// checkEvery is the number of rows after which the context is looked at.
const checkEvery = 1 << 14

// selectInterfaces finds the interfaces there are, stored or live, and those that are asked for.
func (r *run) selectInterfaces(ctx context.Context) (err error) {
	if r.known, err = r.engine.deps.Stored.Interfaces(ctx); err != nil {
		return err
	}
	if r.live() {
		live, err := r.engine.deps.Live.Interfaces(ctx)
		if err != nil {
			return err
		}
		r.known = slices.Concat(r.known, live)
	}
	r.known = slices.Compact(slices.Sorted(slices.Values(r.known)))
	r.interfaces = r.query.Interfaces.Select(r.known)
	if len(r.interfaces) > math.MaxUint16 {
		return &wire.LimitError{What: "interfaces", Limit: math.MaxUint16, Remedy: "name those that matter"}
	}
	return nil
}

func (r *run) live() bool { return r.query.Live && r.engine.deps.Live != nil }

// liveInterval is an interval of the live source, copied.
type liveInterval struct {
	interval flow.Interval
	records  []flow.Record
	stored   bool // the store has it by now
}

// collect opens the segments of an interface and adds its other rows. The live source is read first, so that an
// interval which is written in the meantime is in the store; where it is, the live copy is dropped.
func (r *run) collect(ctx context.Context, index uint16, iface string, now time.Time) (err error) {
	ctx, s := tracing.Start(ctx, "interface")
	s.Text("iface", iface)
	defer func() { s.End(err) }()
	live, err := r.collectLive(ctx, iface)
	if err != nil {
		return err
	}
	if r.live() {
		r.last = r.storedLast(now)
	}
	seen := func(interval flow.Interval) {
		for i := range live {
			l := &live[i].interval
			live[i].stored = live[i].stored || l.Boot == interval.Boot && l.Sequence == interval.Sequence
		}
		r.cover(index, interval, interval.End)
	}
	add := r.adder(ctx, index, iface)
	stats, err := r.scanStored(ctx, index, iface, seen, func(interval flow.Interval, records []flow.Record) error {
		seen(interval)
		return add(interval, records)
	})
	ofLog := stats.BytesRead + stats.BytesBeside
	stats.BytesRead, stats.BytesBeside, stats.BytesOpened = ofLog+stats.BytesOpened, 0, 0
	r.stats.Add(stats)
	if err != nil {
		return err
	}
	r.looked(iface+" log", "in no segment yet", stats.Blocks, int64(stats.Rows), ofLog)
	for i := range live {
		if live[i].stored {
			continue
		}
		if err := add(live[i].interval, live[i].records); err != nil {
			return err
		}
		r.looked(iface+" live", "counted now, in memory", 1, int64(len(live[i].records)), 0)
		r.cover(index, live[i].interval, min(live[i].interval.End, now.Unix()))
	}
	return nil
}

// scanStored visits the stored rows of an interface, those in segments excepted, whose blocks are seen only.
func (r *run) scanStored(ctx context.Context, index uint16, iface string, seen func(flow.Interval), visit Visit) (ScanStats, error) {
	viewer, ok := r.engine.deps.Stored.(Viewer)
	if !ok {
		return r.engine.deps.Stored.Scan(ctx, iface, r.first, r.last, visit)
	}
	view, err := viewer.Open(ctx, iface, r.first, r.last)
	if err != nil {
		return ScanStats{}, err
	}
	r.views = append(r.views, view)
	for _, s := range view.Segments() {
		before := s.BytesRead() - s.Opening()
		blocks, err := s.Blocks()
		if err != nil {
			r.stats.BytesRead += uint64(s.BytesRead() - before)
			r.lose(s, -1, err)
			continue
		}
		r.opened = append(r.opened, opened{s, index})
		r.readBefore, r.readHere = append(r.readBefore, before), append(r.readHere, 0)
		r.stats.Files++
		for _, block := range blocks {
			if block.End >= r.first && block.End <= r.last {
				r.stats.Blocks++
				seen(block)
			}
		}
	}
	return view.Scan(ctx, visit)
}

// collectLive copies the live intervals into which the query reaches: those that start before Last and do not end
// before First.
func (r *run) collectLive(ctx context.Context, iface string) (live []liveInterval, err error) {
	if !r.live() {
		return nil, nil
	}
	last := r.query.Last
	if reach := last + int64(r.engine.deps.Interval/time.Second) - 1; reach > last {
		last = reach
	}
	stats, err := r.engine.deps.Live.Scan(ctx, iface, r.query.First, last, func(interval flow.Interval, records []flow.Record) error {
		live = append(live, liveInterval{interval: interval, records: slices.Clone(records)})
		return nil
	})
	r.stats.Add(stats)
	return live, err
}

// storedLast is the last interval end that a live query selects from the store: where Last reaches into the
// interval that was current when the query started, that one belongs to the answer even if it was written since.
func (r *run) storedLast(now time.Time) int64 {
	length := max(int64(r.engine.deps.Interval/time.Second), 1)
	end := (now.Unix()/length + 1) * length
	if r.query.Last > end-length {
		return max(r.query.Last, end)
	}
	return r.query.Last
}

// adder returns the function that filters the rows of an interface and adds them to their groups.
func (r *run) adder(ctx context.Context, index uint16, iface string) Visit {
	matcher := r.query.Matcher
	row := filter.Row{Interface: iface, Host: r.engine.deps.Host, HostID: r.engine.deps.HostID, Labels: r.engine.deps.Labels}
	return func(interval flow.Interval, records []flow.Record) error {
		stamp := r.binEnd(interval.End)
		for i := range records {
			if i%checkEvery == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			record := &records[i]
			if record.Key.Folded() {
				r.foldedSum.add(index, interval.End, record.Counters)
			}
			if matcher != nil {
				row.Key, row.Counters = record.Key, record.Counters
				if !matcher.Row(&row) {
					continue
				}
			}
			k := r.shape.key(record, index, stamp)
			if r.keep != nil {
				if _, ok := r.keep[k.whole()]; !ok {
					continue
				}
			}
			if err := r.groups.add(k, record.Counters); err != nil {
				return err
			}
			if r.seen != nil {
				s := r.seen[k]
				s.add(interval.End)
				r.seen[k] = s
			}
		}
		return nil
	}
}
