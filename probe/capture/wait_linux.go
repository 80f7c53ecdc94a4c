package capture

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// waiter waits for one of two descriptors: by the poller of the Go runtime where little comes, and by itself while
// blocks come one upon the other. The poller is asked when a processor of the runtime has nothing else to do, or by its
// monitor every 10 ms: while an interval is written, that is later than a ring lasts under full load.
type waiter struct {
	file    *os.File // an epoll instance over both and the clock, which the runtime's poller looks at as at any other file
	number  int      // its descriptor
	watched bool     // the poller hears of the first descriptor
	conn    syscall.RawConn
	ready   func(fd uintptr) bool
	clock   int            // a timer that ends pauses: the runtime's own would have its poller, its monitor and another thread look at it
	polled  [3]unix.PollFd // the two, then the clock
	asked   []unix.PollFd  // those of polled that count: not the first in a pause, not the clock otherwise
	limited bool           // file has a deadline
	busy    bool           // the last wait was short
	err     error
}

// shortWait is how long a wait may be to be one of a busy ring, whose next one is not left to the poller. Longer ones
// would have the runtime's monitor take the processor away each time, which costs more than the poller.
const shortWait = 4 * time.Millisecond

// waiting is how many readers wait by themselves.
var waiting atomic.Int32

func newWaiter(first, second int) (*waiter, error) {
	clock, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	instance, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		_ = unix.Close(clock)
		return nil, err
	}
	w := &waiter{number: instance, watched: true, clock: clock}
	for i, fd := range []int{first, second, clock} {
		w.polled[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		err = errors.Join(err, unix.EpollCtl(instance, unix.EPOLL_CTL_ADD, fd, &event))
	}
	w.asked = w.polled[:2]
	if err = errors.Join(err, unix.SetNonblock(instance, true)); err != nil {
		_, _ = unix.Close(instance), unix.Close(clock)
		return nil, err
	}
	w.file = os.NewFile(uintptr(instance), "epoll")
	w.ready = w.look
	if w.conn, err = w.file.SyscallConn(); err != nil {
		_ = w.close()
		return nil, err
	}
	return w, nil
}

// look sees what there is, without waiting.
func (w *waiter) look(uintptr) bool { return w.poll(0) }

// poll waits so long. The runtime is not told of the system call: it would wake its monitor, which then looks around
// every 20 microseconds for a while, after every block of the ring. When it wants the thread, it sends it a signal, which
// ends the call.
//
//go:noinline
func (w *waiter) poll(limit time.Duration) (found bool) {
	timeout := unix.NsecToTimespec(int64(limit))
	n, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&w.asked[0])), uintptr(len(w.asked)),
		uintptr(unsafe.Pointer(&timeout)), 0, 0, 0)
	if w.err = nil; errno != 0 {
		if n = 0; errno != unix.EINTR {
			w.err = errno
		}
	}
	return n != 0 || w.err != nil
}

// pollAlone waits in the system call until end at most, if there are processors enough. However late it is, it looks once.
func (w *waiter) pollAlone(end time.Time) (found bool) {
	defer waiting.Add(-1)
	if int(waiting.Add(1)) > runtime.GOMAXPROCS(0)-SpareProcessors {
		return false
	}
	for left := time.Duration(1); !found && left > 0; {
		left = max(time.Until(end), 0)
		found = w.poll(left)
	}
	return found
}

// wait returns what the two descriptors have to say, nothing after so many milliseconds; -1 is for ever.
func (w *waiter) wait(milliseconds int) (first, second int16, err error) {
	w.polled[0].Revents, w.polled[1].Revents, w.err = 0, 0, nil
	begin := time.Now()
	if w.busy && milliseconds < 0 {
		if err := w.watch(false); err != nil {
			return 0, 0, err
		}
		if w.pollAlone(begin.Add(shortWait)) {
			return w.polled[0].Revents, w.polled[1].Revents, w.err
		}
	}
	if err := w.watch(true); err != nil {
		return 0, 0, err
	}
	first, second, err = w.park(milliseconds)
	w.busy = first != 0 && time.Since(begin) < shortWait
	return first, second, err
}

// pause lets so much time pass, or less if the second descriptor has something to say, whatever the first one says meanwhile;
// by itself, then at most shortWait, or by the poller.
func (w *waiter) pause(d time.Duration, alone bool) (called bool, err error) {
	w.polled[1].Revents, w.polled[2].Revents, w.err = 0, 0, nil
	w.asked = w.polled[1:]
	defer func() { w.asked = w.polled[:2] }()
	if err := w.watch(false); err != nil {
		return false, err
	}
	if alone {
		w.asked = w.polled[1:2]
		w.pollAlone(time.Now().Add(min(d, shortWait)))
		return w.polled[1].Revents != 0, w.err
	}
	if err := w.setClock(d); err != nil {
		return false, err
	}
	_, second, err := w.park(-1)
	return second != 0, err
}

// setClock lets the clock say something after so much time, and not before; it need not be stopped. (A system call that the
// runtime is not told of, as in poll.)
func (w *waiter) setClock(d time.Duration) error {
	setting := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(d, 1)))}
	if _, _, errno := syscall.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(w.clock), 0, uintptr(unsafe.Pointer(&setting)), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// watch says whether the poller is to hear of the first descriptor. While the waiter waits by itself it would wake
// another thread for nothing.
func (w *waiter) watch(yes bool) error {
	if w.watched == yes {
		return nil
	}
	event := unix.EpollEvent{Fd: w.polled[0].Fd}
	if yes {
		event.Events = unix.EPOLLIN
	}
	w.watched = yes
	return unix.EpollCtl(w.number, unix.EPOLL_CTL_MOD, int(event.Fd), &event)
}

// park waits by the runtime's poller.
func (w *waiter) park(milliseconds int) (first, second int16, err error) {
	limited := milliseconds >= 0
	if limited || w.limited {
		deadline := time.Time{}
		if limited {
			deadline = time.Now().Add(time.Duration(milliseconds) * time.Millisecond)
		}
		if err := w.file.SetReadDeadline(deadline); err != nil {
			return 0, 0, err
		}
		w.limited = limited
	}
	if err := w.conn.Read(w.ready); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, 0, err
	}
	return w.polled[0].Revents, w.polled[1].Revents, w.err
}

func (w *waiter) close() error { return errors.Join(w.file.Close(), unix.Close(w.clock)) }
