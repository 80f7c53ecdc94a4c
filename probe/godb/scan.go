package godb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// Lengths of intervals in seconds. The database has time stamps of ends only; the length is the distance to the
// block before. Where that is longer than a late write explains, goProbe was not running, and the length that it
// always has is assumed.
const (
	nominalSeconds = 300
	longestSeconds = 330
)

// ChunkRows is the greatest number of rows in one call of a visitor.
const ChunkRows = 1 << 14

// Visit receives rows of an interval. They are valid during the call only. An interval of more than ChunkRows rows
// comes in several calls in a row; its Accounting stands in the first of them. An interval without rows is one call.
type Visit = func(interval flow.Interval, records []flow.Record) error

// Scan visits the blocks of an interface with first <= End <= last: day by day, within a day by End, those with the
// same End as they stand in the database. What cannot be read is skipped and stands in the statistics; an error comes
// from the context, looked at before each call of visit, from visit, or from listing directories. An interface that
// is not there has no blocks.
//
// Received and Metered of an interval's Accounting are the packets of the rows that can be read, since goProbe keeps
// no others; Dropped is what it kept.
func (db *DB) Scan(ctx context.Context, iface string, first, last int64, visit Visit) (ScanStats, error) {
	s := &scan{db: db, iface: iface, first: first, last: last, visit: visit}
	defer s.reader.close()
	days, damage, err := db.days(iface)
	for _, d := range damage {
		s.report(d)
	}
	for len(days) > 0 && err == nil {
		n := 1
		for n < len(days) && days[n].day == days[0].day {
			n++
		}
		if day := days[0].day; first < day+secondsPerDay && last >= day {
			err = s.day(ctx, days[:n])
		}
		days = days[n:]
	}
	if err != nil {
		return s.stats, fmt.Errorf("scan %s: %w", iface, err)
	}
	return s.stats, nil
}

// scan is one scan of an interface; it owns the buffers.
type scan struct {
	db          *DB
	iface       string
	first, last int64
	visit       Visit
	stats       ScanStats

	reader  blockReader
	records []flow.Record
	seen    map[identity]struct{} // blocks of the day; nil while one directory has it all
}

type identity struct {
	boot     [16]byte
	sequence uint64
}

// place is a block in a directory.
type place struct {
	day     *openDay
	index   int
	repeats uint64 // blocks before it in the same directory with the same time stamp
	seconds int64  // length of its interval
}

func (p *place) block() *blockMeta { return &p.day.meta.blocks[p.index] }

// day visits a day, which may stand in several directories.
func (s *scan) day(ctx context.Context, refs []dayRef) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var places []place
	for _, ref := range refs {
		d, err := s.db.open(ref, refs)
		defer d.close()
		if err != nil {
			s.loseDay(d.ref, err)
			continue
		}
		s.stats.Days++
		places = s.place(places, d)
	}
	s.seen = nil
	if len(refs) > 1 {
		s.seen = map[identity]struct{}{}
	}
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Compare(a.block().end, b.block().end) })
	measure(places)
	for i := range places {
		if end := places[i].block().end; end < s.first || end > s.last {
			continue
		}
		if err := s.block(ctx, &places[i]); err != nil {
			return err
		}
	}
	return nil
}

// place appends the blocks of a directory.
func (s *scan) place(places []place, d *openDay) []place {
	repeats := map[int64]uint64{}
	for i := range d.meta.blocks {
		b := &d.meta.blocks[i]
		if b.end < d.ref.day || b.end >= d.ref.day+secondsPerDay {
			s.lose(d, i, nil, fmt.Errorf("time stamp %d is not of this day", b.end))
			continue
		}
		places = append(places, place{day: d, index: i, repeats: repeats[b.end]})
		repeats[b.end]++
	}
	return places
}

// measure finds the lengths of the intervals, which are sorted by their ends. What has the end of another one
// covers no time of its own.
func measure(places []place) {
	for i := range places {
		p := &places[i]
		p.seconds = nominalSeconds
		if i > 0 {
			if since := p.block().end - places[i-1].block().end; since <= longestSeconds {
				p.seconds = since
			}
		}
	}
}

