//go:build !unix

package devtool

import "os/exec"

func inGroup(command *exec.Cmd) (killLeft func()) {
	command.WaitDelay = grace
	return func() {}
}
