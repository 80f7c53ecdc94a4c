package background

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// niceness is that of the calling thread.
func niceness(t *testing.T) int {
	t.Helper()
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return 20 - n // as the system call has it
}

// TestRun: what runs has the niceness named, or that of the process where it is higher, whoever asked for it keeps the own
// one, and waits.
func TestRun(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own := niceness(t)
	for _, want := range []int{10, 19} {
		got := -1
		Run(want, func() { got = niceness(t) })
		if got != max(want, own) {
			t.Errorf("niceness %d, want %d", got, max(want, own))
		}
	}
	if now := niceness(t); now != own {
		t.Errorf("the caller has niceness %d now, had %d", now, own)
	}
}