// block decodes a block and hands its rows over. Damage is counted and no error.
func (s *scan) block(ctx context.Context, p *place) error {
	b, r := p.block(), &s.reader
	if err := r.read(p.day, p.index); err != nil {
		s.lose(p.day, p.index, err, err)
		return ctx.Err()
	}
	packets := r.packets()
	interval := flow.Interval{
		End: b.end, Duration: time.Duration(p.seconds) * time.Second, Boot: r.identity(s.iface, b), Sequence: p.repeats,
		Accounting: flow.Accounting{Received: packets, Metered: packets, Dropped: uint64(b.dropped)},
	}
	if s.replay(identity{interval.Boot, interval.Sequence}) {
		s.stats.Replays++
		return nil
	}
	if r.salvaged {
		s.salvaged(p)
	}
	s.stats.Blocks++
	s.stats.Rows += uint64(r.rows())
	for c := range b.columns {
		s.stats.BytesRead += uint64(b.columns[c].stored)
		s.stats.BytesDecoded += uint64(b.columns[c].raw)
	}
	return s.rows(ctx, interval)
}

// replay says that another directory of the same day has had this block.
func (s *scan) replay(id identity) bool {
	if s.seen == nil {
		return false
	}
	_, again := s.seen[id]
	s.seen[id] = struct{}{}
	return again
}

// rows visits the rows of the block that was read last.
func (s *scan) rows(ctx context.Context, interval flow.Interval) error {
	rows := s.reader.rows()
	for start := 0; start == 0 || start < rows; start += ChunkRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		records := grow(s.records, min(rows-start, ChunkRows))
		s.records = records
		s.reader.fill(records, start)
		if err := s.visit(interval, records); err != nil {
			return err
		}
		interval.Accounting = flow.Accounting{}
	}
	return nil
}

// lose counts a block that is not visited; at is what is wrong, nil if that is the time stamp.
func (s *scan) lose(d *openDay, index int, at, why error) {
	b := &d.meta.blocks[index]
	damage := Damage{Interface: s.iface, File: filepath.Join(d.ref.path(), metaName), Day: d.ref.day, Block: index,
		End: b.end, RowsLost: uint64(b.v4) + uint64(b.v6), Cause: why.Error()}
	if at == nil {
		damage.End = 0
	}
	for c := range b.columns {
		damage.Bytes += int64(b.columns[c].stored)
	}
	var column *columnError
	if errors.As(at, &column) {
		damage.File, damage.Offset = d.file(column.column), b.columns[column.column].offset
	}
	s.report(damage)
}

// salvaged counts a block that was put together again, and the rows that are missing of it.
func (s *scan) salvaged(p *place) {
	b, r := p.block(), &s.reader
	s.stats.Salvaged++
	damage := Damage{Interface: s.iface, File: p.day.ref.path(), Day: p.day.ref.day, Block: p.index, End: b.end,
		RowsLost: uint64(r.v4 + r.v6 - r.rows()), RowsKept: uint64(r.rows()), Cause: "goProbe's writer stored it damaged"}
	s.report(damage)
}

// report counts a damage, unless all was salvaged, and tells whoever wants to know.
func (s *scan) report(d Damage) {
	if d.RowsLost > 0 || d.RowsKept == 0 {
		s.stats.lose(d)
	}
	if s.db.damaged != nil {
		s.db.damaged(d)
	}
}

// loseDay counts a day whose metadata cannot be read. One that is being made, or was removed meanwhile, is no loss.
func (s *scan) loseDay(ref dayRef, err error) {
	totals, named := parseTotals(ref.name)
	if errors.Is(err, fs.ErrNotExist) {
		_, gone := s.db.files.Stat(filepath.Join(s.db.root, ref.path()))
		if !named || errors.Is(gone, fs.ErrNotExist) {
			return
		}
	}
	damage := Damage{Interface: s.iface, File: filepath.Join(ref.path(), metaName), Day: ref.day, Block: -1, Cause: cause(err)}
	if named {
		damage.RowsLost = totals.rows()
	}
	s.report(damage)
}
