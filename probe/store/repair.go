package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weirflow/weir/probe/segment"
	"github.com/weirflow/weir/probe/vfs"
)

// damagedSuffix is what repair puts behind the name of a file that it sets aside.
const damagedSuffix = ".damaged"

// Repaired is a file that was repaired, or would be.
type Repaired struct {
	File     string // path from the store's root
	Aside    string // the name it has now, beside where it was
	Cause    string // what is wrong with it
	Salvaged uint64 // rows that are in another file now
	Lost     uint64 // rows that are not, as far as that is known
}

func (r Repaired) String() string {
	return fmt.Sprintf("%s: %s: %d rows salvaged, %d lost; the file is %s now", r.File, r.Cause, r.Salvaged, r.Lost, r.Aside)
}

// Repair sets aside the damaged files of an interface, having brought what can be read of them into new segments. It
// deletes nothing: what it sets aside stays, under a name that is not read, until retention takes its day. A dry run says
// what would be set aside. An error ends it; what was repaired until then stays so.
func (s *Store) Repair(ctx context.Context, iface string, dryRun bool, visit func(Repaired)) error {
	if s.lock == nil && !dryRun {
		return ErrReadOnly
	}
	files, err := s.listFiles(iface, 0, endOfTime)
	for i := 0; err == nil && i < len(files); i++ {
		if i == 0 || files[i-1].day != files[i].day {
			err = s.repairDay(ctx, iface, files[i].day, dryRun, visit)
		}
	}
	if err != nil {
		return fmt.Errorf("repair %s: %w", iface, err)
	}
	return nil
}

// repairer repairs a day.
type repairer struct {
	daily
	dryRun bool
	visit  func(Repaired)
}

func (s *Store) repairDay(ctx context.Context, iface string, d day, dryRun bool, visit func(Repaired)) error {
	defer s.maintain(iface)()
	r := repairer{daily: daily{store: s, iface: iface, day: d, report: &CompactReport{}, settled: dryRun}, dryRun: dryRun, visit: visit}
	if err := r.load(); err != nil {
		return err
	}
	defer func() { s.closeDay(&r.parts) }()
	if err := r.log(ctx); err != nil {
		return err
	}
	if err := r.segments(ctx); err != nil {
		return err
	}
	return r.unreadable(ctx)
}

// log brings the readable blocks of a damaged log into segments, and sets it aside.
func (r *repairer) log(ctx context.Context) error {
	log := r.parts.log
	if log == nil {
		return nil
	}
	bad, lost := "", uint64(0)
	if len(log.index.damage) > 0 {
		bad = log.index.damage[0].Cause
	}
	for i := range log.blocks {
		if err := verifyPayload(ctx, log.file, &log.blocks[i]); err != nil {
			if ctx.Err() != nil {
				return err
			}
			bad, lost = cause(err), lost+uint64(log.blocks[i].rows)
		}
	}
	if bad == "" {
		return nil
	}
	found := Repaired{File: log.name, Cause: bad, Lost: lost}
	for i := range log.blocks {
		found.Salvaged += uint64(log.blocks[i].rows)
	}
	found.Salvaged -= lost
	if !r.dryRun {
		if err := r.compactLog(ctx, false); err != nil {
			return err
		}
	}
	a := r.store.appender(r.iface)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file != nil && a.day == r.day && !r.dryRun {
		if err := a.close(); err != nil {
			return err
		}
	}
	return r.aside(filepath.Join(r.dir, r.day.fileName()), found)
}

// segments salvages what can be read of damaged segments and of those that share blocks with others.
func (r *repairer) segments(ctx context.Context) error {
	salvaged := false
	for _, o := range r.parts.segments {
		var first error
		if o.reader.Verify(func(e *segment.DamageError) {
			if first == nil {
				first = e
			}
		}) {
			continue
		}
		if err := r.segment(ctx, o, nil, 0, cause(first)); err != nil {
			return err
		}
		salvaged = true
	}
	if salvaged && !r.dryRun { // what clashes may clash with what was saved
		if err := r.load(); err != nil {
			return err
		}
	}
	return r.clashing(ctx)
}

// segment salvages a segment, save for some ends of intervals, and sets it aside. Of the rows there, so many are nowhere else.
func (r *repairer) segment(ctx context.Context, o *openSegment, leave map[int64]bool, lost int64, why string) error {
	found := Repaired{File: r.store.relative(o.path), Cause: why, Lost: uint64(o.reader.Rows())}
	s, err := openSalvage(o.reader, leave)
	if err == nil {
		found.Salvaged = s.rows
		found.Lost = uint64(o.reader.Rows()) - min(s.rows+s.elsewhere, uint64(o.reader.Rows())) + uint64(lost)
		if len(s.blocks) > 0 && !r.dryRun {
			err := r.make(ctx, r.last+1, o.listed.size, func(f vfs.File) (segment.Info, error) {
				return s.write(ctx, f, r.iface, r.day)
			})
			if err != nil {
				return err
			}
		}
	}
	return r.aside(o.path, found)
}

// unreadable sets aside the files that cannot be opened, and segments that do not say what was merged into them: of these
// it salvages what nothing else has. Files of another version, and of somebody
// else, are whole for who can read them, and stay.
func (r *repairer) unreadable(ctx context.Context) error {
	done := map[string]bool{}
	for _, o := range r.parts.clashing {
		done[r.store.relative(o.path)] = true
	}
	for _, d := range r.parts.unreadable {
		if done[d.File] {
			continue
		}
		path := filepath.Join(r.store.root, d.File)
		err := errors.ErrUnsupported
		notDamaged := func(why error) bool { return strings.Contains(d.Cause, why.Error()) }
		if slices.ContainsFunc([]error{errFutureVersion, segment.ErrVersion, fs.ErrPermission}, notDamaged) {
			continue
		}
		if _, number, ok := parseSegmentName(filepath.Base(path)); ok {
			var o *openSegment
			if o, err = r.store.acquireSegment(r.iface, path, dataFile{name: filepath.Base(path), day: r.day, segment: true, number: number, size: d.Bytes}); err == nil {
				err = r.segment(ctx, o, r.ends(), 0, d.Cause)
				r.store.readers.release(o)
				if err != nil {
					return err
				}
			}
		}
		if err != nil {
			if err := r.aside(path, Repaired{File: d.File, Cause: d.Cause}); err != nil {
				return err
			}
		}
	}
	return nil
}

// ends are those of all intervals of the day that can be read.
func (r *repairer) ends() map[int64]bool {
	ends := map[int64]bool{}
	v := View{days: []dayParts{r.parts}}
	for _, intervals := range v.intervals() {
		for i := range intervals {
			ends[intervals[i].End] = true
		}
	}
	return ends
}

// aside gives a file a name under which it is not read, durably.
func (r *repairer) aside(path string, found Repaired) error {
	name := path + damagedSuffix
	for i := 2; ; i++ {
		if _, err := r.store.files.Stat(name); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return err
		}
		name = fmt.Sprintf("%s%s%d", path, damagedSuffix, i)
	}
	found.Aside = filepath.Base(name)
	if !r.dryRun {
		if err := r.store.files.Rename(path, name); err != nil {
			return err
		}
		r.store.readers.forget(path)
		if err := r.store.files.SyncDir(r.dir); err != nil {
			return err
		}
		r.store.log.Warn("set a damaged file aside", "file", found.File, "as", found.Aside, "cause", found.Cause,
			"salvaged", found.Salvaged, "lost", found.Lost)
	}
	r.visit(found)
	return nil
}
