//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package vfs

import (
	"errors"
	"os"
)

const noWait = 0

// tryLock: where there is no flock(2) a store can be read, not written.
func tryLock(*os.File) error { return errors.ErrUnsupported }
