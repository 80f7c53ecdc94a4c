// Package checkpoint keeps the unfinished intervals of the meters on disk, so that a probe that is killed loses a
// few seconds and not minutes. It is private to the probe: written while an interval is open, removed when the
// interval is durably in the store, read only at start. It is floor 2, above vfs and flow; the meter feeds it.
//
// A Log is one file for one interval of one interface. Each Append adds what changed since the one before, as
// absolute sums per conversation, and is durable when it returns; the last sums of each conversation are the
// interval. Recover reads the logs a killed probe left behind and hands over intervals under their own boot id and
// sequence, so that a store which has them already drops them.
//
// The file is a sequence of bytes as follows; integers are little-endian, uvarint and zigzag varint as in package
// encoding/binary.
//
//	file   = magic "weirckpt" (8), version uint32 = 1, blocks
//	block  = length of payload uint32, type uint8, payload, CRC-32C of all that uint32
//	types:
//	 1 head   boot (16), sequence uint64, nominal end int64 (Unix s), interface name; the first block, once
//	 2 part   conversations
//	 3 commit at int64 (Unix ns), duration int64 (ns), received, dropped, metered, n, n issues (uvarints), then
//	          conversations; the parts before it count from here on
//	 4 seal   end int64 (Unix s), duration int64 (ns): the interval is over
//	conversations = length uncompressed uvarint, s2 block of the following
//	conversation  = id zigzag varint of the difference to the one before, family uint8 (4 or 6), source and
//	                destination (4 or 16 bytes each), port uint16, protocol uint8, mask uint16, for each set bit
//	                of mask, from the lowest, a counter uvarint in the order of flow.Counters
//
// Everything up to the first block that is cut or damaged counts; what follows is ignored.
package checkpoint

import (
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// Head says what a log is for.
type Head struct {
	Interface string
	Boot      [16]byte
	Sequence  uint64
	End       int64 // when the interval is going to end, Unix seconds
}

// State is how far an interval was when a checkpoint was taken.
type State struct {
	At         int64         // Unix nanoseconds
	Duration   time.Duration // covered so far
	Accounting flow.Accounting
}

// Log is the checkpoint of one interval. It belongs to one goroutine.
type Log struct {
	files vfs.FS
	path  string
	file  vfs.File
	good  int64 // length up to which the file is known to be whole
	dirty bool  // there may be more behind good
	raw   []byte
	block []byte
}

const (
	suffix    = ".checkpoint"
	temporary = ".new"
	fileMode  = 0o640
	dirMode   = 0o750
)

// Create makes the log of an interval in dir, which it makes if it is absent.
func Create(files vfs.FS, dir string, head Head) (*Log, error) {
	if err := makeDir(files, dir); err != nil {
		return nil, fmt.Errorf("create checkpoint: %w", err)
	}
	path := filepath.Join(dir, fileName(head))
	l := &Log{files: files, path: path, block: append(appendMagic(nil), headBlock(head)...)}
	if err := l.create(); err != nil {
		return nil, fmt.Errorf("create checkpoint %s: %w", path, err)
	}
	return l, nil
}

// makeDir makes the directory if it is absent; durably, also where an earlier attempt failed half-way.
func makeDir(files vfs.FS, dir string) error {
	if err := files.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	return files.SyncDir(filepath.Dir(dir))
}

// create writes the first block to a temporary file and gives it its name.
func (l *Log) create() (err error) {
	name := l.path + temporary
	if l.file, err = l.files.OpenAppend(name, fileMode); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.file.Close())
			_ = l.files.Remove(name) // Recover removes it otherwise
		}
	}()
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	if err := l.write(); err != nil {
		return err
	}
	if err := l.files.Rename(name, l.path); err != nil {
		return err
	}
	return l.files.SyncDir(filepath.Dir(l.path))
}

// fileName is unique for an interval, sorts by interface, run and sequence, and is safe whatever the interface is
// called.
func fileName(head Head) string {
	var name strings.Builder
	for _, c := range []byte(head.Interface) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			name.WriteByte(c)
		} else {
			fmt.Fprintf(&name, "%%%02x", c)
		}
	}
	fmt.Fprintf(&name, ".%x.%016x%s", head.Boot[:8], head.Sequence, suffix)
	return name.String()
}

// Append adds a checkpoint: the state, and the sums of all conversations that changed since the checkpoint before,
// by a number that is the conversation's own within the interval. It says how many bytes it took. After an error
// the log is as it was, and what was to be added has to come again with the next one.
func (l *Log) Append(state State, changed iter.Seq2[uint32, flow.Record]) (int, error) {
	l.block = l.block[:0]
	l.raw = l.raw[:0]
	var before uint32
	for id, record := range changed {
		l.raw = appendConversation(l.raw, id, before, &record)
		before = id
		if len(l.raw) > maxRaw-maxConversation {
			l.block = appendBlock(l.block, typePart, nil, l.raw)
			l.raw, before = l.raw[:0], 0
		}
	}
	l.block = appendBlock(l.block, typeCommit, stateFields(state), l.raw)
	if err := l.write(); err != nil {
		return 0, fmt.Errorf("append to checkpoint %s: %w", l.path, err)
	}
	return len(l.block), nil
}

// Seal says that the interval is over and what it is stamped with, durably.
func (l *Log) Seal(end int64, duration time.Duration) error {
	l.block = appendBlock(l.block[:0], typeSeal, sealFields(end, duration), nil)
	if err := l.write(); err != nil {
		return fmt.Errorf("seal checkpoint %s: %w", l.path, err)
	}
	return nil
}

// write adds l.block to the file, which it first cuts to what is known to be whole, durably.
func (l *Log) write() error {
	if l.dirty {
		if err := l.file.Truncate(l.good); err != nil {
			return err
		}
	}
	l.dirty = true
	if _, err := l.file.Write(l.block); err != nil {
		return err
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.good += int64(len(l.block))
	l.dirty = false
	return nil
}

// Remove ends the log and removes its file: the interval is in the store.
func (l *Log) Remove() error {
	return errors.Join(l.Close(), remove(l.files, l.path))
}

// Close ends the log and leaves its file to Recover.
func (l *Log) Close() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	if err != nil {
		return fmt.Errorf("close checkpoint %s: %w", l.path, err)
	}
	return nil
}

func remove(files vfs.FS, path string) error {
	err := files.Remove(path)
	if err == nil {
		err = files.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("remove checkpoint %s: %w", path, err)
	}
	return nil
}
