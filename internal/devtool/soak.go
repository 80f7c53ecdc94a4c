package devtool

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// fuzzTime is how long each fuzz target runs in a soak.
const fuzzTime = "60s"

// Soak fuzzes every target in turn and runs the tests with the tag soak.
func Soak(ctx context.Context) error {
	targets, err := fuzzTargets(ctx)
	if err != nil {
		return err
	}
	for _, t := range targets {
		step := Step{
			Name: "fuzz " + t.name + " in " + t.pkg, Env: []string{"CGO_ENABLED=0"},
			Command: []string{"go", "test", "-tags", Tags, "-run", "^$", "-fuzz", "^" + t.name + "$", "-fuzztime", fuzzTime, "-fuzzminimizetime", "20x", t.pkg},
		}
		if err := step.Run(ctx); err != nil {
			return err
		}
	}
	if err := Build(ctx); err != nil {
		return err
	}
	return Step{
		Name: "long tests", Show: true, Env: []string{"CGO_ENABLED=0", "WEIR_BUILT=1"},
		Command: []string{"go", "test", "-tags", Tags + ",soak", "-timeout", "4h", "./..."},
	}.Run(ctx)
}

type fuzzTarget struct{ pkg, name string }

// fuzzTargets asks the Go tool; go test -list prints the names of a package, then a line "ok PACKAGE".
func fuzzTargets(ctx context.Context) ([]fuzzTarget, error) {
	command := exec.CommandContext(ctx, "go", "test", "-tags", Tags, "-list", "^Fuzz", "./...")
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("list fuzz targets: %w", err)
	}
	var targets []fuzzTarget
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
	return targets, nil
}
