package store

import (
	"runtime"
	"syscall"
)

// lowerPriority makes the calling goroutine yield to all others of the machine. It stays on a thread of its own, which
// ends with it: priorities are those of threads here.
func lowerPriority() {
	runtime.LockOSThread()
	const nicest = 19
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), nicest) // without it the work is done all the same
}
