package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// When a log is compacted. An hour, or a day, is over some time after its end, since what was counted in it takes a
// moment to arrive; a log of a past day that is still written to, late data or an import, is left alone until it rests.
const (
	hourGrace = 2 * time.Minute
	dayGrace  = 10 * time.Minute
	// maxParts is how many parts the current day may have before they are merged into one.
	maxParts = 48
)

// mergeBytes bounds what compaction holds of the blocks of a log at a time, to bring them into the order of keys. A log
// with more becomes several parts.
const mergeBytes = 96 << 20

// CompactOptions say how much is compacted.
type CompactOptions struct {
	// All compacts every log at once, that of the current hour too, instead of what is over.
	All bool
	// Interfaces to compact; none: all.
	Interfaces []string
	// Progress is told of each day of an interface that is done; nil: nobody is.
	Progress func(CompactProgress)
}

// CompactProgress is how far a compaction is: days of interfaces.
type CompactProgress struct {
	Interface, Day string
	Done, Total    int
	Rows           uint64 // merged so far
}

// CompactReport says what a compaction did.
type CompactReport struct {
	Segments     int    // made
	Removed      int    // files that went, as others hold all of theirs
	Rows         uint64 // in the segments made
	BytesRead    int64  // of the files that went in
	BytesWritten int64
	// Faults name the days that could not be compacted, or not in whole; everything in them stays as it was.
	Faults []error
}

func (r *CompactReport) add(o CompactReport) {
	r.Segments += o.Segments
	r.Removed += o.Removed
	r.Rows += o.Rows
	r.BytesRead += o.BytesRead
	r.BytesWritten += o.BytesWritten
	r.Faults = append(r.Faults, o.Faults...)
}

// Compact turns logs into segments: those of closed hours into parts of the day, and all of a day that is over into
// one. Each step makes a new file durable before it removes what went in, so that it may be stopped anywhere; the next
// run goes on. An error is that of the context or of listing the store; what keeps one day from being compacted stands
// in the report.
func (s *Store) Compact(ctx context.Context, o CompactOptions) (report CompactReport, err error) {
	if s.lock == nil {
		return report, ErrReadOnly
	}
	names := o.Interfaces
	if len(names) == 0 {
		if names, err = s.Interfaces(); err != nil {
			return report, fmt.Errorf("compact store %s: %w", s.root, err)
		}
	}
	for _, iface := range names {
		if err := s.removeUnfinished(iface); err != nil {
			return report, fmt.Errorf("compact store %s: %w", s.root, err)
		}
	}
	c := compaction{store: s, options: o, now: s.now()}
	if err := c.plan(names); err != nil {
		return report, fmt.Errorf("compact store %s: %w", s.root, err)
	}
	for i, u := range c.units {
		if err := ctx.Err(); err != nil {
			return report, err
		}
		one, err := c.unit(ctx, u)
		report.add(one)
		if ctx.Err() != nil {
			return report, ctx.Err()
		}
		if err != nil {
			report.Faults = append(report.Faults, fmt.Errorf("compact %s of %s: %w", u.day, u.iface, err))
			s.kept.compactionFailures.Add(1)
		}
		if o.Progress != nil {
			o.Progress(CompactProgress{Interface: u.iface, Day: u.day.String(), Done: i + 1, Total: len(c.units), Rows: report.Rows})
		}
	}
	return report, nil
}

// CompactPlan is what a compaction would go through.
type CompactPlan struct {
	Days  int   // of interfaces, that have logs or several files
	Files int   // of these days
	Bytes int64 // in them
}

// CompactPlan says what Compact with All would go through, of the interfaces named, without names of all. It changes
// nothing, and the store may be open for reading only.
func (s *Store) CompactPlan(interfaces []string) (plan CompactPlan, err error) {
	names := interfaces
	if len(names) == 0 {
		if names, err = s.Interfaces(); err != nil {
			return plan, fmt.Errorf("compact store %s: %w", s.root, err)
		}
	}
	c := compaction{store: s, now: s.now()}
	if err := c.plan(names); err != nil {
		return plan, fmt.Errorf("compact store %s: %w", s.root, err)
	}
	for _, u := range c.units {
		files, err := s.listFiles(u.iface, u.day, u.day)
		if err != nil {
			return plan, fmt.Errorf("compact store %s: %w", s.root, err)
		}
		if len(files) == 1 && files[0].segment && !c.ended(u.day) {
			continue // a part of a day that is not over
		}
		plan.Days++
		plan.Files += len(files)
		for _, f := range files {
			plan.Bytes += f.size
		}
	}
	return plan, nil
}

// compaction is one run.
type compaction struct {
	store   *Store
	options CompactOptions
	now     time.Time
	units   []dayUnit
}

// dayUnit is a day of an interface that may have something to compact.
type dayUnit struct {
	iface string
	day   day
}

// plan lists the days that are not one segment yet, oldest first.
func (c *compaction) plan(names []string) error {
	for _, iface := range names {
		files, err := c.store.listFiles(iface, 0, endOfTime)
		if err != nil {
			return err
		}
		for i, f := range files {
			whole := f.segment && f.number == 0
			if n := len(c.units); n > 0 && c.units[n-1] == (dayUnit{iface, f.day}) {
				continue
			}
			if !whole || i+1 < len(files) && files[i+1].day == f.day {
				c.units = append(c.units, dayUnit{iface, f.day})
			}
		}
	}
	slices.SortStableFunc(c.units, func(a, b dayUnit) int { return int(a.day - b.day) })
	return nil
}

// removeUnfinished removes segments that were being made when the writer died.
func (s *Store) removeUnfinished(iface string) error {
	defer s.maintain(iface)()
	dir, err := s.interfacePath(iface)
	if err != nil {
		return err
	}
	return s.eachFile(iface, func(e fs.DirEntry) error {
		if name, ok := strings.CutSuffix(e.Name(), tempSuffix); ok {
			if _, _, ok := parseSegmentName(name); ok {
				return s.files.Remove(dir + "/" + e.Name())
			}
		}
		return nil
	})
}

// unit compacts a day of an interface.
func (c *compaction) unit(ctx context.Context, u dayUnit) (report CompactReport, err error) {
	s := c.store
	defer s.maintain(u.iface)()
	if s.closed.Load() {
		return report, errClosed
	}
	d := daily{store: s, iface: u.iface, day: u.day, report: &report}
	if err := d.load(); err != nil {
		return report, err
	}
	defer func() { s.closeDay(&d.parts) }()
	if err := d.tidy(); err != nil {
		return report, err
	}
	ended := c.ended(u.day)
	if log := d.parts.log; log != nil && c.due(log, ended) {
		if err := d.compactLog(ctx, ended); err != nil {
			return report, err
		}
	}
	return report, d.mergeParts(ctx, ended)
}

// ended says that a day is over, and so long that nothing more is expected.
func (c *compaction) ended(d day) bool {
	return c.now.Unix() >= (int64(d)+1)*secondsPerDay+int64(dayGrace/time.Second)
}

// due says whether a log is to be compacted now.
func (c *compaction) due(log *openLog, ended bool) bool {
	if c.options.All {
		return true
	}
	if ended {
		return c.now.Sub(time.Unix(0, log.listed.changed)) >= dayGrace
	}
	closed := (c.now.Unix() - int64(hourGrace/time.Second)) / 3600 * 3600
	return len(log.blocks) > 0 && log.blocks[0].interval.End <= closed
}

// errNoRoom means that a segment was not made because it might not fit.
var errNoRoom = errors.New("not enough room on the disk")
