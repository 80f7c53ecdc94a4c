package devtool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// How long the parts of a soak may take. What takes longer has failed.
const (
	fuzzTime  = time.Minute // of each fuzz target, once it is built and its corpus was gone through
	fuzzMost  = 4 * time.Minute
	buildMost = 30 * time.Minute
	longMost  = 4 * time.Hour
	listMost  = 15 * time.Minute
	testMost  = longMost / 2 // of the tests of one package, which then say where they hang: it counts from the start of each
)

// Soak fuzzes every target in turn and runs the tests with the tag soak. All of it is run, whatever fails.
func Soak(ctx context.Context) error {
	fmt.Println("▸ list of fuzz targets")
	list, cancel := context.WithTimeout(ctx, listMost)
	defer cancel()
	targets, listed := fuzzTargets(list)
	built := false
	parts := []soakPart{{"build", buildMost, func(ctx context.Context) error {
		err := Build(ctx)
		built = err == nil
		return err
	}}}
	for _, t := range targets {
		parts = append(parts, soakPart{"fuzz " + t.name + " in " + t.pkg, fuzzMost, t.step().Run})
	}
	parts = append(parts, soakPart{"long tests", longMost, func(ctx context.Context) error {
		tests := Step{
			Name: "long tests", Show: true, Env: []string{"CGO_ENABLED=0"},
			Command: []string{"go", "test", "-tags", Tags + ",soak", "-timeout", testMost.String(), "./..."},
		}
		if built { // else they build what they need
			tests.Env = append(tests.Env, "WEIR_BUILT=1")
		}
		return tests.Run(ctx)
	}})
	if listed != nil { // the targets of the other packages are there
		parts = append(parts, soakPart{"list of fuzz targets", 0, func(context.Context) error { return listed }})
	}
	return runSoak(ctx, os.Stdout, parts)
}

// soakPart is a part of a soak.
type soakPart struct {
	name string
	most time.Duration // that it may take; 0: it is over at once
	run  func(context.Context) error
}

// runSoak runs all parts in turn until it is interrupted, and says before how long that takes at most, and after how each
// of them ended, the failures last. Its error counts them.
func runSoak(ctx context.Context, to io.Writer, parts []soakPart) error {
	most := time.Duration(0)
	for _, p := range parts {
		most += p.most
	}
	fmt.Fprintf(to, "soak: %d parts, %s at most\n", len(parts), most)
	start := time.Now()
	var passed, failed []string
	for _, p := range parts {
		if ctx.Err() != nil {
			break
		}
		began := time.Now()
		err := p.within(ctx)
		line := fmt.Sprintf("  %-6s %8s  %s", "ok", time.Since(began).Round(time.Second), p.name)
		if err == nil {
			passed = append(passed, line)
			continue
		}
		line = fmt.Sprintf("  %-6s %8s  %s: %v", "FAILED", time.Since(began).Round(time.Second), p.name, err)
		failed = append(failed, line)
		fmt.Fprintln(to, line)
	}
	left := len(parts) - len(passed) - len(failed)
	fmt.Fprintf(to, "\nsoak: in %s %d parts passed, %d failed, %d were not run\n", time.Since(start).Round(time.Second), len(passed), len(failed), left)
	for _, line := range append(passed, failed...) {
		fmt.Fprintln(to, line)
	}
	switch {
	case len(failed) > 0:
		return errors.Join(fmt.Errorf("soak: %d of %d parts failed", len(failed), len(parts)), ctx.Err())
	case left > 0:
		return ctx.Err()
	}
	return nil
}

// within runs the part in the time that it has.
func (p *soakPart) within(ctx context.Context) error {
	if p.most == 0 {
		return p.run(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, p.most)
	defer cancel()
	err := p.run(limited)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return fmt.Errorf("more than %s: %w", p.most, err)
	}
	return err
}

type fuzzTarget struct{ pkg, name string }

// step fuzzes the target.
func (t fuzzTarget) step() Step {
	return Step{
		Name: "fuzz " + t.name + " in " + t.pkg, Env: []string{"CGO_ENABLED=0"},
		Command: []string{"go", "test", "-tags", Tags, "-run", "^$", "-fuzz", "^" + t.name + "$",
			"-fuzztime", fuzzTime.String(), "-fuzzminimizetime", "20x", t.pkg},
	}
}

// fuzzTargets asks the Go tool; go test -list prints the names of a package, then a line "ok PACKAGE". With an error come
// the targets of the packages that could be built.
func fuzzTargets(ctx context.Context) (targets []fuzzTarget, err error) {
	command := exec.CommandContext(ctx, "go", "test", "-tags", Tags, "-list", "^Fuzz", "./...")
	var faults lockedBuffer
	command.Stderr = &faults
	killLeft := inGroup(command)
	output, err := command.Output()
	killLeft()
	if err != nil {
		err = fmt.Errorf("go test -list: %w\n%s", err, faults.tail(2<<10))
	}
	var names []string
	for line := range bytes.Lines(output) {
		fields := strings.Fields(string(line))
		switch {
		case len(fields) == 1 && strings.HasPrefix(fields[0], "Fuzz"):
			names = append(names, fields[0])
		case len(fields) >= 2 && fields[0] == "ok":
			for _, n := range names {
				targets = append(targets, fuzzTarget{fields[1], n})
			}
			names = nil
		}
	}
	return targets, err
}
