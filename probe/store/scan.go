package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
	"github.com/weirflow/weir/probe/vfs"
)

// maxDamage bounds the list of damages that a scan keeps; all are counted.
const maxDamage = 16

// ScanStats is the cost of a scan and what it could not read.
type ScanStats struct {
	Files        uint64 // logs opened
	Blocks       uint64 // blocks visited
	Rows         uint64 // rows visited
	BytesRead    uint64 // bytes of the blocks as stored, headers included
	BytesBeside  uint64 // bytes of logs that were read besides, to find the blocks
	BytesOpened  uint64 // bytes of segments that were read to see that nothing in them counts here
	BytesDecoded uint64 // bytes of the payloads, decompressed
	Replays      uint64 // blocks left out because the same one was visited
	BytesTorn    uint64 // ends of files that are being written, or were when the writer died

	Corrupted uint64   // damaged places: blocks, or files that could not be read at all
	BytesLost uint64   // bytes in them
	Damage    []Damage // the first of them
	Torn      []Damage // the first of the torn ends
}

// Add adds o to s.
func (s *ScanStats) Add(o ScanStats) {
	s.Files += o.Files
	s.Blocks += o.Blocks
	s.Rows += o.Rows
	s.BytesRead += o.BytesRead
	s.BytesBeside += o.BytesBeside
	s.BytesOpened += o.BytesOpened
	s.BytesDecoded += o.BytesDecoded
	s.Replays += o.Replays
	s.BytesTorn += o.BytesTorn
	s.Corrupted += o.Corrupted
	s.BytesLost += o.BytesLost
	for _, d := range o.Damage {
		s.Damage = appendNamed(s.Damage, d)
	}
	for _, d := range o.Torn {
		s.Torn = appendNamed(s.Torn, d)
	}
}

func (s *ScanStats) lose(d Damage) {
	s.Corrupted++
	s.BytesLost += uint64(d.Bytes)
	s.Damage = appendNamed(s.Damage, d)
}

func (s *ScanStats) tear(d Damage) {
	s.BytesTorn += uint64(d.Bytes)
	s.Torn = appendNamed(s.Torn, d)
}

func appendNamed(list []Damage, d Damage) []Damage {
	if len(list) < maxDamage {
		list = append(list, d)
	}
	return list
}

// Visit receives rows of an interval. They are valid during the call only. An interval of more than ChunkRows
// rows comes in several calls in a row: its Accounting stands in the first of them, the others have none, so that
// all calls can be added up. An interval without rows is one call.
type Visit = func(interval flow.Interval, records []flow.Record) error

// scanDays is how many days a scan has open at a time.
const scanDays = 16

// Scan visits what there is of an interface with first <= End <= last: day by day, within a day by End. Blocks that are
// still in a log come as they were written, parts with the same End after one another. In a segment the rows of all
// parts with the same End are summed up and come with the first of these; the others come without rows, each with its
// Duration and Accounting.
//
// What cannot be read is skipped and stands in the statistics; an error comes from the context, looked at before each
// chunk, from visit, or from the directory. An interface without data is no error.
func (s *Store) Scan(ctx context.Context, iface string, first, last int64, visit Visit) (stats ScanStats, err error) {
	first, last = max(first, 1), min(last, maxEnd)
	if first > last {
		return stats, ctx.Err()
	}
	files, err := s.listFiles(iface, dayOf(first), dayOf(last))
	if err != nil {
		return stats, fmt.Errorf("scan %s: %w", iface, err)
	}
	days := make([]day, 0, len(files))
	for _, f := range files {
		days = append(days, f.day)
	}
	for batch := range slices.Chunk(slices.Compact(days), scanDays) {
		from := max(first, int64(batch[0])*secondsPerDay+1)
		to := min(last, (int64(batch[len(batch)-1])+1)*secondsPerDay)
		v, err := s.View(ctx, iface, from, to)
		if err == nil {
			var more ScanStats
			more, err = v.scan(ctx, visit)
			stats.Add(more)
			v.Close()
		}
		if err != nil {
			return stats, fmt.Errorf("scan %s: %w", iface, err)
		}
	}
	return stats, nil
}

// reader is one scan of an interface; it owns the buffers.
type reader struct {
	first, last int64
	visit       Visit
	stats       ScanStats

	payload []byte
	raw     []byte
	records []flow.Record
}

