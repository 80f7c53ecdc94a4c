package fleet

import (
	"os/exec"
	"syscall"
)

// prepareProcess keeps Ctrl-C in the terminal from the probes, which are ended in their turn, and ends them with this
// process, however it ends.
func prepareProcess(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
