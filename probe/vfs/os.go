package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// OS is the machine's file system. The zero value is ready.
type OS struct{}

var _ FS = OS{}

// Open implements FS.
func (OS) Open(name string) (File, error) { return open(name, os.O_RDONLY, 0) }

// Create implements FS.
func (OS) Create(name string, mode fs.FileMode) (File, error) {
	return open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
}

// OpenAppend implements FS.
func (OS) OpenAppend(name string, mode fs.FileMode) (File, error) {
	return open(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, mode)
}

// Rename implements FS.
func (OS) Rename(oldName, newName string) error { return os.Rename(oldName, newName) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// MkdirAll implements FS.
func (OS) MkdirAll(name string, mode fs.FileMode) error { return os.MkdirAll(name, mode) }

// ReadDir implements FS.
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// Stat implements FS.
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// SyncDir implements FS.
func (OS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// Space implements FS.
func (OS) Space(name string) (Space, error) {
	space, err := space(name)
	if err != nil {
		return Space{}, &fs.PathError{Op: "statfs", Path: name, Err: err}
	}
	return space, nil
}

// Lock implements FS. The lock is flock(2), so it goes away with the process that holds it however that ends, and
// the file stays: removing it would let two holders lock two files of one name.
func (OS) Lock(name string, mode fs.FileMode, holder string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, mode)
	if err != nil {
		return nil, err
	}
	if err := tryLock(f); err != nil {
		defer f.Close()
		if errors.Is(err, errHeld) {
			return nil, &LockedError{Path: name, Holder: readHolder(f)}
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	if err := writeHolder(f, holder); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// errHeld is what tryLock returns if somebody else holds the lock.
var errHeld = errors.New("held")

func readHolder(f *os.File) string {
	b := make([]byte, 200)
	n, _ := f.ReadAt(b, 0) // a message without the name is better than none
	return strings.TrimSpace(string(b[:n]))
}

func writeHolder(f *os.File, holder string) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(holder+"\n"), 0)
	return err
}

type osFile struct{ *os.File }

// open takes files of bytes only: to open a pipe may wait for ever, and a device has no end.
func open(name string, flags int, mode fs.FileMode) (File, error) {
	f, err := os.OpenFile(filepath.Clean(name), flags|noWait, mode)
	if errors.Is(err, fs.ErrNotExist) {
		if _, there := os.Readlink(name); there == nil { // else who lists the directory would wait for it to go
			return nil, &fs.PathError{Op: "open", Path: name, Err: errNoTarget}
		}
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errNoFile}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return osFile{f}, nil
}

var (
	errNoFile   = errors.New("not a regular file")
	errNoTarget = errors.New("a link to a file that is not there")
)

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
