// Package vfs is the small file system interface that everything durable in the probe is written against, so that
// tests can lose power, run out of space and fail at any operation. It is floor 0 and knows nothing of flows.
//
// Three implementations: OS is the real one; Memory forgets at Crash what was not synced and can stop at the k-th
// operation; Faulty wraps another one and injects errors, short writes and a full disk.
//
// Durability is what POSIX promises and no more: bytes of a file survive a crash after Sync of the file, its name
// (creation, renaming, removal) after SyncDir of the directory that holds it.
package vfs

import (
	"fmt"
	"io"
	"io/fs"
)

// FS is a file system. Names are paths as of package filepath. Errors are those of package io/fs, so that
// errors.Is with fs.ErrNotExist and the like works. Implementations are safe for concurrent use.
type FS interface {
	// Open opens a file for reading.
	Open(name string) (File, error)
	// Create makes a new, empty file for writing; it fails with fs.ErrExist if the name is taken.
	Create(name string, mode fs.FileMode) (File, error)
	// OpenAppend opens a file for reading and for writing at its end, creating it if it is absent.
	OpenAppend(name string, mode fs.FileMode) (File, error)
	// Rename replaces newName by oldName, atomically within a directory.
	Rename(oldName, newName string) error
	Remove(name string) error
	MkdirAll(name string, mode fs.FileMode) error
	// ReadDir lists a directory, sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(name string) error
	// Space says how much room the file system that holds name has. It is errors.ErrUnsupported where the system
	// does not tell.
	Space(name string) (Space, error)
	// Lock takes the exclusive advisory lock on a file, creating it if it is absent, and writes holder into it.
	// A lock that another process or another caller holds is a *LockedError at once. Closing releases it.
	Lock(name string, mode fs.FileMode, holder string) (io.Closer, error)
}

// Space is the room of a file system, in bytes.
type Space struct {
	Total uint64
	// Free is what this process may still write; what is reserved for root is not in it.
	Free uint64
}

// File is an open file. ReadAt may be called concurrently; the other methods belong to one goroutine at a time.
type File interface {
	io.ReaderAt
	io.Writer // at the end of the file
	io.Closer
	// Sync makes the file's bytes and length durable.
	Sync() error
	// Truncate cuts the file to size bytes; later writes continue there.
	Truncate(size int64) error
	Size() (int64, error)
	Name() string
}

// LockedError says that somebody else holds a lock.
type LockedError struct {
	Path   string
	Holder string // what the holder wrote into the file, empty if that could not be read
}

func (e *LockedError) Error() string {
	if e.Holder == "" {
		return fmt.Sprintf("lock %s: held by another process", e.Path)
	}
	return fmt.Sprintf("lock %s: held by %s", e.Path, e.Holder)
}
