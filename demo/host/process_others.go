//go:build !linux

package host

import "syscall"

// dieWithParent has no counterpart here: a host that is killed leaves the plugin behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
