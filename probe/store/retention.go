package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// Retention says how much is kept. Whole UTC days go, all interfaces of a day at once, the oldest first, and never
// the current day. A zero value sets no bound.
type Retention struct {
	// MaxAge of what is kept, such as 400d; 0 keeps it for ever. It counts back from the last full day with data, so
	// that neither a clock that is wrong for a day nor a host that was off deletes anything.
	MaxAge Age `yaml:"max_age"`
	// MaxBytes that the store may take, such as 50GB; 0 for no bound.
	MaxBytes Bytes `yaml:"max_bytes"`
	// MinFree is what stays free on the disk, such as 1GiB; 0 for no bound. Below it the oldest days go, at least one
	// at a time and no more than this store's share of what is used there.
	MinFree Bytes `yaml:"min_free"`
}

// DefaultRetention keeps a year and a bit, so that this month can be compared with the same one a year ago, and does
// not fill the disk.
func DefaultRetention() Retention { return Retention{MaxAge: 400 * dayLength, MinFree: 1 << 30} }

// Validate says everything that is wrong.
func (r Retention) Validate() error {
	var faults []error
	if r.MaxAge < 0 || r.MaxAge > 0 && r.MaxAge < dayLength {
		faults = append(faults, fmt.Errorf("max_age is %v: at least 1d, or 0 for no bound", r.MaxAge))
	}
	if r.MaxBytes < 0 || r.MinFree < 0 {
		faults = append(faults, errors.New("max_bytes and min_free must not be negative"))
	}
	return errors.Join(faults...)
}

// Why a day goes.
const (
	reasonAge   = "older than max_age"
	reasonBytes = "the store takes more than max_bytes"
	reasonFree  = "less than min_free is free on the disk"
)

// PrunedDay is a day that went, or would go.
type PrunedDay struct {
	Day    string // YYYY-MM-DD
	Files  int
	Bytes  int64
	Reason string
}

// PruneReport says what a pass of retention did, or would do.
type PruneReport struct {
	Days         []PrunedDay
	Bytes        int64 // in them
	KeptDays     int
	KeptBytes    int64
	Insufficient string // the bound that is not met although all but the current day went; empty if all are
}

// dayUsage is what the files of a day take, over all interfaces.
type dayUsage struct {
	day   day
	files int
	bytes int64
}

// Prune deletes the days that the retention does not keep. A dry run says which they are. Nobody sees a day in part:
// from the moment its first file goes, the day is gone for readers, also of other processes and after a crash.
func (s *Store) Prune(ctx context.Context, dryRun bool) (PruneReport, error) {
	if s.lock == nil && !dryRun {
		return PruneReport{}, ErrReadOnly
	}
	s.maintenance.Lock()
	defer s.maintenance.Unlock()
	report, err := s.prune(ctx, dryRun)
	if err != nil {
		return report, fmt.Errorf("prune store %s: %w", s.root, err)
	}
	return report, nil
}

// prune is Prune; s.maintenance is held.
func (s *Store) prune(ctx context.Context, dryRun bool) (PruneReport, error) {
	if s.closed.Load() {
		return PruneReport{}, errClosed
	}
	usage, err := s.usage()
	if err != nil {
		return PruneReport{}, err
	}
	report, until, err := s.planPrune(usage)
	if err != nil || dryRun || len(report.Days) == 0 {
		return report, err
	}
	if err := ctx.Err(); err != nil {
		return PruneReport{}, err
	}
	if err := s.removeDays(until); err != nil {
		return PruneReport{}, err
	}
	for _, d := range report.Days {
		s.log.Info("deleted a day of flows", "day", d.Day, "files", d.Files, "bytes", d.Bytes, "reason", d.Reason)
	}
	s.kept.prunedDays.Add(uint64(len(report.Days)))
	s.kept.prunedBytes.Add(uint64(report.Bytes))
	return report, nil
}

// usage sums the files up by day, oldest first.
func (s *Store) usage() ([]dayUsage, error) {
	names, err := s.Interfaces()
	if err != nil {
		return nil, err
	}
	days := map[day]dayUsage{}
	for _, name := range names {
		files, err := s.allFiles(name)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			u := days[f.day]
			days[f.day] = dayUsage{f.day, u.files + 1, u.bytes + f.size}
		}
	}
	return slices.SortedFunc(maps.Values(days), func(a, b dayUsage) int { return cmp.Compare(a.day, b.day) }), nil
}

