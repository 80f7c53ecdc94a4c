// Package checkpoint keeps the unfinished intervals of the meters on disk, so that a probe that is killed loses a
// few seconds and not minutes. It is private to the probe: written while an interval is open, removed when the
// interval is durably in the store, read only at start. It is floor 2, above vfs and flow; the meter feeds it.
//
// A Log is one file for one interval of one interface. A checkpoint is a number of calls of Add and one of Commit. It
// adds what changed since the one before, as absolute sums per conversation, and is durable when Commit returns; the
// last sums of each conversation are the interval. So is what each conversation leaves open for the time after it, in
// bytes that only the flow table understands. Recover reads the logs a killed probe left behind and hands over intervals
// under their own boot id and sequence, so that a store which has them already drops them.
//
// The file is a sequence of bytes as follows; integers are little-endian, uvarint and zigzag varint as in package
// encoding/binary.
//
//	file   = magic "weirckpt" (8), version uint32 = 2, blocks
//	block  = length of payload uint32, type uint8, payload, CRC-32C of all that uint32
//	types:
//	 1 head   boot (16), sequence uint64, nominal end int64 (Unix s), interface name; the first block, once
//	 2 part   conversations
//	 3 commit at int64 (Unix ns), clock int64 (ns), duration int64 (ns), received, dropped, metered, n, n issues
//	          (uvarints), then conversations; the parts before it count from here on
//	 4 seal   end int64 (Unix s), duration int64 (ns): the interval is over
//	conversations = length uncompressed uvarint, s2 block of the following
//	conversation  = id zigzag varint of the difference to the one before, family uint8 (4 or 6), source and
//	                destination (4 or 16 bytes each), port uint16, protocol uint8, mask uint16, for each set bit
//	                of mask, from the lowest, a counter uvarint in the order of flow.Counters; where bit 15 is set,
//	                a length uint8 and so many bytes of what it leaves open
//
// Everything up to the first block that is cut or damaged counts; what follows is ignored.
package checkpoint

import (
	"errors"
	"fmt"
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
	Clock      int64         // the flow table's clock, nanoseconds: what Open speaks of
	Duration   time.Duration // covered so far
	Accounting flow.Accounting
}

// Log is the checkpoint of one interval. It belongs to one goroutine.
type Log struct {
	files vfs.FS
	path  string
	file  vfs.File
	good  int64 // length up to which the file is known to be whole: behind the last commit
	dirty bool  // there may be more behind good that must not count
	size  int   // bytes of the checkpoint that is being added

	raw, block, packed []byte
	before             uint32 // ID of the last conversation in raw
}

// Conversation is what a checkpoint says of one.
type Conversation struct {
	ID     uint32 // its own within the interval
	Record flow.Record
	Open   []byte // what it leaves open, at most MaxOpen bytes
}

// MaxOpen bounds what a conversation may leave open.
const MaxOpen = 255

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
	if err := l.append(); err != nil {
		return err
	}
	if err := l.sync(); err != nil {
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
	return fmt.Sprintf("%s.%x.%016x%s", escape(head.Interface), head.Boot[:8], head.Sequence, suffix)
}

// escape makes a part of a file name, without dots, of an interface's name.
func escape(iface string) string {
	var name strings.Builder
	for _, c := range []byte(iface) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			name.WriteByte(c)
		} else {
			fmt.Fprintf(&name, "%%%02x", c)
		}
	}
	return name.String()
}

// Add adds a conversation to the next checkpoint, with its sums since the interval began. After an error the log is as
// it was after the last Commit.
func (l *Log) Add(c *Conversation) error {
	l.raw = appendConversation(l.raw, l.before, c)
	l.before = c.ID
	if len(l.raw) < partSize {
		return nil
	}
	l.block = l.appendBlock(l.block[:0], typePart, nil)
	return l.append()
}

// Commit completes a checkpoint and says how many bytes it took. After an error the log is as it was after the last
// Commit, and what was added has to be added again.
func (l *Log) Commit(state State) (int, error) {
	l.block = l.appendBlock(l.block[:0], typeCommit, stateFields(state))
	if err := l.append(); err != nil {
		return 0, err
	}
	size := l.size
	if err := l.sync(); err != nil {
		return 0, err
	}
	return size, nil
}

// GiveUp forgets what was added since the last Commit.
func (l *Log) GiveUp() {
	l.dirty = l.dirty || l.size > 0
	l.raw, l.before, l.size = l.raw[:0], 0, 0
}

// Seal says that the interval is over and what it is stamped with, durably.
func (l *Log) Seal(end int64, duration time.Duration) error {
	l.GiveUp()
	l.block = appendBlock(l.block[:0], typeSeal, sealFields(end, duration))
	if err := l.append(); err != nil {
		return err
	}
	return l.sync()
}

// append adds l.block to the file, which it first cuts to what is to count.
func (l *Log) append() error {
	if l.dirty {
		if err := l.file.Truncate(l.good); err != nil {
			return l.failed(err)
		}
		l.dirty = false
	}
	if _, err := l.file.Write(l.block); err != nil {
		return l.failed(err)
	}
	l.size += len(l.block)
	return nil
}

// sync makes what was written durable and lets it count.
func (l *Log) sync() error {
	if err := l.file.Sync(); err != nil {
		return l.failed(err)
	}
	l.good += int64(l.size)
	l.size = 0
	return nil
}

func (l *Log) failed(err error) error {
	l.GiveUp()
	l.dirty = true
	return fmt.Errorf("append to checkpoint %s: %w", l.path, err)
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
