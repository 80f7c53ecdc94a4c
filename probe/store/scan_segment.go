package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/column"
	"github.com/weirflow/weir/probe/segment"
)

// scanWindow is how many rows of segments, about 112 bytes each, a scan holds to bring them from the order of keys into
// that of time. Beside them it holds a segment's dictionaries, 4 or 16 bytes for each address.
const scanWindow = 1 << 18

// scan visits the view by time.
func (v *View) scan(ctx context.Context, visit Visit) (ScanStats, error) {
	r := v.reader(visit)
	r.stats.Add(v.Stats)
	for i := range v.days {
		if err := r.scanDay(ctx, v.store, &v.days[i]); err != nil {
			return r.stats, err
		}
	}
	return r.stats, nil
}

// scanDay visits a day: each end of an interval in turn, for each the segments, then the log.
func (r *reader) scanDay(ctx context.Context, s *Store, p *dayParts) error {
	var log openLog
	if p.log != nil {
		log = r.openedLog(p.log)
	}
	ends := make([]int64, 0, len(log.blocks))
	for i := range log.blocks {
		ends = append(ends, log.blocks[i].interval.End)
	}
	var segments []*timeOrder
	for _, o := range p.segments {
		t, err := newTimeOrder(r, o.reader, s.relative(o.path), max(scanWindow/len(p.segments), ChunkRows))
		if err != nil {
			r.loseSegment(s.relative(o.path), o.reader, err)
			continue
		}
		r.stats.Files++
		segments = append(segments, t)
		ends = append(ends, t.ends...)
	}
	slices.Sort(ends)
	next := 0
	for _, end := range slices.Compact(ends) {
		if end < r.first || end > r.last {
			continue
		}
		for _, t := range segments {
			if err := t.visit(ctx, end); err != nil {
				return err
			}
		}
		for ; next < len(log.blocks) && log.blocks[next].interval.End == end; next++ {
			if err := r.visitBlock(ctx, log.file, log.name, &log.blocks[next]); err != nil {
				return err
			}
		}
	}
	return nil
}

// loseSegment counts what a segment says about its damage.
func (r *reader) loseSegment(name string, s *segment.Reader, err error) {
	r.stats.lose(segmentDamage(name, s, err))
}

func segmentDamage(name string, s *segment.Reader, err error) Damage {
	var damage *segment.DamageError
	if errors.As(err, &damage) {
		return Damage{File: name, Offset: damage.Offset, Bytes: damage.Bytes, Cause: cause(err)}
	}
	return Damage{File: name, Bytes: s.Size(), Cause: cause(err)}
}

// timeOrder brings the rows of a segment into the order of time, a window of some stamps after the other.
type timeOrder struct {
	reader    *reader
	rows      *segmentRows
	name      string
	intervals []flow.Interval // by end
	ends      []int64         // of intervals and rows
	counts    []uint64        // rows by stamp
	most      int             // rows in a window of more than one stamp

	from, to int // stamps in the window, by index
	starts   []int
	window   []flow.Record
	bad      map[int]bool // chunks whose damage is counted
	next     int          // in intervals
}

func newTimeOrder(r *reader, s *segment.Reader, name string, most int) (*timeOrder, error) {
	rows, err := openRows(s)
	if err != nil {
		return nil, err
	}
	intervals, err := s.Blocks()
	if err != nil {
		r.loseSegment(name, s, err) // the rows can be read without, as those of intervals that say no more than their end
	}
	totals, err := s.StampTotals()
	if err != nil {
		return nil, err
	}
	t := &timeOrder{reader: r, rows: rows, name: name, intervals: intervals, most: most, bad: map[int]bool{},
		ends: slices.Clone(rows.stamps), counts: make([]uint64, len(rows.stamps))}
	for i := range t.counts {
		t.counts[i] = totals.IPv4[i].Rows + totals.IPv6[i].Rows
	}
	for i := range intervals {
		t.ends = append(t.ends, intervals[i].End)
	}
	slices.Sort(t.ends)
	t.ends = slices.Compact(t.ends)
	return t, nil
}

