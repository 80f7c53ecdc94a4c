package netns

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Do calls f within the namespace and returns its error: sockets that f opens, and what it reads from /sys and
// /proc/sys/net, belong to the namespace. Only f's own goroutine is there, not those it starts. Sockets opened by
// f may be used from anywhere afterwards.
func (n *NS) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		// The thread is spoilt for others: it is never unlocked, so the runtime ends it with the goroutine.
		runtime.LockOSThread()
		if err := n.enter(); err != nil {
			done <- fmt.Errorf("enter network namespace %s: %w", n.name, err)
			return
		}
		finished := false
		defer func() { // a Goexit, as by t.Fatal, must not leave the caller waiting
			if !finished {
				done <- fmt.Errorf("function in network namespace %s did not return", n.name)
			}
		}()
		err := f()
		finished = true
		done <- err
	}()
	return <-done
}

// enter moves the calling thread into the namespace, with a /sys of its own that shows the namespace's devices.
func (n *NS) enter() error {
	fd, err := unix.Open("/run/netns/"+n.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare mounts: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("separate mounts: %w", err)
	}
	if err := unix.Mount(n.name, "/sys", "sysfs", 0, ""); err != nil {
		return fmt.Errorf("mount /sys: %w", err)
	}
	return nil
}
