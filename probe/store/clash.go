package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
)

// Segments that share blocks. Mostly one is what the others were merged from; it has no row that they lack, and goes. Else
// it came back from a backup, after what had been saved of it from damage was merged into others: then it is the one to keep.

// lacking is how many rows a segment has, at some of its ends or at all (nil), that the segments that are read do not have
// at these.
func (p *dayParts) lacking(o *openSegment, at map[int64]bool) (rows int64, err error) {
	own, err := rowsByEnd(o.reader)
	if err != nil {
		return 0, err
	}
	there := map[int64]int64{}
	for _, s := range p.segments {
		theirs, err := rowsByEnd(s.reader)
		if err != nil {
			return 0, err
		}
		for end, n := range theirs {
			there[end] += n
		}
	}
	for end, n := range own {
		if at == nil || at[end] {
			rows += max(n-there[end], 0)
		}
	}
	return rows, nil
}

// rowsByEnd is how many rows a segment has of each end of an interval.
func rowsByEnd(r *segment.Reader) (map[int64]int64, error) {
	stamps, err := r.Stamps()
	if err != nil {
		return nil, err
	}
	sums, err := r.StampTotals()
	if err != nil {
		return nil, err
	}
	rows := make(map[int64]int64, len(stamps))
	for i, end := range stamps {
		rows[end] = int64(sums.IPv4[i].Rows + sums.IPv6[i].Rows)
	}
	return rows, nil
}

// clashing brings what segments that clash with others have alone into segments of their own, or puts them in the place of
// the others, where these have fewer rows.
func (r *repairer) clashing(ctx context.Context) error {
	for i := 0; i < len(r.parts.clashing); i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		o := r.parts.clashing[i]
		c, err := r.compare(o)
		if err != nil {
			return err
		}
		if c.gain == 0 {
			if err := r.segment(ctx, o, c.common(), c.lacking, "its blocks are in other segments, or some of them"); err != nil {
				return err
			}
			continue
		}
		if err := r.replace(ctx, o, c); err != nil {
			return err
		}
		if !r.dryRun {
			if err := r.load(); err != nil {
				return err
			}
			i = -1 // what was replaced, and what replaces it, is not listed any more
		}
	}
	return nil
}

// clash is how the blocks of a segment stand in others.
type clash struct {
	alone, shared map[int64]bool // ends of common blocks: where the others have nothing else, and where they do
	holders       []*openSegment // that have blocks at the ends in alone
	gain, lacking int64          // rows that the others lack at the ends in alone, and in shared
}

// common are the ends of all common blocks.
func (c *clash) common() map[int64]bool {
	all := maps.Clone(c.alone)
	maps.Copy(all, c.shared)
	return all
}

// compare finds out how a segment stands to those that are read.
func (r *repairer) compare(o *openSegment) (c clash, err error) {
	blocks, err := o.reader.Blocks()
	if err != nil {
		return c, err
	}
	own, known := blockSet{}, blockSet{}
	own.addSegment(o.reader, blocks)
	theirs := make([][]flow.Interval, len(r.parts.segments))
	others := map[int64]bool{} // ends of what is not in the segment
	for i, s := range r.parts.segments {
		if theirs[i], err = s.reader.Blocks(); err != nil {
			return c, err
		}
		known.addSegment(s.reader, theirs[i])
		for k := range theirs[i] {
			if !own.has(identityOf(&theirs[i][k])) {
				others[theirs[i][k].End] = true
			}
		}
	}
	c.alone, c.shared = map[int64]bool{}, map[int64]bool{}
	for i := range blocks {
		end := blocks[i].End
		switch {
		case !known.hasRemains(o.reader) && !known.has(identityOf(&blocks[i])):
		case others[end]:
			c.shared[end] = true
		default:
			c.alone[end] = true
		}
	}
	if c.gain, err = r.parts.lacking(o, c.alone); err == nil {
		c.lacking, err = r.parts.lacking(o, c.shared)
	}
	if err != nil { // it cannot be told: the others stay
		c.gain, c.lacking = 0, 0
	}
	for i, s := range r.parts.segments {
		if slices.ContainsFunc(theirs[i], func(b flow.Interval) bool { return c.alone[b.End] }) {
			c.holders = append(c.holders, s)
		}
	}
	return c, nil
}

// replace puts a segment in the place of what others have of its blocks.
func (r *repairer) replace(ctx context.Context, o *openSegment, c clash) error {
	why := fmt.Sprintf("%s has more rows of the same intervals", r.store.relative(o.path))
	for _, s := range c.holders {
		if err := r.segment(ctx, s, c.alone, 0, why); err != nil {
			return err
		}
	}
	if len(c.shared) == 0 {
		return nil
	}
	return r.segment(ctx, o, c.shared, c.lacking, "others have more blocks of some of its intervals")
}
