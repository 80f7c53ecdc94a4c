package host

import "syscall"

// dieWithParent makes the kernel end the plugin even if the host is killed. The signal is bound to the thread that
// launched it; Go ends threads only where a goroutine locked itself to one, which nothing here does.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
