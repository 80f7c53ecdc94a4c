package store

import (
	"context"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
	"github.com/weirflow/weir/probe/vfs"
)

// salvage is what can be read of a damaged segment: the chunks that are whole, save for rows whose addresses stand in a
// damaged page of a dictionary.
type salvage struct {
	source    *segmentRows
	blocks    []flow.Interval // that are kept
	stamps    map[int]bool    // that are not, by index
	lost      map[uint32]bool // codes of addresses that cannot be read
	rows      uint64          // that are kept
	elsewhere uint64          // of stamps that are not
}

// openSalvage reads a segment. Some ends of intervals are left out with all their rows, since those of several blocks cannot
// be told apart. An error means that nothing can be salvaged.
func openSalvage(r *segment.Reader, leave map[int64]bool) (*salvage, error) {
	s := &salvage{stamps: map[int]bool{}, lost: map[uint32]bool{}, source: &segmentRows{reader: r}}
	if err := s.tables(r); err != nil {
		return nil, err
	}
	blocks, err := r.Blocks()
	if err != nil {
		blocks = unknownBlocks(r, s.source.stamps)
	}
	for i := range blocks {
		if !leave[blocks[i].End] {
			s.blocks = append(s.blocks, blocks[i])
		}
	}
	for i, end := range s.source.stamps {
		if leave[end] {
			s.stamps[i] = true
		}
	}
	err = s.each(context.Background(), func(*segment.Row) error {
		s.rows++
		return nil
	})
	return s, err
}

// tables reads what rows are made of.
func (s *salvage) tables(r *segment.Reader) (err error) {
	if s.source.chunks, err = r.Chunks(); err != nil {
		return err
	}
	if s.source.services, err = r.Services(); err != nil {
		return err
	}
	if s.source.stamps, err = r.Stamps(); err != nil {
		return err
	}
	four, err := r.IPv4()
	if err != nil {
		return err
	}
	six, err := r.IPv6()
	if err != nil {
		return err
	}
	n4 := r.IPv4Count()
	s.source.four = readable(s, 0, n4, four.Values)
	s.source.six = readable(s, n4, r.AddressCount(), six.Values)
	return nil
}

// readable reads the addresses with codes from up to and without to; where that fails, in halves, down to pieces of a
// few, which are lost.
func readable[T any](s *salvage, from, to uint32, values func([]T, uint32, uint32) ([]T, error)) []T {
	const least = 16
	all, err := values(nil, from, to)
	switch {
	case err == nil:
		return all
	case to-from <= least:
		for code := from; code < to; code++ {
			s.lost[code] = true
		}
		return make([]T, to-from)
	}
	middle := from + (to-from)/2
	return append(readable(s, from, middle, values), readable(s, middle, to, values)...)
}

// unknownBlocks stand for blocks whose table is lost: one for each end, that says nothing of what was covered. They get an
// identity of their own, which is the same if the segment is salvaged again.
func unknownBlocks(r *segment.Reader, stamps []int64) []flow.Interval {
	blocks := make([]flow.Interval, len(stamps))
	for i, end := range stamps {
		blocks[i] = flow.Interval{End: end, Sequence: uint64(i)}
		blocks[i].Boot = salvagedBoot(r)
	}
	return blocks
}

// each visits the rows that are kept, in the order of keys and stamps.
func (s *salvage) each(ctx context.Context, visit func(*segment.Row) error) error {
	s.elsewhere = 0
	for i := range s.source.chunks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.source.load(i) != nil {
			continue
		}
		t := &s.source.tuples
		row := 0
		var out segment.Row
		for tuple := range t.Count {
			end := row + int(t.RowCount[tuple])
			if s.lost[t.Source[tuple]] || s.lost[t.Destination[tuple]] {
				row = end
				continue
			}
			out.Key = s.source.key(tuple)
			for ; row < end; row++ {
				if s.stamps[int(t.Stamp[row])] {
					s.elsewhere++
					continue
				}
				out.Stamp, out.Counters = s.source.stamps[t.Stamp[row]], s.source.counters(row)
				if err := visit(&out); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// write writes a segment of it.
func (s *salvage) write(ctx context.Context, f vfs.File, iface string, d day) (segment.Info, error) {
	var vocabulary segment.Vocabulary
	err := s.each(ctx, func(row *segment.Row) error {
		vocabulary.Add(row)
		return nil
	})
	if err != nil {
		return segment.Info{}, err
	}
	meta := segment.Meta{Interface: iface, Day: int64(d)}
	for _, b := range s.blocks {
		meta.First, meta.Last = extend(meta.First, meta.Last, b.End)
	}
	w, err := segment.Create(f, segment.DefaultConfig(), meta, slices.Clone(s.blocks), &vocabulary)
	if err != nil {
		return segment.Info{}, err
	}
	if err := s.each(ctx, w.Add); err != nil {
		return segment.Info{}, err
	}
	return w.Finish()
}