// visit visits what the segment has of an end: the rows with the first interval, then the other intervals.
func (t *timeOrder) visit(ctx context.Context, end int64) error {
	for t.next < len(t.intervals) && t.intervals[t.next].End < end {
		t.next++
	}
	first := t.next
	for t.next < len(t.intervals) && t.intervals[t.next].End == end {
		t.next++
	}
	intervals := t.intervals[first:t.next]
	t.reader.stats.Blocks += uint64(len(intervals))
	stamp, found := slices.BinarySearch(t.rows.stamps, end)
	if len(intervals) == 0 {
		if !found {
			return nil
		}
		intervals = []flow.Interval{{End: end}} // rows whose interval is not known, salvaged ones
	}
	if err := t.visitRows(ctx, intervals[0], stamp, found); err != nil {
		return err
	}
	for _, iv := range intervals[1:] {
		if err := t.reader.visit(iv, nil); err != nil {
			return err
		}
	}
	return nil
}

// visitRows visits the rows of a stamp, in parts of ChunkRows.
func (t *timeOrder) visitRows(ctx context.Context, iv flow.Interval, stamp int, found bool) error {
	visited := false
	emit := func(records []flow.Record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		visited = true
		t.reader.stats.Rows += uint64(len(records))
		err := t.reader.visit(iv, records)
		iv.Accounting = flow.Accounting{}
		return err
	}
	var err error
	switch {
	case !found:
	case t.counts[stamp] > uint64(t.most):
		err = t.stream(ctx, stamp, emit)
	default:
		if err = t.fill(ctx, stamp); err != nil {
			return err
		}
		records := t.window[t.starts[stamp-t.from]:t.starts[stamp-t.from+1]]
		for part := range slices.Chunk(records, ChunkRows) {
			if err = emit(part); err != nil {
				return err
			}
		}
	}
	if err == nil && !visited {
		err = emit(nil)
	}
	return err
}

// fill loads the window that begins with a stamp, unless it is loaded.
func (t *timeOrder) fill(ctx context.Context, stamp int) error {
	if stamp >= t.from && stamp < t.to {
		return nil
	}
	t.from, t.to = stamp, stamp
	sum := 0
	for t.to < len(t.counts) && t.counts[t.to] <= uint64(t.most-sum) {
		sum += int(t.counts[t.to])
		t.to++
	}
	t.starts = append(t.starts[:0], 0)
	for i := t.from; i < t.to; i++ {
		t.starts = append(t.starts, t.starts[i-t.from]+int(t.counts[i]))
	}
	t.window = grow(t.window, sum)
	filled := slices.Clone(t.starts)
	err := t.each(ctx, t.from, t.to, func(at int, record flow.Record) error {
		if at -= t.from; filled[at] < t.starts[at+1] {
			t.window[filled[at]] = record
			filled[at]++
		}
		return nil
	})
	if err != nil {
		return err
	}
	// Rows of damaged chunks are missing: close the gaps.
	to := 0
	for i := range len(t.starts) - 1 {
		n := copy(t.window[to:], t.window[t.starts[i]:filled[i]])
		t.starts[i] = to
		to += n
	}
	t.starts[len(t.starts)-1] = to
	return nil
}

// stream visits the rows of a stamp that has too many for a window; they come in the order of keys as they are.
func (t *timeOrder) stream(ctx context.Context, stamp int, emit func([]flow.Record) error) error {
	t.from, t.to = 0, 0
	t.window = t.window[:0]
	err := t.each(ctx, stamp, stamp+1, func(_ int, record flow.Record) error {
		t.window = append(t.window, record)
		if len(t.window) < ChunkRows {
			return nil
		}
		err := emit(t.window)
		t.window = t.window[:0]
		return err
	})
	if err == nil && len(t.window) > 0 {
		err = emit(t.window)
	}
	return err
}

// each calls visit for the rows of stamps from up to and without to, in the order of keys. Damage is counted once.
func (t *timeOrder) each(ctx context.Context, from, to int, visit func(stamp int, record flow.Record) error) error {
	for i, c := range t.rows.chunks {
		if int(c.LastStamp) < from || int(c.FirstStamp) >= to || t.bad[i] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		before := t.rows.tuples.BytesRead()
		err := t.rows.load(i)
		t.reader.stats.BytesRead += uint64(t.rows.tuples.BytesRead() - before)
		if err != nil {
			t.bad[i] = true
			t.reader.loseSegment(t.name, t.rows.reader, err)
			continue
		}
		if err := t.rows.each(from, to, visit); err != nil {
			return err
		}
	}
	return nil
}

