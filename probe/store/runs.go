package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
	"github.com/weirflow/weir/probe/vfs"
)

// run is the rows of an interval, sorted by key, given out some at a time.
type run interface {
	interval() flow.Interval
	// rewind begins anew.
	rewind()
	// next returns the next rows, valid until the next call; none at the end.
	next() ([]flow.Record, error)
	// held is the number of bytes that it takes in memory.
	held() int
}

// packedRun is a run in memory, in columns: it takes a quarter of what its rows would.
type packedRun struct {
	iv      flow.Interval
	rows    int
	packed  []byte
	parts   []packedPart
	at      int // of the next part
	records []flow.Record
}

// packedPart is where a part ends, and how many rows it has.
type packedPart struct{ end, rows int }

const (
	// packRows is how many rows a packedRun gives out at a time.
	packRows = 512
	// recordBytes is what a row takes in memory.
	recordBytes = int(unsafe.Sizeof(flow.Record{}))
)

// pack adds rows, which come in the order of keys.
func (p *packedRun) pack(records []flow.Record) {
	p.rows += len(records)
	for part := range slices.Chunk(records, packRows) {
		p.packed = appendColumns(p.packed, part)
		p.parts = append(p.parts, packedPart{len(p.packed), len(part)})
	}
}

// held is what the run takes in memory while it is merged.
func (p *packedRun) held() int { return len(p.packed) + min(p.rows, packRows)*recordBytes }

func (p *packedRun) interval() flow.Interval { return p.iv }
func (p *packedRun) rewind()                 { p.at = 0 }

func (p *packedRun) next() ([]flow.Record, error) {
	if p.at == len(p.parts) {
		return nil, nil
	}
	start, part := 0, p.parts[p.at]
	if p.at > 0 {
		start = p.parts[p.at-1].end
	}
	p.at++
	p.records = grow(p.records, part.rows)
	return p.records, decodeColumns(p.packed[start:part.end], p.records)
}

// logRun is a block of a log. It reads one chunk after the other, so that it holds no more than that of it.
type logRun struct {
	file    vfs.File
	block   block
	offset  int64 // of the next chunk
	decoder reader
}

// held is what the run takes in memory while it is merged.
func (l *logRun) held() int { return min(int(l.block.rows), ChunkRows) * recordBytes }

func (l *logRun) interval() flow.Interval { return l.block.interval }
func (l *logRun) rewind()                 { l.offset = l.block.offset + BlockHeaderSize }

func (l *logRun) next() ([]flow.Record, error) {
	if l.offset >= l.block.end() {
		return nil, nil
	}
	left := l.block.end() - l.offset
	var header [chunkHeaderSize]byte
	if n, err := l.file.ReadAt(header[:min(left, chunkHeaderSize)], l.offset); n < chunkHeaderSize {
		return nil, fmt.Errorf("%w at %d: %w", errChunk, l.offset, orUnexpectedEnd(err))
	}
	stored := int64(binary.LittleEndian.Uint32(header[12:]))
	if stored > left-chunkHeaderSize {
		return nil, fmt.Errorf("%w at %d: %d bytes stored, %d left", errChunk, l.offset, stored, left-chunkHeaderSize)
	}
	size := chunkHeaderSize + int(stored)
	l.decoder.payload = grow(l.decoder.payload, size)
	if n, err := l.file.ReadAt(l.decoder.payload, l.offset); n < size {
		return nil, fmt.Errorf("%w at %d: %w", errChunk, l.offset, orUnexpectedEnd(err))
	}
	records, _, err := l.decoder.decodeChunk(l.decoder.payload)
	l.offset += int64(size)
	return records, err
}

