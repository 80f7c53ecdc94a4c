//go:build linux || darwin || freebsd

package vfs

import "syscall"

func space(name string) (Space, error) {
	var s syscall.Statfs_t
	for {
		err := syscall.Statfs(name, &s)
		if err == syscall.EINTR { //nolint:errorlint // a system call's own error
			continue
		}
		if err != nil {
			return Space{}, err
		}
		block := uint64(s.Bsize)                                                           //nolint:gosec,unconvert // its type is the system's
		return Space{Total: s.Blocks * block, Free: uint64(max(s.Bavail, 0)) * block}, nil //nolint:gosec,unconvert // as above
	}
}
