//go:build unix

package devtool

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// groupGrace is how long a group of processes may clean up before it is killed: less than the five seconds after an
// interrupt in which mage waits, since a terminal's interrupt does not come to the group itself.
const groupGrace = 4 * time.Second

// inGroup makes a command, which has to have a context, the head of a process group of its own, all of which gets an
// interrupt on cancellation: go ends at one without waiting for the tests that it runs. killLeft has to follow Run.
func inGroup(command *exec.Cmd) (killLeft func()) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var interrupted time.Time
	command.Cancel = func() error {
		interrupted = time.Now()
		err := syscall.Kill(-command.Process.Pid, syscall.SIGINT)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	command.WaitDelay = groupGrace
	return func() {
		if interrupted.IsZero() {
			return
		}
		for time.Since(interrupted) < groupGrace && !errors.Is(syscall.Kill(-command.Process.Pid, 0), syscall.ESRCH) {
			time.Sleep(10 * time.Millisecond)
		}
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
}
