//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package vfs

import (
	"errors"
	"os"
)

// tryLock: where there is no flock(2) a store can be read, not written.
func tryLock(*os.File) error { return errors.ErrUnsupported }
