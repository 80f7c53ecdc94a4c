package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/weirflow/weir/probe/vfs"
)

// Damage is a part of a file that could not be read.
type Damage struct {
	File   string // path from the store's root
	Offset int64
	Bytes  int64
	Cause  string
}

func (d Damage) String() string {
	return fmt.Sprintf("%s: %d bytes at %d lost: %s", d.File, d.Bytes, d.Offset, d.Cause)
}

// identity is what makes a block the same block.
type identity struct {
	boot     [16]byte
	sequence uint64
}

func (h *blockHeader) identity() identity { return identity{h.interval.Boot, h.interval.Sequence} }

// block is a block's place in its file.
type block struct {
	offset int64
	blockHeader
}

// end is the offset behind the block.
func (b *block) end() int64 { return b.offset + BlockHeaderSize + int64(b.payload) }

// logIndex is what the headers of a log say.
type logIndex struct {
	size    int64 // of the file
	good    int64 // offset behind the last block, or behind the file header
	blocks  []block
	damage  []Damage // between the blocks and behind them
	torn    int64    // bytes at the end of a block that was not written to its end
	replays uint64   // blocks that are in the file more than once
	read    uint64   // bytes of the file that were read for this
}

// readIndex reads the headers of a log, without the payloads. An error means that the file as a whole is not
// read: it failed, or it is not the log of this interface and day.
//
// Damage is looked at twice, since a writer that cuts off a failed append and writes anew may do so under the
// reader's eyes.
func readIndex(f vfs.File, name, iface string, d day) (logIndex, error) {
	index, err := readIndexOnce(f, name, iface, d)
	if err == nil && len(index.damage) > 0 || errors.Is(err, errNoLog) {
		before := index.read
		index, err = readIndexOnce(f, name, iface, d)
		index.read += before
	}
	return index, err
}

func readIndexOnce(f vfs.File, name, iface string, d day) (index logIndex, err error) {
	want, tag := fileHeader(iface, d)
	if index.size, err = f.Size(); err != nil {
		return index, err
	}
	w := &window{file: f, size: index.size}
	defer func() { index.read = w.read }()
	start, err := w.at(0, maxFileHeader)
	if err != nil {
		return index, err
	}
	intact, err := checkFileHeader(start, want)
	if err != nil {
		return index, err
	}
	walk := walker{window: w, name: name, tag: tag, day: d, index: &index, seen: map[identity]struct{}{}}
	if intact {
		index.good = int64(len(want))
	}
	if err := walk.run(index.good); err != nil {
		return index, err
	}
	if !intact && len(index.blocks) == 0 {
		return index, errNoLog
	}
	return index, nil
}

// walker goes from block to block.
type walker struct {
	*window
	name  string
	tag   uint32
	day   day
	index *logIndex
	seen  map[identity]struct{}
}

func (w *walker) run(position int64) error {
	for position < w.size {
		b, err := w.at(position, BlockHeaderSize)
		if err != nil {
			return err
		}
		if len(b) < BlockHeaderSize {
			w.index.torn = w.size - position
			return nil
		}
		header, ok := parseBlockHeader(b, w.tag, w.day)
		if !ok {
			next, err := w.resynchronise(position + 1)
			if err != nil {
				return err
			}
			w.index.damage = append(w.index.damage,
				Damage{File: w.name, Offset: position, Bytes: next - position, Cause: "no block header"})
			position = next
			continue
		}
		found := block{offset: position, blockHeader: header}
		if found.end() > w.size {
			w.index.torn = w.size - position
			return nil
		}
		if _, again := w.seen[found.identity()]; again {
			w.index.replays++
		} else {
			w.seen[found.identity()] = struct{}{}
			w.index.blocks = append(w.index.blocks, found)
		}
		position = found.end()
		w.index.good = position
	}
	return nil
}

// resynchronise returns the offset of the next block header, or the end of the file.
func (w *walker) resynchronise(position int64) (int64, error) {
	for position < w.size {
		b, err := w.at(position, BlockHeaderSize)
		if err != nil {
			return 0, err
		}
		if len(b) < BlockHeaderSize {
			return w.size, nil
		}
		if _, ok := parseBlockHeader(b, w.tag, w.day); ok {
			return position, nil
		}
		// Look for the magic in all that is in memory, from the next byte on.
		ahead := w.buffer[position-w.start+1:]
		if i := bytes.Index(ahead, blockMagic[:]); i >= 0 {
			position += 1 + int64(i)
		} else {
			position += 1 + int64(max(len(ahead)-len(blockMagic)+1, 0))
		}
	}
	return w.size, nil
}

const windowSize = 16 << 10

// window reads a file in pieces, so that many small blocks cost one read.
type window struct {
	file   vfs.File
	size   int64
	start  int64
	buffer []byte
	read   uint64 // bytes
}

// at returns the n bytes at position, n <= windowSize, or fewer at the end of the file; valid until the next call.
func (w *window) at(position int64, n int) ([]byte, error) {
	n = int(min(int64(n), w.size-position))
	if position < w.start || position+int64(n) > w.start+int64(len(w.buffer)) {
		if err := w.load(position); err != nil {
			return nil, err
		}
	}
	b := w.buffer[position-w.start:]
	return b[:min(n, len(b))], nil
}

func (w *window) load(position int64) error {
	w.buffer = grow(w.buffer, windowSize)
	n, err := w.file.ReadAt(w.buffer[:min(windowSize, w.size-position)], position)
	w.read += uint64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		w.buffer = w.buffer[:0]
		return err
	}
	w.start, w.buffer = position, w.buffer[:n]
	return nil
}