// planPrune chooses the days to go: all up to one day, which it returns.
func (s *Store) planPrune(usage []dayUsage) (report PruneReport, until day, err error) {
	own := int64(0)
	for _, u := range usage {
		own += u.bytes
	}
	owed, err := s.owed(own)
	if err != nil {
		return report, 0, err
	}
	now := s.now()
	current := day(now.Unix() / secondsPerDay)
	oldestKept := oldestByAge(usage, s.retention.MaxAge, now)
	report.KeptBytes, report.KeptDays = own, len(usage)
	for _, u := range usage {
		var reason string
		switch {
		case u.day < oldestKept:
			reason = reasonAge
		case s.retention.MaxBytes > 0 && report.KeptBytes > int64(s.retention.MaxBytes):
			reason = reasonBytes
		case owed > report.Bytes:
			reason = reasonFree
		default:
			return report, until, nil
		}
		if u.day >= current {
			if reason != reasonAge {
				report.Insufficient = reason
			}
			return report, until, nil
		}
		until = u.day
		report.Days = append(report.Days, PrunedDay{Day: u.day.String(), Files: u.files, Bytes: u.bytes, Reason: reason})
		report.Bytes += u.bytes
		report.KeptBytes -= u.bytes
		report.KeptDays--
	}
	return report, until, nil
}

// oldestByAge is the oldest day that is young enough. Age counts from the end of the last but one day with data, or
// from now if that is earlier: where a clock was wrong for some time, one day far off is all there is to see of it.
func oldestByAge(usage []dayUsage, age Age, now time.Time) day {
	if age <= 0 || len(usage) < 2 {
		return -1
	}
	reference := min(now.Unix(), (int64(usage[len(usage)-2].day)+1)*secondsPerDay)
	return day(max((reference-int64(time.Duration(age)/time.Second))/secondsPerDay, 0))
}

// owed is how many bytes this store has to give so that min_free is met again: of what is missing, the part that is
// its share of all that is used on the disk. So several stores on a disk, and whatever else is there, do not
// have the first one that looks pay for all; each gives in proportion, and looks again after some time. The goal lies a
// little above the bound, so that there is some peace between two passes.
func (s *Store) owed(own int64) (int64, error) {
	bound := int64(s.retention.MinFree)
	if bound == 0 {
		return 0, nil
	}
	space, err := s.files.Space(s.root)
	if errors.Is(err, errors.ErrUnsupported) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find out what is free on the disk: %w", err)
	}
	free, used := int64(space.Free), int64(space.Total-space.Free)
	if free >= bound || used <= 0 {
		return 0, nil
	}
	missing := float64(bound + bound/16 - free)
	return max(int64(missing*min(float64(own)/float64(used), 1)), 1), nil
}

// removeDays deletes all files of all days up to and including until. Appends wait meanwhile.
func (s *Store) removeDays(until day) error {
	s.pruning.Lock()
	defer s.pruning.Unlock()
	if err := s.raiseHorizon(until); err != nil {
		return err
	}
	return s.finishRemoval(until)
}

// finishRemoval deletes what is behind the horizon, and then the horizon. s.pruning is held, or the store is being
// opened.
func (s *Store) finishRemoval(until day) error {
	names, err := s.Interfaces()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.removeFiles(name, until); err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
	}
	if err := s.files.SyncDir(s.interfacesPath()); err != nil {
		return err
	}
	return s.dropHorizon(until)
}

// removeFiles deletes the files of an interface up to a day, and its directory if nothing else is in it.
func (s *Store) removeFiles(iface string, until day) error {
	dir, err := s.interfacePath(iface)
	if err != nil {
		return err
	}
	files, err := s.allFiles(iface)
	if err != nil {
		return err
	}
	a := s.appender(iface)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file != nil && a.day <= until+1 { // what it knows of the day before is not true any more
		if err := a.close(); err != nil {
			return err
		}
	}
	removed := 0
	for _, f := range files {
		if f.day > until {
			continue
		}
		if err := s.files.Remove(filepath.Join(dir, f.name)); err != nil {
			return err
		}
		s.readers.forget(filepath.Join(dir, f.name))
		removed++
	}
	for d := range a.cut {
		if d <= until {
			delete(a.cut, d)
		}
	}
	if removed == 0 {
		return nil
	}
	if err := s.files.SyncDir(dir); err != nil {
		return err
	}
	if removed == len(files) && a.file == nil {
		_ = s.files.Remove(dir) // it stays where something is in it that is not ours
	}
	return nil
}
