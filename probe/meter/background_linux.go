package meter

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// background is the niceness of what brings intervals to the sink: it gets a tenth of a processor that capture wants
// too, and all of one that nobody wants.
const background = 10

// inBackground runs f, on a thread of its own that ends with it: none can take its priority back.
func inBackground(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, background) // of the calling thread; where it may not be it goes on as it is
		f()
	}()
	<-done
}
