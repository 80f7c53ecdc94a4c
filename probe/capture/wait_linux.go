package capture

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// waiter waits for one of two descriptors by the poller of the Go runtime. A goroutine that blocks in poll(2) by itself
// keeps a thread and, for the runtime, a processor that seems busy: its monitor then looks after it up to 50,000 times a
// second, which costs more than many a packet.
type waiter struct {
	file    *os.File // an epoll instance over both, which the runtime's poller looks at as at any other file
	conn    syscall.RawConn
	ready   func(fd uintptr) bool
	polled  [2]unix.PollFd
	limited bool // file has a deadline
	err     error
}

func newWaiter(first, second int) (*waiter, error) {
	instance, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	w := &waiter{polled: [2]unix.PollFd{{Fd: int32(first), Events: unix.POLLIN}, {Fd: int32(second), Events: unix.POLLIN}}}
	for i := range w.polled {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: w.polled[i].Fd}
		err = errors.Join(err, unix.EpollCtl(instance, unix.EPOLL_CTL_ADD, int(event.Fd), &event))
	}
	if err = errors.Join(err, unix.SetNonblock(instance, true)); err != nil {
		_ = unix.Close(instance)
		return nil, err
	}
	w.file = os.NewFile(uintptr(instance), "epoll")
	w.ready = w.look
	if w.conn, err = w.file.SyscallConn(); err != nil {
		_ = w.file.Close()
		return nil, err
	}
	return w, nil
}

// look sees what there is, without waiting. The runtime is not told of the system call: it would wake its monitor, which
// then looks around every 20 microseconds for a while, after every block of the ring.
func (w *waiter) look(uintptr) bool {
	var now unix.Timespec
	n, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&w.polled[0])), uintptr(len(w.polled)),
		uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	if w.err = nil; errno != 0 && errno != unix.EINTR {
		w.err = errno
	}
	return n != 0 || w.err != nil
}

// wait returns what the two descriptors have to say, nothing after so many milliseconds; -1 is for ever.
func (w *waiter) wait(milliseconds int) (first, second int16, err error) {
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
	w.polled[0].Revents, w.polled[1].Revents, w.err = 0, 0, nil
	if err := w.conn.Read(w.ready); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, 0, err
	}
	return w.polled[0].Revents, w.polled[1].Revents, w.err
}

func (w *waiter) close() error { return w.file.Close() }
