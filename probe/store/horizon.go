package store

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
)

// horizonPrefix begins the name of the file that stands in the store's root while days are deleted; the last one of
// them follows. What is behind the horizon is not there any more for readers, so that days go at once however many
// files they have and wherever their deletion is cut short. The file is empty: there is room for a name on a full
// disk, too.
const horizonPrefix = "deleting-until-"

// horizon is the last day that is being deleted, -1 if none is.
func (s *Store) horizon() (day, error) {
	entries, err := s.files.ReadDir(s.root)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	until := day(-1)
	for _, e := range entries {
		if date, ok := strings.CutPrefix(e.Name(), horizonPrefix); ok {
			if d, ok := parseDate(date); ok {
				until = max(until, d)
			}
		}
	}
	return until, nil
}

func (s *Store) horizonPath(until day) string {
	return filepath.Join(s.root, horizonPrefix+until.String())
}

// raiseHorizon makes all days up to until disappear, durably.
func (s *Store) raiseHorizon(until day) error {
	f, err := s.files.Create(s.horizonPath(until), fileMode)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.files.SyncDir(s.root)
}

// dropHorizon says that nothing is behind it any more.
func (s *Store) dropHorizon(until day) error {
	if err := s.files.Remove(s.horizonPath(until)); err != nil {
		return err
	}
	return s.files.SyncDir(s.root)
}

// finishPruning ends deletions that were cut short.
func (s *Store) finishPruning() error {
	for {
		until, err := s.horizon()
		if err != nil || until < 0 {
			return err
		}
		s.log.Info("go on with the deletion of days", "until", until.String())
		if err := s.finishRemoval(until); err != nil {
			return err
		}
	}
}
