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
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness) // of the calling thread; without it the work is done all the same
		f()
	}()
	<-done
}
