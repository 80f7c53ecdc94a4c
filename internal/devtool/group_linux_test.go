package devtool

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTimedStepEndsItsChildren: at the end of its time a step ends what its command started, too, also what the command
// leaves behind and what does not heed an interrupt.
func TestTimedStepEndsItsChildren(t *testing.T) {
	const endless = "while :; do sleep 0.05; done"
	for _, c := range []struct {
		name, childTrap, parentTrap, parent string
		show, cleans                        bool
	}{
		{"one that heeds an interrupt", "trap 'touch CLEANED; exit 1' INT", "", "wait", false, true},
		{"one that cleans up longer than its parent", "trap 'sleep 0.5; touch CLEANED; exit 1' INT", "trap 'exit 1' INT", "wait", true, true},
		{"one that does not", "trap '' INT", "trap 'exit 1' INT", "wait", true, false},
		{"one that does not, of a parent that does not", "trap '' INT", "trap '' INT", endless, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			child, pid, cleaned := filepath.Join(directory, "child"), filepath.Join(directory, "pid"), filepath.Join(directory, "cleaned")
			// It says that it is there once its trap is set; that of its parent was set before.
			script := strings.ReplaceAll(c.childTrap, "CLEANED", cleaned) + "\necho $$ >" + pid + ".new\nmv " + pid + ".new " + pid + "\n" + endless + "\n"
			if err := os.WriteFile(child, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour) // a step that is timed
			go func() {
				await(exists(pid))
				cancel()
			}()
			// A shell without job control has children in the background ignore an interrupt, for good; env gives it back.
			step := Step{Name: c.name, Show: c.show, Command: []string{"sh", "-c", c.parentTrap + "\nenv --default-signal=INT sh " + child + " &\n" + c.parent}}
			if err := step.Run(ctx); err == nil {
				t.Error("no error")
			}
			text, err := os.ReadFile(pid)
			if err != nil {
				t.Fatal(err)
			}
			process, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			if !await(func() bool { return !running(process) }) { // it is gone, or waits for whoever inherited it
				t.Error("the child is still there")
				_ = syscall.Kill(process, syscall.SIGKILL)
			}
			if _, err := os.Stat(cleaned); c.cleans != (err == nil) {
				t.Errorf("the child cleaned up: %v", err == nil)
			}
		})
	}
}

// running says whether there is a process that has not ended.
func running(process int) bool {
	if errors.Is(syscall.Kill(process, 0), syscall.ESRCH) {
		return false
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(process) + "/stat")
	return err != nil || !strings.Contains(string(status), ") Z ")
}
