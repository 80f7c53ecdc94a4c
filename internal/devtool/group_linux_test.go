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
	for _, c := range []struct {
		name, child, parent string
		show, cleans        bool
	}{
		{"one that heeds an interrupt", "trap 'touch CLEANED; exit 1' INT; while :; do sleep 0.05; done", "wait", false, true},
		{"one that cleans up longer than its parent", "trap 'sleep 0.5; touch CLEANED; exit 1' INT; while :; do sleep 0.05; done", "trap 'exit 1' INT; wait", true, true},
		{"one that does not", "trap '' INT; while :; do sleep 0.05; done", "trap 'exit 1' INT; wait", true, false},
		{"one that does not, of a parent that does not", "trap '' INT; while :; do sleep 0.05; done", "trap '' INT; while :; do sleep 0.05; done", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			child, pid, cleaned := filepath.Join(directory, "child"), filepath.Join(directory, "pid"), filepath.Join(directory, "cleaned")
			script := "echo $$ >" + pid + ".new\nmv " + pid + ".new " + pid + "\n" + strings.ReplaceAll(c.child, "CLEANED", cleaned) + "\n"
			if err := os.WriteFile(child, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			go func() { // the child first says that it is there
				for {
					if _, err := os.Stat(pid); err == nil || ctx.Err() != nil {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(100 * time.Millisecond) // and sets its trap
				cancel()
			}()
			// A shell without job control has children in the background ignore an interrupt, for good; env gives it back.
			step := Step{Name: c.name, Show: c.show, Command: []string{"sh", "-c", "env --default-signal=INT sh " + child + " & " + c.parent}}
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
			for range 100 { // until it is gone, or waits for whoever inherited it
				if !running(process) {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if running(process) {
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
