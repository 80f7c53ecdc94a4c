// Package devtool is what the mage targets are made of: steps that show progress, tools that install themselves
// where they may, and the recipes to build and test. It serves the repository and ships nowhere.
package devtool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Step is one command of a recipe.
type Step struct {
	Name    string   // what a person waits for: "front end: webpack"
	Dir     string   // default: the current directory
	Env     []string // added to the environment
	Command []string
	// Show passes the output on; without it the output is kept and shown only if the command fails.
	Show bool
}

// heartbeat is how often a silent step says that it is still at work.
const heartbeat = 10 * time.Second

// grace is how long an interrupted command may clean up before it is killed.
const grace = 8 * time.Second

// Run runs the step. On cancellation the command gets an interrupt and time to clean up. Where the context has a deadline,
// all that the command started does, and what is left then is killed. The error of a failing command carries the step's
// name; its output has then been printed.
func (s Step) Run(ctx context.Context) error {
	if len(s.Command) == 0 {
		return fmt.Errorf("%s: no command", s.Name)
	}
	start := time.Now()
	fmt.Printf("▸ %s\n", s.Name)
	command := exec.CommandContext(ctx, s.Command[0], s.Command[1:]...)
	command.Dir = s.Dir
	command.Env = append(os.Environ(), s.Env...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGINT) }
	command.WaitDelay = grace
	killLeft := func() {}
	if _, timed := ctx.Deadline(); timed {
		killLeft = inGroup(command)
	}
	var kept lockedBuffer
	if s.Show {
		command.Stdout, command.Stderr = os.Stdout, os.Stderr
	} else {
		command.Stdout, command.Stderr = &kept, &kept
	}
	stop := beat(s.Name, start, s.Show)
	err := command.Run()
	killLeft()
	stop()
	took := time.Since(start).Round(100 * time.Millisecond)
	if err != nil {
		if text := kept.tail(8 << 10); text != "" {
			fmt.Fprintln(os.Stderr, text)
		}
		var missing *exec.Error
		if errors.As(err, &missing) {
			return fmt.Errorf("%s: %s is not installed: %w", s.Name, s.Command[0], err)
		}
		return fmt.Errorf("%s, after %s: %s: %w", s.Name, took, strings.Join(s.Command, " "), err)
	}
	if took >= time.Second {
		fmt.Printf("  %s\n", took)
	}
	return nil
}

func beat(name string, start time.Time, shown bool) (stop func()) {
	if shown {
		return func() {}
	}
	ticker := time.NewTicker(heartbeat)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				fmt.Printf("  … %s, %s so far\n", name, time.Since(start).Round(time.Second))
			}
		}
	}()
	return func() { ticker.Stop(); close(done) }
}

// lockedBuffer keeps what a command prints; stdout and stderr may write at once.
type lockedBuffer struct {
	mutex sync.Mutex
	bytes bytes.Buffer
}

var _ io.Writer = (*lockedBuffer)(nil)

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.Write(p)
}

func (b *lockedBuffer) tail(limit int) string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	text := b.bytes.Bytes()
	if len(text) > limit {
		text = append([]byte("[…]\n"), text[len(text)-limit:]...)
	}
	return strings.TrimRight(string(text), "\n")
}

// RunAll runs steps in their order and stops at the first that fails.
func RunAll(ctx context.Context, steps ...Step) error {
	for _, s := range steps {
		if err := s.Run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// newer says whether target exists and is younger than every file below the sources.
func newer(target string, sources ...string) bool {
	made, err := os.Stat(target)
	if err != nil {
		return false
	}
	fresh := true
	for _, source := range sources {
		err := filepath.WalkDir(source, func(_ string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			if info.ModTime().After(made.ModTime()) {
				fresh = false
				return filepath.SkipAll
			}
			return nil
		})
		if err != nil {
			return false
		}
	}
	return fresh
}
