package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
)

// View is what the store has of an interface in a span, as it was at one moment: every block is in exactly one of
// Segments or among those that ScanLogs visits. It stays readable while the files behind it are compacted or deleted.
// It is for one goroutine, save for its segments, which any number may read at once.
type View struct {
	// Segments may hold rows of the span, and rows outside of it. They belong to the view.
	Segments []*segment.Reader
	// Stats names what could not be opened, and counts what was opened in vain. What the segments say is damaged comes
	// from them.
	Stats ScanStats

	store       *Store
	iface       string
	first, last int64
	days        []dayParts
	unreadable  []Damage // all of it
	superseded  int
	closed      sync.Once
}

// listAttempts bounds how often files are listed again because they changed meanwhile.
const listAttempts = 20

// View opens what there is with first <= End <= last. The caller closes it.
func (s *Store) View(ctx context.Context, iface string, first, last int64) (*View, error) {
	v := &View{store: s, iface: iface, first: max(first, 1), last: min(last, maxEnd)}
	if v.first > v.last {
		return v, nil
	}
	for range listAttempts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		done, err := v.open(ctx)
		if err != nil {
			return nil, fmt.Errorf("open view of %s: %w", iface, err)
		}
		if done {
			return v, nil
		}
	}
	return nil, fmt.Errorf("open view of %s: its files change all the time", iface)
}

// open lists and opens the files. It is not done if they changed meanwhile: then what was opened may lack blocks that
// were moved from one file to another.
func (v *View) open(ctx context.Context) (done bool, err error) {
	defer func() {
		if !done {
			v.release()
		}
	}()
	from, to := dayOf(v.first), dayOf(v.last)
	files, err := v.store.listFiles(v.iface, from, to)
	if err != nil {
		return false, err
	}
	for rest := files; len(rest) > 0; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		n := slices.IndexFunc(rest, func(f dataFile) bool { return f.day != rest[0].day })
		if n < 0 {
			n = len(rest)
		}
		parts, err := v.store.openDay(v.iface, rest[:n])
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		v.add(parts)
		rest = rest[n:]
	}
	again, err := v.store.listFiles(v.iface, from, to)
	return err == nil && slices.EqualFunc(files, again, sameFile), err
}

// sameFile says that a file is there as it was; logs may have grown.
func sameFile(a, b dataFile) bool {
	return a == b || !a.segment && a.name == b.name
}

// add takes in a day.
func (v *View) add(p dayParts) {
	for _, o := range slices.Concat(p.superseded, p.clashing) {
		v.Stats.BytesOpened += uint64(o.reader.Opening())
		v.store.readers.release(o)
	}
	v.superseded += len(p.superseded)
	p.superseded, p.clashing = nil, nil
	kept := p.segments[:0]
	for _, o := range p.segments {
		if m := o.reader.Meta(); m.Last < v.first || m.First > v.last {
			v.Stats.BytesOpened += uint64(o.reader.Opening())
			v.store.readers.release(o)
			continue
		}
		kept = append(kept, o)
	}
	p.segments = kept
	v.unreadable = append(v.unreadable, p.unreadable...)
	for _, d := range p.unreadable {
		v.Stats.lose(d)
	}
	v.Segments = append(v.Segments, readersOf(p.segments)...)
	if len(p.segments) > 0 || p.log != nil {
		v.days = append(v.days, p)
	}
}

// release gives everything back, to begin anew or for good.
func (v *View) release() {
	for i := range v.days {
		v.store.closeDay(&v.days[i])
	}
	v.days, v.Segments, v.Stats, v.unreadable, v.superseded = nil, nil, ScanStats{}, nil, 0
}

// Close gives the files back. It may be called again.
func (v *View) Close() { v.closed.Do(v.release) }

// ScanLogs visits the blocks of the span that are in none of the segments: day by day, within a day by End, parts
// with the same End as they were written. Damage is counted and no error; an error comes from the context or from visit.
func (v *View) ScanLogs(ctx context.Context, visit Visit) (ScanStats, error) {
	r := v.reader(visit)
	for i := range v.days {
		if v.days[i].log == nil {
			continue
		}
		log := r.openedLog(v.days[i].log)
		before := r.stats.Blocks
		for j := range log.blocks {
			if err := r.visitBlock(ctx, log.file, log.name, &log.blocks[j]); err != nil {
				return r.stats, err
			}
		}
		r.stats.BytesBeside += log.index.read - (r.stats.Blocks-before)*BlockHeaderSize // which are in BytesRead
	}
	return r.stats, nil
}

func (v *View) reader(visit Visit) *reader {
	return &reader{first: v.first, last: v.last, visit: visit}
}

// intervals are the blocks of the view, by source.
func (v *View) intervals() (all [][]flow.Interval) {
	for i := range v.days {
		for _, o := range v.days[i].segments {
			if blocks, err := o.reader.Blocks(); err == nil {
				all = append(all, blocks)
			}
		}
		if log := v.days[i].log; log != nil {
			intervals := make([]flow.Interval, len(log.blocks))
			for j := range log.blocks {
				intervals[j] = log.blocks[j].interval
			}
			all = append(all, intervals)
		}
	}
	return all
}
