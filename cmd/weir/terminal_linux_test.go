package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sys "golang.org/x/sys/unix"
)

// screen is a terminal with a program in it.
type screen struct {
	t      *testing.T
	master *os.File
	pieces chan string // what the program wrote; closed at its end
	seen   string
	ended  chan error
}

// openScreen runs a program of this test binary or of the machine in a new terminal.
func openScreen(t *testing.T, columns uint16, environment []string, directory, program string, arguments ...string) *screen {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("%s: no pseudo terminal: %v", t.Name(), err)
	}
	number, err := sys.IoctlGetInt(int(master.Fd()), sys.TIOCGPTN)
	if err == nil {
		err = sys.IoctlSetPointerInt(int(master.Fd()), sys.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = sys.IoctlSetWinsize(int(master.Fd()), sys.TIOCSWINSZ, &sys.Winsize{Row: 50, Col: columns})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, arguments...)
	command.Dir, command.Env = directory, environment
	command.Stdin, command.Stdout, command.Stderr = slave, slave, slave
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close() // the program has it
	s := &screen{t: t, master: master, pieces: make(chan string, 1024), ended: make(chan error, 1)}
	go func() {
		defer close(s.pieces)
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			if n > 0 {
				s.pieces <- string(b[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	go func() { s.ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Kill() // it has ended, unless the test failed
		master.Close()
	})
	return s
}

// send presses keys.
func (s *screen) send(keys string) {
	s.t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// expect waits until the pattern appears behind what was expected before.
func (s *screen) expect(pattern string) {
	s.t.Helper()
	expression := regexp.MustCompile(pattern)
	deadline := time.After(2 * time.Minute)
	for {
		if at := expression.FindStringIndex(s.seen); at != nil {
			s.seen = s.seen[at[1]:]
			return
		}
		select {
		case piece, ok := <-s.pieces:
			if !ok {
				s.t.Fatalf("the program ended; no %q in %q", pattern, s.seen)
			}
			s.seen += piece
		case <-deadline:
			s.t.Fatalf("no %q in %q", pattern, s.seen)
		}
	}
}

// rest is all that the program writes until its end.
func (s *screen) rest() string {
	s.t.Helper()
	for piece := range s.pieces {
		s.seen += piece
	}
	if err := <-s.ended; err != nil {
		s.t.Errorf("%v: %s", err, s.seen)
	}
	return strings.ReplaceAll(s.seen, "\r\n", "\n")
}

// onPath is a directory with a store and a program weir, and an environment in which both are found.
func onPath(t *testing.T, more ...string) (directory string, environment []string) {
	t.Helper()
	directory = t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(directory, "weir")); err != nil {
		t.Fatal(err)
	}
	if err := makeStore(filepath.Join(directory, "db")); err != nil {
		t.Fatal(err)
	}
	return directory, append([]string{"PATH=" + directory + ":" + os.Getenv("PATH"), "HOME=" + directory, "TERM=vt100", "LC_ALL=C.UTF-8",
		"STORE=" + directory + "/default", "SOCKET=/nowhere/probe.sock"}, more...)
}

// TestShells completes within a condition in real shells at a terminal: a tabulator finds the only port, and shows
// several; the line that comes of it is run.
func TestShells(t *testing.T) {
	for _, shell := range []struct {
		name      string
		arguments []string
		list      string // keys that list what fits
		load      string // what makes the shell know the completion
	}{
		{"bash", []string{"--norc", "--noprofile", "-i"}, "\t\t", "source <(weir completion bash)"},
		{"zsh", []string{"-f", "-i"}, "\t", "autoload -U compinit; compinit -u -D; source <(weir completion zsh)"},
		{"fish", []string{"--no-config", "-i"}, "\t", "weir completion fish | source"},
	} {
		t.Run(shell.name, func(t *testing.T) {
			path, err := exec.LookPath(shell.name)
			if err != nil {
				t.Skipf("%s: %s is not installed", t.Name(), shell.name)
			}
			directory, environment := onPath(t, "PS1=$ ")
			s := openScreen(t, 100, environment, directory, path, shell.arguments...)
			s.send(shell.load + "; echo load''ed\n")
			s.expect(`loaded`)
			s.send("weir query -d db -i eth0 -n 1 -c 'dport in (5182\t")
			s.expect(`5182\a?0`)
			s.send(")' sip\n")
			s.expect(`Condition   : dport = 51820`)
			s.send("weir query -d db -i eth1 -n 1 -c 'dport in (2" + shell.list)
			s.expect(`22\s.*SSH(.|\n)*25\s.*SMTP`)
		})
	}
}

// TestTerminal80 compares what a query writes on a terminal of 80 columns, with colour and shortened names, with what
// it writes into a pipe.
func TestTerminal80(t *testing.T) {
	directory, environment := onPath(t)
	query := []string{"query", "-d", "db", "-i", "any", "-n", "2", "iface,sip,dip,dport,proto"}
	for name, columns := range map[string]uint16{"terminal-80.txt": 80, "terminal-120.txt": 120} {
		s := openScreen(t, columns, environment, directory, filepath.Join(directory, "weir"), query...)
		goldenText(t, name, strings.ReplaceAll(s.rest(), "\x1b", "\\e"))
	}
	command := exec.CommandContext(t.Context(), filepath.Join(directory, "weir"), query...)
	command.Env, command.Dir = environment, directory
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	goldenText(t, "pipe.txt", string(output))
}

// goldenText compares with a file in testdata/golden.
func goldenText(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
