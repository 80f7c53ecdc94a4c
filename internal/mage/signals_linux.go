package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// forwardSignals passes interrupt and termination on to the children. A terminal does that itself for Ctrl-C, a
// supervisor that signals one process does not.
func forwardSignals() (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM)
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		signal.Notify(signals, syscall.SIGINT)
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-signals:
				for _, child := range children() {
					// A child that is gone already needs no signal.
					_ = syscall.Kill(child, syscall.SIGINT)
				}
			}
		}
	}()
	return func() { signal.Stop(signals); close(done) }
}

func children() []int {
	pid := os.Getpid()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	var found []int
	for _, t := range tasks {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}
