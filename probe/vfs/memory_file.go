package vfs

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"syscall"
)

// memoryFile is an open file of a Memory.
type memoryFile struct {
	fs       *Memory
	name     string
	node     *node
	readOnly bool
	closed   bool
}

// use checks that the file can be used. f.fs.mu is held.
func (f *memoryFile) use(op string, write bool) error {
	switch {
	case f.fs.stopped:
		return pathError(op, f.name, ErrStopped)
	case f.closed:
		return pathError(op, f.name, fs.ErrClosed)
	case write && f.readOnly:
		return pathError(op, f.name, fs.ErrPermission)
	case f.node.dir:
		return pathError(op, f.name, errors.New("is a directory"))
	}
	return nil
}

func (f *memoryFile) ReadAt(p []byte, offset int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.use("read", false); err != nil {
		return 0, err
	}
	if offset < 0 || offset >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memoryFile) Write(p []byte) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.use("write", true); err != nil {
		return 0, err
	}
	last, err := f.fs.change()
	if err != nil {
		return 0, pathError("write", f.name, err)
	}
	if last { // half of it reached the file before the machine stopped
		n := len(p) / 2
		f.node.data = append(f.node.data, p[:n]...)
		return n, pathError("write", f.name, ErrStopped)
	}
	f.fs.touch(f.node)
	if fits := f.fs.room(len(p)); fits < len(p) {
		f.node.data = append(f.node.data, p[:fits]...)
		return fits, pathError("write", f.name, syscall.ENOSPC)
	}
	f.node.data = append(f.node.data, p...)
	return len(p), nil
}

func (f *memoryFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.use("sync", false); err != nil {
		return err
	}
	if last, err := f.fs.change(); err != nil || last {
		return pathError("sync", f.name, ErrStopped)
	}
	f.node.synced = slices.Clone(f.node.data)
	return nil
}

func (f *memoryFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.use("truncate", true); err != nil {
		return err
	}
	if last, err := f.fs.change(); err != nil || last {
		return pathError("truncate", f.name, ErrStopped)
	}
	f.fs.touch(f.node)
	if size <= int64(len(f.node.data)) {
		f.node.data = slices.Clone(f.node.data[:size])
	} else {
		f.node.data = append(f.node.data, make([]byte, size-int64(len(f.node.data)))...)
	}
	return nil
}

func (f *memoryFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.use("stat", false); err != nil {
		return 0, err
	}
	return int64(len(f.node.data)), nil
}

func (f *memoryFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return pathError("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	return nil
}

func (f *memoryFile) Name() string { return f.name }
