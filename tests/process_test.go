//go:build linux

package tests

import (
	"bytes"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirflow/weir/internal/testenv"
)

// patience bounds every wait for something that takes well under a second on a machine that is well. It is long because
// nobody waits for it but where something is wrong.
const patience = time.Minute

// process is a command that runs beside the test and ends with it, at the latest.
type process struct {
	command *exec.Cmd
	output  *testenv.Journal // of both streams
	done    chan struct{}
	err     error // once done is closed
}

// start runs the command. It is killed when the test ends, or this process does, in whatever way.
func start(t testing.TB, command *exec.Cmd) *process {
	t.Helper()
	p := &process{command: command, output: &testenv.Journal{}, done: make(chan struct{})}
	command.Stdout, command.Stderr = p.output, p.output
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the death of the thread that started the command would kill it
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			p.err = command.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", command.Path, err)
	}
	t.Cleanup(func() {
		if !p.ended() {
			p.signal(t, syscall.SIGKILL)
			<-p.done
		}
	})
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := p.command.Process.Signal(signal); err != nil && !p.ended() {
		t.Errorf("send %v to %s: %v", signal, p.command.Path, err)
	}
}

// wait returns the exit code, -1 after a signal.
func (p *process) wait(t testing.TB, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.command.ProcessState.ExitCode()
	case <-time.After(limit):
		t.Fatalf("%s still runs after %s; it said:\n%s", strings.Join(p.command.Args, " "), limit, p.output)
		return 0
	}
}

// result is how a command that ran to its end ended.
type result struct {
	code           int
	stdout, stderr string
}

// runCommand runs a command to its end, or until it has taken too long.
func runCommand(t testing.TB, limit time.Duration, command *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	command.WaitDelay = patience // of output that a child of the command keeps open
	if err := command.Start(); err != nil {
		t.Fatalf("start %s: %v", command.Path, err)
	}
	killed := time.AfterFunc(limit, func() { _ = command.Process.Kill() })
	_ = command.Wait() // the exit code says the same
	if !killed.Stop() {
		t.Fatalf("%s was killed after %s; it said:\n%s%s", strings.Join(command.Args, " "), limit, &stdout, &stderr)
	}
	return result{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// succeed runs a command that must end well, and returns its standard output.
func succeed(t testing.TB, limit time.Duration, command *exec.Cmd) string {
	t.Helper()
	r := runCommand(t, limit, command)
	if r.code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", strings.Join(command.Args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// eventually returns once the condition holds; it fails with the last reason given if that takes too long.
func eventually(t testing.TB, limit time.Duration, condition func() (reason string)) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		reason := condition()
		if reason == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s", limit, reason)
		}
		<-tick.C
	}
}
