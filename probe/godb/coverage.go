package godb

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
)

// Coverage returns the span an interface has data of, from the metadata of its first and last days: the start of the
// first interval and the end of the last one, in Unix seconds; 0 and 0 without data. Days whose metadata cannot be
// read are passed over.
func (db *DB) Coverage(ctx context.Context, iface string) (first, last int64, err error) {
	days, _, err := db.days(iface)
	if err != nil {
		return 0, 0, fmt.Errorf("coverage of %s: %w", iface, err)
	}
	for _, ref := range days {
		if start, _, ok := db.daySpan(ref, days); ok {
			first = start
			break
		}
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
	}
	for _, ref := range slices.Backward(days) {
		if _, end, ok := db.daySpan(ref, days); ok {
			last = end
			break
		}
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
	}
	return first, last, nil
}

// daySpan is the span of a day's blocks; false where there are none, or none that can be found.
func (db *DB) daySpan(ref dayRef, known []dayRef) (first, last int64, ok bool) {
	b, err := db.readMeta(ref, maxMetaSize+1)
	if err != nil {
		if ref, ok = db.renamed(ref, known); !ok {
			return 0, 0, false
		}
		if b, err = db.readMeta(ref, maxMetaSize+1); err != nil {
			return 0, 0, false
		}
	}
	m, err := parseMeta(b)
	if err != nil {
		return 0, 0, false
	}
	return m.span()
}

// Stat is what the metadata say of an interface, without a look at its blocks.
type Stat struct {
	Days      uint64
	Intervals uint64
	Totals    Totals
	First     int64  // start of the first interval, Unix seconds; 0 without data
	Last      int64  // end of the last one
	Bytes     uint64 // of all files of the days
	Faults    uint64 // days whose metadata, and directories whose list, cannot be read
}

// Rows is the number of rows.
func (s *Stat) Rows() uint64 { return s.Totals.rows() }

// Stat sums up an interface. It reads the first bytes of each day's metadata and lists each day's files.
func (db *DB) Stat(ctx context.Context, iface string) (Stat, error) {
	var s Stat
	days, damage, err := db.days(iface)
	if err != nil {
		return s, fmt.Errorf("sum up %s: %w", iface, err)
	}
	s.Faults = uint64(len(damage))
	for _, ref := range days {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		s.Bytes += db.diskBytes(ref)
		count, totals, err := db.header(ref)
		if err != nil {
			if next, ok := db.renamed(ref, days); ok {
				count, totals, err = db.header(next)
			}
		}
		if err != nil {
			s.Faults++
			continue
		}
		s.Days++
		s.Intervals += count
		sums, more := s.Totals.fields(), totals.fields()
		for i := range sums {
			*sums[i] += *more[i]
		}
	}
	s.First, s.Last, err = db.Coverage(ctx, iface)
	return s, err
}

func (db *DB) header(ref dayRef) (blocks uint64, t Totals, err error) {
	f, size, err := db.openFile(filepath.Join(ref.path(), metaName))
	if err != nil {
		return 0, t, err
	}
	defer f.Close()
	b := make([]byte, min(size, metaHeaderSize))
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return 0, t, err
	}
	return parseHeader(b, size)
}

// diskBytes sums up the files of a day.
func (db *DB) diskBytes(ref dayRef) (sum uint64) {
	entries, err := db.files.ReadDir(filepath.Join(db.root, ref.path()))
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			sum += uint64(info.Size())
		}
	}
	return sum
}