// mergeRuns writes a segment of the rows of runs. It goes through them twice, first for what the rows are made of, then
// merging them; it holds what a segment.Writer does, and what each run gives out at a time.
func mergeRuns(ctx context.Context, f vfs.File, iface string, d day, runs []run) (segment.Info, error) {
	var vocabulary segment.Vocabulary
	meta := segment.Meta{Interface: iface, Day: int64(d)}
	blocks := make([]flow.Interval, len(runs))
	for i, r := range runs {
		blocks[i] = r.interval()
		meta.First, meta.Last = extend(meta.First, meta.Last, blocks[i].End)
		row := segment.Row{Stamp: blocks[i].End}
		r.rewind()
		for {
			records, err := r.next()
			if err != nil {
				return segment.Info{}, err
			}
			if err := ctx.Err(); err != nil {
				return segment.Info{}, err
			}
			if len(records) == 0 {
				break
			}
			for j := range records {
				row.Key = records[j].Key
				vocabulary.Add(&row)
			}
		}
	}
	w, err := segment.Create(f, segment.DefaultConfig(), meta, blocks, &vocabulary)
	if err != nil {
		return segment.Info{}, err
	}
	if err := addRuns(ctx, w, runs); err != nil {
		return segment.Info{}, err
	}
	return w.Finish()
}

// extend makes a span reach to end; a span without any is 0, 0.
func extend(first, last, end int64) (int64, int64) {
	if first == 0 || end < first {
		first = end
	}
	return first, max(last, end)
}

// addRuns gives the rows of all runs to a writer, in its order.
func addRuns(ctx context.Context, w *segment.Writer, runs []run) error {
	runs = slices.Clone(runs)
	slices.SortStableFunc(runs, func(a, b run) int { return cmp.Compare(a.interval().End, b.interval().End) })
	var h runHeap
	for i, r := range runs {
		r.rewind()
		c := &runCursor{run: r, stamp: r.interval().End, number: uint64(i)}
		if ok, err := c.advance(); err != nil {
			return err
		} else if ok {
			h = append(h, c.place())
		}
	}
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
	var row segment.Row
	for count := 0; len(h) > 0; count++ {
		if count%ChunkRows == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		c := h[0].cursor
		record := &c.records[c.at]
		row.Key, row.Stamp, row.Counters = record.Key, c.stamp, record.Counters
		if err := w.Add(&row); err != nil {
			return err
		}
		ok, err := c.advance()
		if err != nil {
			return err
		}
		if ok {
			h[0] = c.place()
		} else {
			h[0] = h[len(h)-1]
			h = h[:len(h)-1]
		}
		h.down(0)
	}
	return nil
}

// runCursor is a place in a run.
type runCursor struct {
	run     run
	stamp   int64
	number  uint64 // of the run, by its stamp
	records []flow.Record
	at      int
}

// advance goes to the next row; false at the end.
func (c *runCursor) advance() (bool, error) {
	if c.at++; c.at >= len(c.records) {
		var err error
		if c.records, err = c.run.next(); err != nil || len(c.records) == 0 {
			return false, err
		}
		c.at = 0
	}
	return true, nil
}

// runPlace is a cursor with two numbers that order IPv4 keys and their runs, and IPv6 keys as far as they go.
type runPlace struct {
	high, low uint64
	cursor    *runCursor
}

// place is where the cursor is.
func (c *runCursor) place() runPlace {
	k := &c.records[c.at].Key
	if k.Family != flow.IPv4 {
		return runPlace{1<<63 | binary.BigEndian.Uint64(k.Source[:8])>>1, 0, c}
	}
	source, destination := binary.BigEndian.Uint32(k.Source[:4]), uint64(binary.BigEndian.Uint32(k.Destination[:4]))
	return runPlace{uint64(source)<<31 | destination>>1,
		destination<<63 | uint64(k.DestinationPort)<<47 | uint64(k.Protocol)<<39 | c.number, c}
}

func (p *runPlace) less(o *runPlace) bool {
	switch {
	case p.high != o.high:
		return p.high < o.high
	case p.high>>63 == 0:
		return p.low < o.low
	}
	a, b := p.cursor, o.cursor
	if n := a.records[a.at].Key.Compare(b.records[b.at].Key); n != 0 {
		return n < 0
	}
	return a.number < b.number
}

// runHeap has the least row in front.
type runHeap []runPlace

// down lets the place at i sink to where it belongs.
func (h runHeap) down(i int) {
	if i >= len(h) {
		return
	}
	sinking := h[i]
	for {
		least := 2*i + 1
		if least >= len(h) {
			break
		}
		if right := least + 1; right < len(h) && h[right].less(&h[least]) {
			least = right
		}
		if !h[least].less(&sinking) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = sinking
}
