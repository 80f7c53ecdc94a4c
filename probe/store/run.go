package store

import (
	"context"
	"fmt"
	"time"

	"github.com/weirflow/weir/internal/background"
)

const (
	// compactEvery is how often Run looks whether an hour or a day is over.
	compactEvery = time.Minute
	// pruneEvery is how often it looks at the retention: with several stores on a disk, each gives its share that often.
	pruneEvery = 10 * time.Minute
	// niceness is that of Run, which yields to everything else of the machine.
	niceness = 19
)

// Run looks after the store until ctx ends: it compacts what is over and deletes what the retention does not keep, at
// once when an append finds the disk full. It works at low priority, one file at a time; faults are logged, and what
// could not be done is tried again. It belongs to the process that writes the store.
func (s *Store) Run(ctx context.Context) { background.Run(niceness, func() { s.run(ctx) }) }

func (s *Store) run(ctx context.Context) {
	compact, prune := time.NewTicker(compactEvery), time.NewTicker(pruneEvery)
	defer compact.Stop()
	defer prune.Stop()
	var compactFaults, pruneFaults map[string]bool // so that each is logged once while it lasts
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.disk.wake:
			pruneFaults = s.tellOnce(pruneFaults, s.pruneOnce(ctx))
		case <-prune.C:
			pruneFaults = s.tellOnce(pruneFaults, s.pruneOnce(ctx))
		case <-compact.C:
			report, err := s.Compact(ctx, CompactOptions{})
			if err != nil && ctx.Err() == nil {
				report.Faults = append(report.Faults, err)
			}
			compactFaults = s.tellOnce(compactFaults, report.Faults)
		}
	}
}

// pruneOnce prunes, and says what is wrong, be it that that was not enough.
func (s *Store) pruneOnce(ctx context.Context) []error {
	report, err := s.Prune(ctx, false)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return []error{err}
	case report.Insufficient != "":
		return []error{fmt.Errorf("only the current day is left, and still %s", report.Insufficient)}
	}
	return nil
}

// tellOnce logs the faults that were not there the last time.
func (s *Store) tellOnce(before map[string]bool, faults []error) map[string]bool {
	now := map[string]bool{}
	for _, err := range faults {
		if now[err.Error()] = true; !before[err.Error()] {
			s.log.Error("look after the store", "store", s.root, "error", err)
		}
	}
	return now
}
