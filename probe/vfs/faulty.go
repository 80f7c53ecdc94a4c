package vfs

import (
	"io"
	"io/fs"
	"sync"
	"syscall"
)

// Faulty wraps a file system and injects faults. Set it up before the operations it is to hit; it is safe for
// concurrent use, though which operation is the n-th is then a matter of luck.
type Faulty struct {
	base FS

	mu         sync.Mutex
	operations int
	failAt     map[int]error
	limited    bool
	space      int64 // bytes that can still be written, if limited
}

var _ FS = (*Faulty)(nil)

// NewFaulty wraps base; without further calls it behaves as base does.
func NewFaulty(base FS) *Faulty { return &Faulty{base: base, failAt: map[int]error{}} }

// Operations is the number of operations so far, reading ones included: what FailOperation counts.
func (f *Faulty) Operations() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.operations
}

// FailOperation makes the n-th operation from now (1 is the next) fail with err and do nothing; a write does
// half of its work, which is what a short write is.
func (f *Faulty) FailOperation(n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failAt[f.operations+n] = err
}

// LimitSpace lets n more bytes be written; then writes end short with ENOSPC. Truncating gives space back, and
// so does calling it again.
func (f *Faulty) LimitSpace(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limited, f.space = true, n
}

// UnlimitSpace ends LimitSpace.
func (f *Faulty) UnlimitSpace() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limited = false
}

// step counts an operation and returns the fault planned for it.
func (f *Faulty) step() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.operations++
	return f.failAt[f.operations]
}

// room is how many of n bytes fit.
func (f *Faulty) room(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.limited {
		return n
	}
	fits := int(min(int64(n), f.space))
	f.space -= int64(fits)
	return fits
}

func (f *Faulty) file(name string, open func() (File, error)) (File, error) {
	if err := f.step(); err != nil {
		return nil, pathError("open", name, err)
	}
	base, err := open()
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: base, fs: f}, nil
}

// Open implements FS.
func (f *Faulty) Open(name string) (File, error) {
	return f.file(name, func() (File, error) { return f.base.Open(name) })
}

// Create implements FS.
func (f *Faulty) Create(name string, mode fs.FileMode) (File, error) {
	return f.file(name, func() (File, error) { return f.base.Create(name, mode) })
}

// OpenAppend implements FS.
func (f *Faulty) OpenAppend(name string, mode fs.FileMode) (File, error) {
	return f.file(name, func() (File, error) { return f.base.OpenAppend(name, mode) })
}

// Rename implements FS.
func (f *Faulty) Rename(oldName, newName string) error {
	if err := f.step(); err != nil {
		return pathError("rename", oldName, err)
	}
	return f.base.Rename(oldName, newName)
}

// Remove implements FS.
func (f *Faulty) Remove(name string) error {
	if err := f.step(); err != nil {
		return pathError("remove", name, err)
	}
	return f.base.Remove(name)
}

// MkdirAll implements FS.
func (f *Faulty) MkdirAll(name string, mode fs.FileMode) error {
	if err := f.step(); err != nil {
		return pathError("mkdir", name, err)
	}
	return f.base.MkdirAll(name, mode)
}

// ReadDir implements FS.
func (f *Faulty) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := f.step(); err != nil {
		return nil, pathError("readdir", name, err)
	}
	return f.base.ReadDir(name)
}

// Stat implements FS.
func (f *Faulty) Stat(name string) (fs.FileInfo, error) {
	if err := f.step(); err != nil {
		return nil, pathError("stat", name, err)
	}
	return f.base.Stat(name)
}

// SyncDir implements FS.
func (f *Faulty) SyncDir(name string) error {
	if err := f.step(); err != nil {
		return pathError("sync", name, err)
	}
	return f.base.SyncDir(name)
}

// Space implements FS. With LimitSpace, Free is what is left of that.
func (f *Faulty) Space(name string) (Space, error) {
	if err := f.step(); err != nil {
		return Space{}, pathError("statfs", name, err)
	}
	space, err := f.base.Space(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && f.limited {
		space.Free = min(space.Free, uint64(f.space))
	}
	return space, err
}

// Lock implements FS.
func (f *Faulty) Lock(name string, mode fs.FileMode, holder string) (io.Closer, error) {
	if err := f.step(); err != nil {
		return nil, pathError("lock", name, err)
	}
	return f.base.Lock(name, mode, holder)
}

type faultyFile struct {
	File
	fs *Faulty
}

func (f *faultyFile) ReadAt(p []byte, offset int64) (int, error) {
	if err := f.fs.step(); err != nil {
		return 0, pathError("read", f.Name(), err)
	}
	return f.File.ReadAt(p, offset)
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if err := f.fs.step(); err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, pathError("write", f.Name(), err)
	}
	fits := f.fs.room(len(p))
	n, err := f.File.Write(p[:fits])
	if err == nil && fits < len(p) {
		err = pathError("write", f.Name(), syscall.ENOSPC)
	}
	return n, err
}

func (f *faultyFile) Sync() error {
	if err := f.fs.step(); err != nil {
		return pathError("sync", f.Name(), err)
	}
	return f.File.Sync()
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.fs.step(); err != nil {
		return pathError("truncate", f.Name(), err)
	}
	before, err := f.Size()
	if err != nil {
		return err
	}
	if err := f.File.Truncate(size); err != nil {
		return err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.space += max(before-size, 0)
	return nil
}
