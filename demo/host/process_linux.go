package host

import "syscall"

// dieWithParent makes the kernel end the plugin even if the host is killed. The signal is bound to the thread that
// launched it, and Go ends threads, such as those that entered a network namespace: connect keeps this one.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
