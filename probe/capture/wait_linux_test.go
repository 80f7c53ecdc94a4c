package capture

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newTestWaiter waits for two event counters.
func newTestWaiter(t *testing.T) (w *waiter, first, second int) {
	t.Helper()
	var counters [2]int
	for i := range counters {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		counters[i] = fd
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
	w, err := newWaiter(counters[0], counters[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.close() })
	return w, counters[0], counters[1]
}

func tell(t *testing.T, fd int) {
	t.Helper()
	if _, err := unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		t.Error(err)
	}
}

func silence(t *testing.T, fd int) {
	t.Helper()
	var count [8]byte
	if _, err := unix.Read(fd, count[:]); err != nil {
		t.Error(err)
	}
}

// withProcessors lets so many of the runtime's processors be there for a test.
func withProcessors(t *testing.T, n int) {
	before := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// TestWaitAlone: a waiter whose waits are short waits by itself, sees either descriptor, and holds up neither the
// garbage collector nor anybody who has no processor of their own.
func TestWaitAlone(t *testing.T) {
	withProcessors(t, SpareProcessors+1)
	w, first, second := newTestWaiter(t)
	tell(t, first)
	if a, b, err := w.wait(-1); a != unix.POLLIN || b != 0 || err != nil || !w.busy {
		t.Fatalf("first wait: %d, %d, %v, busy %t", a, b, err, w.busy)
	}
	silence(t, first)
	alone := 0
	for i := 0; i < 20 || alone == 0 && i < 1000; i++ {
		fd := []int{first, second}[i%2]
		collected := make(chan struct{})
		go func() {
			defer close(collected)
			// On a loaded machine the wait may be over, and left to the poller, before anybody looks.
			for begin := time.Now(); waiting.Load() == 0 && time.Since(begin) < 10*shortWait; {
				runtime.Gosched()
			}
			if waiting.Load() != 0 {
				alone++
			}
			runtime.GC() // stops the waiting thread, too
			tell(t, fd)
		}()
		a, b, err := w.wait(-1)
		if wanted := [2]int16{unix.POLLIN}; err != nil || i%2 == 0 && [2]int16{a, b} != wanted || i%2 == 1 && [2]int16{b, a} != wanted {
			t.Fatalf("wait %d: %d, %d, %v", i, a, b, err)
		}
		<-collected
		silence(t, fd)
		w.busy = true // however slow the machine is
	}
	if alone == 0 {
		t.Error("never waited by itself")
	}
	if n := waiting.Load(); n != 0 {
		t.Errorf("%d still wait by themselves", n)
	}
}

// TestWaitAloneInTurn: where processors are few, no waiter takes one for itself; where nothing comes, it gives it up.
func TestWaitAloneInTurn(t *testing.T) {
	w, first, _ := newTestWaiter(t)
	withProcessors(t, SpareProcessors)
	tell(t, first)
	if w.pollAlone(time.Now().Add(time.Minute)) {
		t.Error("took one of the spare processors")
	}
	withProcessors(t, SpareProcessors+1)
	if !w.pollAlone(time.Now().Add(time.Minute)) {
		t.Error("did not wait although there is a processor")
	}
	if !w.pollAlone(time.Now().Add(-time.Second)) { // a thread that was kept from running
		t.Error("did not look because it was late")
	}
	silence(t, first)
	if w.pollAlone(time.Now().Add(time.Millisecond)) {
		t.Error("found what is not there")
	}
	w.busy = true
	for try := 0; w.busy; try++ { // a loaded machine may let this thread run only when the time is up
		if try == 50 {
			t.Fatal("a waiter that waits long stays busy")
		}
		time.AfterFunc(2*shortWait, func() { tell(t, first) })
		if a, b, err := w.wait(-1); a != unix.POLLIN || b != 0 || err != nil {
			t.Fatalf("came late: %d, %d, %v", a, b, err)
		}
		silence(t, first)
	}
	w.busy = true
	if a, b, err := w.wait(1); a != 0 || b != 0 || err != nil || w.busy {
		t.Errorf("nothing came: %d, %d, %v, busy %t", a, b, err, w.busy)
	}
}
