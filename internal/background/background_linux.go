package background

import (
	"runtime"

	"golang.org/x/sys/unix"
)

func run(niceness int, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		// Of the calling thread; without it the work is done all the same. The system call says 20 less the niceness.
		if n, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err != nil || 20-n < niceness {
			_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness)
		}
		f()
	}()
	<-done
}
