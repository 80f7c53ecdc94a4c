package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
	"github.com/weirflow/weir/probe/vfs"
)

// dayParts is what there is of a day: every block is in exactly one of segments and log, or in none that can be read.
type dayParts struct {
	day      day
	segments []*openSegment // those that are read, that of the day first
	log      *openLog       // nil: there is none

	superseded []*openSegment // all their blocks are in segments
	clashing   []*openSegment // some of their blocks are in segments: their rows cannot be told apart
	unreadable []Damage
}

// openLog is a log and the blocks of it that are in no segment.
type openLog struct {
	file   vfs.File
	name   string // path from the store's root
	listed dataFile
	index  logIndex
	blocks []block // by end
}

var errSegmentMisplaced = errors.New("a segment of another interface or day")

// identityOf is what makes a block of a segment the same block.
func identityOf(iv *flow.Interval) identity { return identity{iv.Boot, iv.Sequence} }

// openDay opens the files of a day. An error is fs.ErrNotExist if one of them is gone by now, so that they have to be
// listed again; what cannot be read stands in the result.
func (s *Store) openDay(iface string, files []dataFile) (p dayParts, err error) {
	p.day = files[0].day
	dir, err := s.interfacePath(iface)
	if err != nil {
		return p, err
	}
	defer func() {
		if err != nil {
			s.closeDay(&p)
		}
	}()
	var segments []*openSegment
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if !f.segment {
			err = p.openLog(s, iface, path, f)
		} else {
			var o *openSegment
			if o, err = s.acquireSegment(iface, path, f); o != nil {
				segments = append(segments, o)
			}
		}
		if err == nil {
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			p.segments = segments // to be closed
			return p, err
		}
		p.unreadable = append(p.unreadable, Damage{File: s.relative(path), Bytes: f.size, Cause: cause(err)})
	}
	p.choose(s, segments)
	return p, nil
}

// acquireSegment opens a segment and checks that it is where it belongs.
func (s *Store) acquireSegment(iface, path string, f dataFile) (*openSegment, error) {
	if f.foreign {
		return nil, errForeign
	}
	o, err := s.readers.acquire(s.files, path, f)
	if err != nil {
		return nil, err
	}
	if m := o.reader.Meta(); m.Interface != iface || day(m.Day) != f.day {
		s.readers.release(o)
		return nil, fmt.Errorf("%w: %q, %s", errSegmentMisplaced, m.Interface, day(m.Day))
	}
	return o, nil
}

// openLog opens a log and reads its headers.
func (p *dayParts) openLog(s *Store, iface, path string, f dataFile) error {
	if f.foreign {
		return errForeign
	}
	file, err := s.files.Open(path)
	if err != nil {
		return err
	}
	index, err := readIndex(file, s.relative(path), iface, f.day)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	p.log = &openLog{file: file, name: s.relative(path), listed: f, index: index}
	return nil
}

// choose decides which files are read. A segment all of whose blocks are in greater ones was merged into them; blocks
// of the log that are in a segment were merged, too.
func (p *dayParts) choose(s *Store, segments []*openSegment) {
	if len(segments) == 0 || len(segments) == 1 && p.log == nil {
		p.segments = segments
		if p.log != nil {
			p.log.blocks = p.log.index.blocks
		}
		p.sortLog()
		return
	}
	slices.SortStableFunc(segments, func(a, b *openSegment) int {
		return cmp.Or(
			cmp.Compare(b.reader.BlockCount(), a.reader.BlockCount()),
			cmp.Compare(b.reader.Rows(), a.reader.Rows()), // of one that was saved from damage, and the whole one that came back
			cmp.Compare(b.listed.number, a.listed.number),
		)
	})
	seen := blockSet{}
	for _, o := range segments {
		blocks, err := o.reader.Blocks()
		if err != nil {
			p.unreadable = append(p.unreadable, Damage{File: s.relative(o.path), Bytes: o.listed.size, Cause: cause(err)})
			s.readers.release(o)
			continue
		}
		switch known := seen.count(blocks); {
		case seen.hasRemains(o.reader):
			p.clashing = append(p.clashing, o)
			p.unreadable = append(p.unreadable, Damage{File: s.relative(o.path), Bytes: o.listed.size,
				Cause: "what could be read of it was brought into other segments, whose rows would count twice"})
		case known == 0:
			p.segments = append(p.segments, o)
			seen.addSegment(o.reader, blocks)
		case known == len(blocks):
			p.known(s, o)
		default:
			p.clashing = append(p.clashing, o)
			p.unreadable = append(p.unreadable, Damage{File: s.relative(o.path), Bytes: o.listed.size, Cause: fmt.Sprintf(
				"%d of its %d blocks are in other segments, whose rows would count twice", known, len(blocks))})
		}
	}
	slices.SortFunc(p.segments, func(a, b *openSegment) int { return cmp.Compare(a.listed.number, b.listed.number) })
	if p.log != nil {
		for _, b := range p.log.index.blocks {
			if !seen.has(b.identity()) {
				p.log.blocks = append(p.log.blocks, b)
			}
		}
	}
	p.sortLog()
}

// known takes a segment all of whose blocks are in others: merged into them, unless it has rows that they lack.
func (p *dayParts) known(s *Store, o *openSegment) {
	lacking, err := p.lacking(o, nil)
	if err == nil && lacking == 0 {
		p.superseded = append(p.superseded, o)
		return
	}
	d := Damage{File: s.relative(o.path), Bytes: o.listed.size}
	if d.Cause = fmt.Sprintf("%d of its rows are not in the segments that have its blocks; repair puts it in their place", lacking); err != nil {
		d.Cause = "whether its rows are in the segments that have its blocks cannot be told: " + cause(err)
	}
	p.clashing, p.unreadable = append(p.clashing, o), append(p.unreadable, d)
}

// sortLog puts the blocks into the order in which they are visited, parts of an interval as they were written.
func (p *dayParts) sortLog() {
	if p.log != nil {
		p.log.blocks = slices.Clone(p.log.blocks)
		slices.SortStableFunc(p.log.blocks, func(a, b block) int { return cmp.Compare(a.interval.End, b.interval.End) })
	}
}

// closeDay gives back what openDay opened.
func (s *Store) closeDay(p *dayParts) {
	for _, list := range [][]*openSegment{p.segments, p.superseded, p.clashing} {
		for _, o := range list {
			s.readers.release(o)
		}
	}
	if p.log != nil {
		_ = p.log.file.Close() // it was only read
	}
	*p = dayParts{day: p.day}
}

// relative is a path from the store's root.
func (s *Store) relative(path string) string {
	if name, err := filepath.Rel(s.root, path); err == nil {
		return name
	}
	return path
}

// readersOf are the readers of the segments.
func readersOf(segments []*openSegment) []*segment.Reader {
	readers := make([]*segment.Reader, len(segments))
	for i, o := range segments {
		readers[i] = o.reader
	}
	return readers
}
