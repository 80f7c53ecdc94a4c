package store

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
)

// blockSet is what blocks there are in some files.
type blockSet map[identity]struct{}

// Blocks whose table was lost have identities that name the segment they were saved from (unknownBlocks). A set also has,
// with these sequences, the segments in it and those that blocks in it were saved from: one and the other are the same rows.
const (
	sequenceOrigin = 1<<64 - 1 - iota
	sequenceRemains
)

// salvagedBoot is the boot of blocks that were saved from a segment without its table of blocks.
func salvagedBoot(r *segment.Reader) (boot [16]byte) {
	copy(boot[:], salvagedPrefix)
	binary.LittleEndian.PutUint32(boot[len(salvagedPrefix):], r.Checksum())
	return boot
}

const salvagedPrefix = "salvaged"

func isSalvaged(boot [16]byte) bool { return string(boot[:len(salvagedPrefix)]) == salvagedPrefix }

// addSegment adds a segment and its blocks.
func (b blockSet) addSegment(r *segment.Reader, blocks []flow.Interval) {
	b[identity{salvagedBoot(r), sequenceOrigin}] = struct{}{}
	for i := range blocks {
		b[identityOf(&blocks[i])] = struct{}{}
		if boot := blocks[i].Boot; isSalvaged(boot) {
			b[identity{boot, sequenceRemains}] = struct{}{}
		}
	}
}

// has says whether a block is there, in whatever form.
func (b blockSet) has(id identity) bool {
	if _, ok := b[id]; ok {
		return true
	}
	_, ok := b[identity{id.boot, sequenceOrigin}]
	return ok && isSalvaged(id.boot)
}

// hasRemains says that blocks saved from a segment are there, under identities of their own.
func (b blockSet) hasRemains(r *segment.Reader) bool {
	_, ok := b[identity{salvagedBoot(r), sequenceRemains}]
	return ok
}

// count says how many of a segment's blocks are there.
func (b blockSet) count(blocks []flow.Interval) (n int) {
	for i := range blocks {
		if b.has(identityOf(&blocks[i])) {
			n++
		}
	}
	return n
}

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
		if f.foreign || !f.segment && f.day == d && !ownLog {
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
