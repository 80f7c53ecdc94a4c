package meter

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/url"
	"path/filepath"
	"time"

	"github.com/weirflow/weir/probe/vfs"
)

// The directions that packets alone would not give are kept in a file beside the checkpoints, one for each
// interface, and taken in at the next start. It is written anew at the end of every interval, less often where that
// would exceed the rate of checkpoints, and when the meter stops.

const (
	directionsSuffix = ".directions"
	maxDirections    = 256 << 20 // bytes that are read; a full table has less
)

func directionsPath(cfg Config) string {
	return filepath.Join(cfg.CheckpointDir, url.PathEscape(cfg.Interface)+directionsSuffix)
}

// recall takes in the directions that the run before has left. That there are none, or none that can be read, costs
// no more than their knowledge.
func (l *loop) recall(wall int64) {
	if l.keeper == nil {
		return
	}
	memory, err := readDirections(l.deps.Files, directionsPath(l.cfg))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	n := 0
	if err == nil {
		n, err = l.table.Recall(memory, l.wall0, wall)
	}
	if err != nil {
		l.log.Warn("directions of conversations from before the start are not known", "error", err)
		return
	}
	l.log.Info("directions of conversations from before the start are known", "conversations", n)
}

func readDirections(files vfs.FS, path string) ([]byte, error) {
	file, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	if size > maxDirections {
		return nil, fmt.Errorf("read %s: it has %d bytes", path, size)
	}
	return io.ReadAll(io.NewSectionReader(file, 0, size))
}

// remember goes on writing down directions after a batch of n frames, where that is due and no pass is under way.
func (l *loop) remember(n int, wall int64, mono time.Duration) {
	if !l.remembering || l.pass != nil {
		return
	}
	if l.memory == nil {
		l.memory = l.table.Memory(l.wall0+int64(mono), wall)
	}
	limit := stepPerFrame * n
	if n == 0 {
		limit = idleStep
	}
	if l.memory.Step(limit) {
		l.remembered(mono)
	}
}

// rememberAll writes down directions at once: the meter stops.
func (l *loop) rememberAll(wall int64, mono time.Duration) {
	if l.keeper != nil {
		l.memory = l.table.Memory(l.wall0+int64(mono), wall)
		l.memory.Step(math.MaxInt)
		l.remembered(mono)
	}
}

// remembered brings directions to the keeper.
func (l *loop) remembered(mono time.Duration) {
	memory := l.memory
	l.memory, l.remembering = nil, false
	bytes := []byte(nil)
	if memory.Len() > 0 {
		bytes = memory.Bytes()
	}
	l.rememberAt = mono + time.Duration(float64(len(bytes))/float64(l.cfg.CheckpointRate)*float64(time.Second))
	l.keeper.saveDirections(bytes)
}

// rememberSoon notes that an interval has ended.
func (l *loop) rememberSoon(mono time.Duration) {
	l.remembering = l.remembering || l.keeper != nil && mono >= l.rememberAt
}

// saveDirections writes directions, or removes the file where there are none.
func (k *keeper) saveDirections(bytes []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.add(func() {
		if err := writeDirections(k.meter.deps.Files, directionsPath(k.meter.cfg), bytes); err != nil {
			k.meter.log.Warn("directions of conversations are not kept for the next start", "error", err)
		}
	})
}

func writeDirections(files vfs.FS, path string, bytes []byte) error {
	if bytes == nil {
		if err := files.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := files.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	temporary := path + ".new"
	file, err := files.OpenAppend(temporary, 0o640)
	if err != nil {
		return err
	}
	if err = file.Truncate(0); err == nil {
		_, err = file.Write(bytes)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, files.Remove(temporary))
	}
	if err := files.Rename(temporary, path); err != nil {
		return err
	}
	return files.SyncDir(filepath.Dir(path))
}
