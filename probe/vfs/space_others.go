//go:build !(linux || darwin || freebsd)

package vfs

import "errors"

// space is not known here: retention by free space does not work, all else does.
func space(string) (Space, error) { return Space{}, errors.ErrUnsupported }
