package vfs

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// ErrStopped is what every operation of a Memory returns once it has stopped.
var ErrStopped = errors.New("machine stopped")

// Memory is a file system in memory that can lose power. It keeps two states: what a running machine sees, and
// what is durable. Crash returns the latter, as the next boot finds it.
//
// StopAfter makes the machine stop at an operation, half done, so that a test can walk through every k.
type Memory struct {
	mu         sync.Mutex
	seen       map[string]*node // by cleaned path, directories included
	durable    map[string]*node // the names that survive a crash
	locks      map[string]string
	operations int
	stopAt     int // operation that stops the machine, 0: none
	stopped    bool
	quota      int64 // bytes that all files may take together, 0: any number
	clock      int64 // ticks at every change of a file, for ModTime
}

var _ FS = (*Memory)(nil)

// node is a file or a directory.
type node struct {
	dir    bool
	mode   fs.FileMode
	data   []byte
	synced []byte
	change int64 // when data changed last, on the file system's clock
}

// NewMemory returns an empty file system with the directories "/" and ".".
func NewMemory() *Memory {
	root, here := &node{dir: true, mode: 0o755}, &node{dir: true, mode: 0o755}
	return &Memory{
		seen:    map[string]*node{"/": root, ".": here},
		durable: map[string]*node{"/": root, ".": here},
		locks:   map[string]string{},
	}
}

// Operations is the number of operations so far that change something: what StopAfter counts.
func (m *Memory) Operations() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.operations
}

func pathError(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// Open implements FS.
func (m *Memory) Open(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup("open", name)
	if err != nil {
		return nil, err
	}
	return &memoryFile{fs: m, name: name, node: n, readOnly: true}, nil
}

func (m *Memory) lookup(op, name string) (*node, error) {
	if m.stopped {
		return nil, pathError(op, name, ErrStopped)
	}
	n := m.seen[filepath.Clean(name)]
	if n == nil {
		return nil, pathError(op, name, fs.ErrNotExist)
	}
	return n, nil
}

// Create implements FS.
func (m *Memory) Create(name string, mode fs.FileMode) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen[filepath.Clean(name)] != nil && !m.stopped {
		return nil, pathError("create", name, fs.ErrExist)
	}
	return m.add("create", name, mode)
}

// OpenAppend implements FS.
func (m *Memory) OpenAppend(name string, mode fs.FileMode) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.seen[filepath.Clean(name)]; n != nil && !m.stopped {
		return &memoryFile{fs: m, name: name, node: n}, nil
	}
	return m.add("open", name, mode)
}

// add makes a new file. m.mu is held.
func (m *Memory) add(op, name string, mode fs.FileMode) (File, error) {
	name = filepath.Clean(name)
	if parent := m.seen[filepath.Dir(name)]; !m.stopped && (parent == nil || !parent.dir) {
		return nil, pathError(op, name, fs.ErrNotExist)
	}
	last, err := m.change()
	if err != nil || last {
		return nil, pathError(op, name, ErrStopped)
	}
	n := &node{mode: mode}
	m.touch(n)
	m.seen[name] = n
	return &memoryFile{fs: m, name: name, node: n}, nil
}

// Rename implements FS.
func (m *Memory) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup("rename", oldName)
	if err != nil {
		return err
	}
	if last, err := m.change(); err != nil || last {
		return pathError("rename", oldName, ErrStopped)
	}
	delete(m.seen, filepath.Clean(oldName))
	m.seen[filepath.Clean(newName)] = n
	return nil
}

// Remove implements FS.
func (m *Memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup("remove", name)
	if err != nil {
		return err
	}
	if n.dir && len(m.children(filepath.Clean(name))) > 0 {
		return pathError("remove", name, errors.New("directory not empty"))
	}
	if last, err := m.change(); err != nil || last {
		return pathError("remove", name, ErrStopped)
	}
	delete(m.seen, filepath.Clean(name))
	return nil
}

// MkdirAll implements FS.
func (m *Memory) MkdirAll(name string, mode fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var missing []string
	for path := filepath.Clean(name); ; path = filepath.Dir(path) {
		n := m.seen[path]
		if n != nil && !n.dir {
			return pathError("mkdir", path, errors.New("not a directory"))
		}
		if n != nil {
			break
		}
		missing = append(missing, path)
	}
	for _, path := range slices.Backward(missing) {
		if last, err := m.change(); err != nil || last {
			return pathError("mkdir", path, ErrStopped)
		}
		m.seen[path] = &node{dir: true, mode: mode}
	}
	return nil
}

// children are the cleaned paths directly below a directory, sorted.
func (m *Memory) children(dir string) []string {
	var names []string
	for name := range m.seen {
		if filepath.Dir(name) == dir && name != dir {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ReadDir implements FS.
func (m *Memory) ReadDir(name string) ([]fs.DirEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.lookup("readdir", name); err != nil {
		return nil, err
	}
	var entries []fs.DirEntry
	for _, child := range m.children(filepath.Clean(name)) {
		entries = append(entries, fs.FileInfoToDirEntry(m.info(child)))
	}
	return entries, nil
}

// Stat implements FS.
func (m *Memory) Stat(name string) (fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.lookup("stat", name); err != nil {
		return nil, err
	}
	return m.info(filepath.Clean(name)), nil
}

// SyncDir implements FS.
func (m *Memory) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.lookup("sync", name); err != nil {
		return err
	}
	if last, err := m.change(); err != nil || last {
		return pathError("sync", name, ErrStopped)
	}
	dir := filepath.Clean(name)
	for path := range m.durable {
		if filepath.Dir(path) == dir && path != dir && m.seen[path] == nil {
			delete(m.durable, path)
		}
	}
	for _, path := range m.children(dir) {
		m.durable[path] = m.seen[path]
	}
	return nil
}

// Lock implements FS. Locks do not survive Crash.
func (m *Memory) Lock(name string, mode fs.FileMode, holder string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = filepath.Clean(name)
	if held, ok := m.locks[name]; ok && !m.stopped {
		return nil, &LockedError{Path: name, Holder: held}
	}
	if m.seen[name] == nil {
		if _, err := m.add("lock", name, mode); err != nil {
			return nil, err
		}
	}
	m.locks[name] = holder
	return unlocker(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.locks, name)
	}), nil
}

type unlocker func()

func (u unlocker) Close() error {
	u()
	return nil
}

// info describes a path. m.mu is held.
func (m *Memory) info(path string) fs.FileInfo {
	n := m.seen[path]
	return memoryInfo{name: filepath.Base(path), size: int64(len(n.data)), mode: n.mode, dir: n.dir, change: n.change}
}

// touch notes that a file changed. m.mu is held.
func (m *Memory) touch(n *node) {
	m.clock++
	n.change = m.clock
}

type memoryInfo struct {
	name string
	size int64
	mode fs.FileMode
	dir  bool

	change int64
}

func (i memoryInfo) Name() string       { return i.name }
func (i memoryInfo) Size() int64        { return i.size }
func (i memoryInfo) ModTime() time.Time { return time.Unix(0, i.change) } // tells changes apart, no more
func (i memoryInfo) IsDir() bool        { return i.dir }
func (i memoryInfo) Sys() any           { return nil }
func (i memoryInfo) Mode() fs.FileMode {
	if i.dir {
		return i.mode | fs.ModeDir
	}
	return i.mode
}