// openedLog counts what the headers of a log say, and returns it with the blocks in the span only.
func (r *reader) openedLog(log *openLog) openLog {
	r.stats.Files++
	index := &log.index
	for _, damage := range index.damage {
		r.stats.lose(damage)
	}
	if index.torn > 0 {
		r.stats.tear(Damage{File: log.name, Offset: index.size - index.torn, Bytes: index.torn, Cause: "block is not complete"})
	}
	r.stats.Replays += index.replays
	within := *log
	within.blocks = slices.DeleteFunc(slices.Clone(log.blocks), func(b block) bool {
		return b.interval.End < r.first || b.interval.End > r.last
	})
	return within
}

// visitBlock decodes a block and hands its rows over. Damage is counted and no error.
func (r *reader) visitBlock(ctx context.Context, f vfs.File, name string, b *block) error {
	var err error
	if r.payload, err = readPayload(f, b, r.payload); err == nil {
		err = checkChunks(r.payload, b.rows)
	}
	damage := Damage{File: name, Offset: b.offset, Bytes: BlockHeaderSize + int64(b.payload)}
	if err != nil {
		damage.Cause = cause(err)
		r.stats.lose(damage)
		return nil
	}
	r.stats.Blocks++
	r.stats.BytesRead += BlockHeaderSize + uint64(b.payload)
	interval := b.interval
	for rest := r.payload; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var records []flow.Record
		if b.rows > 0 {
			if records, rest, err = r.decodeChunk(rest); err != nil {
				damage.Cause = cause(err)
				r.stats.lose(damage)
				return nil
			}
		}
		r.stats.Rows += uint64(len(records))
		if err := r.visit(interval, records); err != nil || len(rest) == 0 {
			return err
		}
		interval.Accounting = flow.Accounting{}
	}
}

var errPayload = errors.New("checksum mismatch")

// readPayload reads a block's payload into buffer, which is returned as it grew, and checks it. The index has
// checked that the file holds that many bytes. A mismatch is read again once: see readIndex.
func readPayload(f vfs.File, b *block, buffer []byte) ([]byte, error) {
	buffer = grow(buffer, int(b.payload))
	for range 2 {
		n, err := f.ReadAt(buffer, b.offset+BlockHeaderSize)
		if n < len(buffer) {
			return buffer, orUnexpectedEnd(err)
		}
		if checksum(buffer) == b.crc {
			return buffer, nil
		}
	}
	return buffer, errPayload
}

// orUnexpectedEnd is the error of a read that gave too little.
func orUnexpectedEnd(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// cause is an error without the path that stands beside it anyway.
func cause(err error) string {
	var damage *segment.DamageError
	if errors.As(err, &damage) {
		return cause(damage.Cause)
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Op + ": " + path.Err.Error()
	}
	return err.Error()
}

// Coverage returns the span an interface has data of, from the headers of its first and last days: the start of
// the earliest interval and the end of the latest one, in Unix seconds; 0 and 0 without data. Files that cannot be
// read are passed over.
func (s *Store) Coverage(iface string) (first, last int64, err error) {
	files, err := s.listFiles(iface, 0, endOfTime)
	if err != nil {
		return 0, 0, fmt.Errorf("coverage of %s: %w", iface, err)
	}
	days := make([]day, 0, len(files))
	for _, f := range files {
		days = append(days, f.day)
	}
	days = slices.Compact(days)
	for _, d := range days {
		if first, _ = s.daySpan(iface, d); first != 0 {
			break
		}
	}
	for _, d := range slices.Backward(days) {
		if _, last = s.daySpan(iface, d); last != 0 {
			break
		}
	}
	return first, last, nil
}

// daySpan is the earliest start and the latest end of a day's blocks; 0, 0 without any.
func (s *Store) daySpan(iface string, d day) (first, last int64) {
	v, err := s.View(context.Background(), iface, int64(d)*secondsPerDay+1, (int64(d)+1)*secondsPerDay)
	if err != nil {
		return 0, 0
	}
	defer v.Close()
	for _, intervals := range v.intervals() {
		for i := range intervals {
			iv := &intervals[i]
			start := iv.End - int64((iv.Duration+time.Second-1)/time.Second)
			if first == 0 || start < first {
				first = start
			}
			last = max(last, iv.End)
		}
	}
	return first, last
}
