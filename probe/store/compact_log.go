package store

import (
	"context"
	"fmt"

	"github.com/weirflow/weir/probe/segment"
	"github.com/weirflow/weir/probe/vfs"
)

// compactLog makes parts of the log's blocks that are in no segment; if these are all of a day that is over and no more
// than can be merged at once, the segment of the day.
func (d *daily) compactLog(ctx context.Context, ended bool) error {
	log := d.parts.log
	alone := ended && len(d.parts.segments) == 0 && !d.taken()
	batch, held, size := []run(nil), 0, int64(0)
	flush := func(number int) error {
		if len(batch) == 0 {
			return nil
		}
		err := d.make(ctx, number, size, func(f vfs.File) (segment.Info, error) {
			return mergeRuns(ctx, f, d.iface, d.day, batch)
		})
		batch, held, size, alone = nil, 0, 0, false
		return err
	}
	for i := range log.blocks {
		b := &log.blocks[i]
		r, err := readRun(ctx, log.file, b)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			d.store.log.Error("a block stays in its log: it cannot be read", "file", log.name, "offset", b.offset, "error", err)
			continue
		}
		if len(batch) > 0 && held+r.held() > mergeBytes {
			if err := flush(d.last + 1); err != nil {
				return err
			}
		}
		batch = append(batch, r)
		held += r.held()
		size += b.end() - b.offset
	}
	number := d.last + 1
	if alone {
		number = 0
	}
	if err := flush(number); err != nil {
		return err
	}
	if err := d.load(); err != nil {
		return err
	}
	if d.parts.log == nil {
		return nil
	}
	return d.removeLog()
}

// maxPacked is how many rows of a block are held in memory; a larger one is read from its log, twice.
const maxPacked = 1 << 20

// readRun reads a block and checks all of it.
func readRun(ctx context.Context, f vfs.File, b *block) (run, error) {
	if err := verifyPayload(ctx, f, b); err != nil {
		return nil, err
	}
	l := &logRun{file: f, block: *b}
	p := &packedRun{iv: b.interval}
	rows := 0
	for l.rewind(); ; {
		records, err := l.next()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if len(records) == 0 {
			break
		}
		rows += len(records)
		if b.rows <= maxPacked {
			p.pack(records)
		}
	}
	if rows != int(b.rows) {
		return nil, fmt.Errorf("%w: %d rows in the chunks, %d in the block's header", errChunk, rows, b.rows)
	}
	if b.rows > maxPacked {
		return l, nil
	}
	return p, nil
}

// verifyPayload checks the payload of a block against its checksum, without holding it in memory.
func verifyPayload(ctx context.Context, f vfs.File, b *block) error {
	buffer := make([]byte, min(int(b.payload), 1<<18))
	sum := uint32(0)
	for offset, left := b.offset+BlockHeaderSize, int(b.payload); left > 0; {
		part := buffer[:min(left, len(buffer))]
		if n, err := f.ReadAt(part, offset); n < len(part) {
			return orUnexpectedEnd(err)
		}
		sum = extendChecksum(sum, part)
		offset += int64(len(part))
		left -= len(part)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if sum != b.crc {
		return errPayload
	}
	return nil
}
