package store

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// known returns the identities of the blocks of a day and of its neighbours, in logs and segments; the log of the day
// itself only if ownLog says so.
func (s *Store) known(iface string, d day, ownLog bool) (map[identity]struct{}, error) {
	seen := map[identity]struct{}{}
	dir, err := s.interfacePath(iface)
	if err != nil {
		return nil, err
	}
	files, err := s.listFiles(iface, d-1, d+1)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if !f.segment && f.day == d && !ownLog {
			continue
		}
		path := filepath.Join(dir, f.name)
		err := s.addKnown(seen, iface, path, f)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Error("replays of blocks in a file are not known", "file", path, "error", err)
		}
	}
	return seen, nil
}

// addKnown adds the identities of the blocks in a file.
func (s *Store) addKnown(seen map[identity]struct{}, iface, path string, f dataFile) error {
	if f.segment {
		o, err := s.acquireSegment(iface, path, f)
		if err != nil {
			return err
		}
		defer s.readers.release(o)
		blocks, err := o.reader.Blocks()
		for i := range blocks {
			seen[identityOf(&blocks[i])] = struct{}{}
		}
		return err
	}
	file, err := s.files.Open(path)
	if err != nil {
		return err
	}
	index, err := readIndex(file, path, iface, f.day)
	for i := range index.blocks {
		seen[index.blocks[i].identity()] = struct{}{}
	}
	return errors.Join(err, file.Close())
}
