//go:build linux || darwin || freebsd

package vfs

import (
	"errors"
	"syscall"
)

func space(name string) (Space, error) {
	var s syscall.Statfs_t
	for {
		err := syscall.Statfs(name, &s)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return Space{}, err
		}
		block := uint64(s.Bsize)                                                           //nolint:gosec // its type is the system's
		return Space{Total: s.Blocks * block, Free: uint64(max(s.Bavail, 0)) * block}, nil //nolint:gosec,unconvert // it is signed elsewhere
	}
}