// segmentRows reads the rows of a segment, chunk by chunk. It holds the dictionaries.
type segmentRows struct {
	reader   *segment.Reader
	chunks   []segment.Chunk
	four     []uint32
	six      []column.Uint128
	services []segment.Service
	stamps   []int64
	tuples   segment.Tuples
}

// allColumns are all that makes up rows.
const allColumns = segment.Sources | segment.Destinations | segment.Services | segment.RowCounts | segment.StampIndices |
	segment.Value*(1<<segment.CounterCount-1)

func openRows(s *segment.Reader) (r *segmentRows, err error) {
	r = &segmentRows{reader: s}
	if r.chunks, err = s.Chunks(); err != nil {
		return nil, err
	}
	if r.services, err = s.Services(); err != nil {
		return nil, err
	}
	if r.stamps, err = s.Stamps(); err != nil {
		return nil, err
	}
	four, err := s.IPv4()
	if err == nil {
		r.four, err = four.Values(nil, 0, s.IPv4Count())
	}
	if err != nil {
		return nil, err
	}
	six, err := s.IPv6()
	if err == nil {
		r.six, err = six.Values(nil, s.IPv4Count(), s.AddressCount())
	}
	return r, err
}

// load decodes a chunk.
func (r *segmentRows) load(chunk int) error {
	if err := r.reader.Load(chunk, allColumns, &r.tuples); err != nil {
		return err
	}
	t := &r.tuples
	sum := 0
	for i := range t.Count {
		if (t.Source[i] < uint32(len(r.four))) != (t.Destination[i] < uint32(len(r.four))) {
			return fmt.Errorf("%w: addresses of two families in a tuple", segment.ErrDamaged)
		}
		sum += int(t.RowCount[i])
	}
	if sum != t.Rows {
		return fmt.Errorf("%w: %d rows in its tuples, %d in all", segment.ErrDamaged, sum, t.Rows)
	}
	return nil
}

// each visits the rows of the chunk loaded last that have stamps from up to and without to.
func (r *segmentRows) each(from, to int, visit func(stamp int, record flow.Record) error) error {
	t := &r.tuples
	row := 0
	var record flow.Record
	for i := range t.Count {
		have := false
		for end := row + int(t.RowCount[i]); row < end; row++ {
			stamp := int(t.Stamp[row])
			if stamp < from || stamp >= to {
				continue
			}
			if !have {
				record.Key = r.key(i)
				have = true
			}
			record.Counters = r.counters(row)
			if err := visit(stamp, record); err != nil {
				return err
			}
		}
	}
	return nil
}

// key is that of a tuple.
func (r *segmentRows) key(tuple int) (k flow.Key) {
	t := &r.tuples
	source, destination, service := t.Source[tuple], t.Destination[tuple], r.services[t.Service[tuple]]
	k.Protocol, k.DestinationPort = service.Protocol, service.Port
	if n := uint32(len(r.four)); source < n {
		k.Family = flow.IPv4
		binary.BigEndian.PutUint32(k.Source[:], r.four[source])
		binary.BigEndian.PutUint32(k.Destination[:], r.four[destination])
	} else {
		k.Family = flow.IPv6
		putUint128(&k.Source, r.six[source-n])
		putUint128(&k.Destination, r.six[destination-n])
	}
	return k
}

func putUint128(a *flow.Address, v column.Uint128) {
	binary.BigEndian.PutUint64(a[:], v.Hi)
	binary.BigEndian.PutUint64(a[8:], v.Lo)
}

// counters are those of a row.
func (r *segmentRows) counters(row int) flow.Counters {
	v := &r.tuples.Value
	at := func(counter int) uint64 {
		if len(v[counter]) == 0 {
			return 0
		}
		return v[counter][row]
	}
	return flow.Counters{
		BytesReceived: at(segment.BytesReceived), BytesSent: at(segment.BytesSent),
		PacketsReceived: at(segment.PacketsReceived), PacketsSent: at(segment.PacketsSent),
		Attempts: at(segment.Attempts), Accepts: at(segment.Accepts), Rejects: at(segment.Rejects),
		RoundTripNanoseconds: at(segment.RoundTripNanoseconds), RoundTrips: at(segment.RoundTrips),
	}
}
