package store

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weirflow/weir/probe/vfs"
)

// diskState knows whether the disk takes what is appended.
type diskState struct {
	wake chan struct{} // the disk has become full

	mu    sync.Mutex
	full  time.Time // since when; zero: it is not
	cause string
}

// isFull says that an error means that there is no room.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// note takes in how an append went. A failure for another reason says nothing about room.
func (d *diskState) note(s *Store, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case isFull(err):
		d.cause = err.Error()
		if d.full.IsZero() {
			d.full = s.now()
			s.log.Error("the disk is full: flows wait in memory until there is room", "store", s.root, "error", err)
		}
		select {
		case d.wake <- struct{}{}:
		default:
		}
	case err == nil && !d.full.IsZero():
		s.log.Info("there is room on the disk again", "store", s.root, "after", s.now().Sub(d.full).Round(time.Second))
		d.full, d.cause = time.Time{}, ""
	}
}

// keepCounters count what maintenance did.
type keepCounters struct {
	prunedDays, prunedBytes                            atomic.Uint64
	compactions, compactionFailures, rowsIn, bytesMade atomic.Uint64
}

// Health is how the store is doing, beside what WriteStats counts.
type Health struct {
	// Full is since when appends fail for lack of room; zero: they do not. Cause is the last error.
	Full  time.Time
	Cause string
	// Space is the room on the disk; zero where the system does not tell.
	Space vfs.Space
	// PrunedDays and PrunedBytes are what retention deleted since Open.
	PrunedDays, PrunedBytes uint64
	// Compactions are the segments made since Open, of CompactedRows rows and CompactedBytes bytes; CompactionFailures
	// the attempts that ended in an error.
	Compactions, CompactionFailures, CompactedRows, CompactedBytes uint64
}

// Health says how the store is doing.
func (s *Store) Health() Health {
	h := Health{PrunedDays: s.kept.prunedDays.Load(), PrunedBytes: s.kept.prunedBytes.Load(),
		Compactions: s.kept.compactions.Load(), CompactionFailures: s.kept.compactionFailures.Load(),
		CompactedRows: s.kept.rowsIn.Load(), CompactedBytes: s.kept.bytesMade.Load()}
	if space, err := s.files.Space(s.root); err == nil {
		h.Space = space
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	h.Full, h.Cause = s.disk.full, s.disk.cause
	return h
}
