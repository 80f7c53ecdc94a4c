package meter

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/probe/checkpoint"
	"github.com/weirflow/weir/probe/table"
	"github.com/weirflow/weir/probe/vfs"
)

// The directions that packets alone would not give are kept in a file beside the checkpoints, one for each
// interface, and taken in at the next start. It is written anew at the end of every interval, less often where that
// would exceed the rate of checkpoints, and when the meter stops.

const (
	directionsSuffix = ".directions"
	maxDirections    = 256 << 20 // bytes that are read; a full table has less
)

func directionsPath(cfg Config, lane string) string {
	return filepath.Join(cfg.CheckpointDir, url.PathEscape(lane)+cfg.part()+directionsSuffix)
}

// recall takes in what the run before has left: directions, and attempts that were open. That there are none, or none
// that can be read, costs no more than their knowledge.
func (l *loop) recall(wall int64) {
	if l.keeper == nil {
		return
	}
	for _, suffix := range l.derivedBefore() {
		l.lanes.again(suffix)
	}
	for _, n := range l.lanes.all {
		log := l.log.With("lane", n.name)
		memory, err := readDirections(l.deps.Files, directionsPath(l.cfg, n.name))
		known := 0
		if err == nil {
			known, err = n.table.Recall(memory, l.wall0, wall)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			log.Warn("directions of conversations from before the start are not known", "error", err)
		default:
			log.Info("directions of conversations from before the start are known", "conversations", known)
		}
		l.resume(n, wall)
	}
}

// resume goes on with the attempts that the run before has left open, if that is not long ago, and takes them to the
// keeper at once.
func (l *loop) resume(n *lane, wall int64) {
	for _, left := range l.deps.Left {
		if left.Interface != n.name || len(left.Open) == 0 || time.Duration(wall-left.At) > l.cfg.Table.IdleLifetime {
			continue
		}
		resumed, err := n.table.Resume(left.Open, left.Clock, l.wall0, l.isMine)
		if err != nil {
			l.log.Warn("attempts from before the start are not followed", "lane", n.name, "error", err)
			continue
		}
		l.log.Info("attempts from before the start are followed", "lane", n.name, "attempts", resumed)
	}
	pass := n.table.Begin(table.Copy)
	pass.Step(math.MaxInt)
	if pass.Picture().Len() > 0 {
		l.keeper.carry(l.head(n), checkpoint.State{At: wall, Clock: l.wall0}, pass.Picture())
	}
}

// derivedBefore is what the names of derived interfaces of the run before had behind the interface's.
func (l *loop) derivedBefore() (suffixes []string) {
	names := map[string]bool{}
	for _, left := range l.deps.Left {
		names[left.Interface] = true
	}
	entries, _ := l.deps.Files.ReadDir(l.cfg.CheckpointDir) // there is none at the first start
	for _, entry := range entries {
		if escaped, ok := strings.CutSuffix(entry.Name(), l.cfg.part()+directionsSuffix); ok {
			if name, err := url.PathUnescape(escaped); err == nil {
				names[name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if suffix, ok := strings.CutPrefix(name, l.cfg.Interface); ok && suffix != "" {
			suffixes = append(suffixes, suffix)
		}
	}
	return suffixes
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
	if len(l.remembering) == 0 || l.round.left > 0 {
		return
	}
	age := time.Duration(0)
	if l.memory != nil {
		age = mono - l.memoryAt
	}
	l.rememberStep(l.visits(n, age), wall, mono)
}

// rememberAll writes down directions at once: the meter stops.
func (l *loop) rememberAll(wall int64, mono time.Duration) {
	if l.keeper == nil {
		return
	}
	l.memory, l.remembering = nil, slices.Clone(l.lanes.all)
	for len(l.remembering) > 0 {
		l.rememberStep(math.MaxInt, wall, mono)
	}
}

// rememberStep goes on with the first lane, and brings its directions to the keeper when they are complete.
func (l *loop) rememberStep(limit int, wall int64, mono time.Duration) {
	n := l.remembering[0]
	if l.memory == nil {
		l.memory, l.memoryAt = n.table.Memory(l.steady(mono), wall), mono
	}
	if !l.memory.Step(limit) {
		return
	}
	memory := l.memory
	l.memory, l.remembering = nil, l.remembering[1:]
	parts, size := [][]byte(nil), 0
	if memory.Len() > 0 {
		parts = memory.Parts()
	}
	for _, part := range parts {
		size += len(part)
	}
	l.rememberAt = max(l.rememberAt, mono) + time.Duration(float64(size)/float64(l.cfg.CheckpointRate)*float64(time.Second))
	l.keeper.saveDirections(directionsPath(l.cfg, n.name), parts)
}

// rememberSoon notes that an interval has ended.
func (l *loop) rememberSoon(mono time.Duration) {
	if len(l.remembering) == 0 && l.keeper != nil && mono >= l.rememberAt {
		l.remembering = slices.Clone(l.lanes.all)
	}
}

// saveDirections writes directions, in parts, or removes the file where there are none.
func (k *keeper) saveDirections(path string, parts [][]byte) {
	k.do(func() {
		if err := writeDirections(k.meter.deps.Files, path, parts); err != nil {
			k.meter.log.Warn("directions of conversations are not kept for the next start", "error", err)
		}
	})
}

func writeDirections(files vfs.FS, path string, parts [][]byte) error {
	if parts == nil {
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
	err = file.Truncate(0)
	for i := 0; i < len(parts) && err == nil; i++ {
		_, err = file.Write(parts[i])
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
