package devtool

import (
	"context"
	"fmt"
	"os"
)

// racePackages are those whose code runs on several goroutines at once. The plugin's own SDK is left out: building it
// for the race detector takes longer than all other tests.
var racePackages = []string{"./probe/...", "./pkg/filter/...", "./pkg/wire/...", "./pkg/client/...", "./pkg/fleet/...", "./pkg/serve/...",
	"./pkg/inventory/...", "./pkg/gateway/...", "./pkg/natshttp/...", "./pkg/reports/...", "./pkg/enrich/...", "./pkg/arrowstream/..."}

// Test runs all tests; the browser's only where Node is there, which is said.
func Test(ctx context.Context) error {
	if err := Require(ctx, IP, Ping, Curl, Iperf3, NFTables, Zsh, Fish, GCC); err != nil {
		if os.Getenv("WEIR_REQUIRE_ROOT") == "1" {
			return err
		}
		fmt.Printf("  some tests will skip: %v\n", err)
	}
	if err := Build(ctx); err != nil {
		return err
	}
	steps := []Step{
		{Name: "go vet", Command: []string{"go", "vet", "-tags", Tags, "./..."}},
		{Name: "unit, fuzz-seed, namespace and end-to-end tests", Show: true, Env: []string{"CGO_ENABLED=0", "WEIR_BUILT=1"},
			Command: []string{"go", "test", "-tags", Tags, "-timeout", "30m", "./..."}},
		{Name: "race detector", Show: true, Env: []string{"CGO_ENABLED=1"},
			Command: append([]string{"go", "test", "-race", "-short", "-tags", Tags, "-timeout", "30m"}, racePackages...)},
	}
	if HaveNode() {
		steps = append(steps,
			Step{Name: "front-end tests", Show: true, Command: []string{"npm", "run", "test:ci"}},
			Step{Name: "front end in a browser, without a backend", Show: true, Command: []string{"node", "tests/e2e/front-end.mjs"}})
	} else {
		fmt.Println("  no Node here (20 or later): front-end and browser tests are left out")
	}
	if err := RunAll(ctx, steps...); err != nil || !HaveNode() {
		return err
	}
	return PackagePlugin(ctx, false)
}

// Build builds what the end-to-end tests run.
func Build(ctx context.Context) error {
	if err := BuildProbe(ctx); err != nil {
		return err
	}
	if err := BuildDemo(ctx); err != nil {
		return err
	}
	if HaveNode() {
		if err := Require(ctx, Chromium); err != nil {
			return err
		}
		if err := BuildFrontEnd(ctx); err != nil {
			return err
		}
	}
	return BuildPlugin(ctx)
}

// Lint runs golangci-lint and, where Node is there, the front end's lint and type check.
func Lint(ctx context.Context) error {
	steps := []Step{{
		Name:    "golangci-lint",
		Command: []string{"go", "tool", "-modfile=tools/go.mod", "golangci-lint", "run", "--build-tags", Tags, "./..."},
	}}
	if HaveNode() {
		if err := NodeModules(ctx); err != nil {
			return err
		}
		steps = append(steps,
			Step{Name: "front end: type check", Command: []string{"npm", "run", "typecheck"}},
			Step{Name: "front end: lint", Command: []string{"npm", "run", "lint"}},
		)
	}
	return RunAll(ctx, steps...)
}

// Bench runs all benchmarks, package after package, and prints their figures.
func Bench(ctx context.Context) error {
	if err := Build(ctx); err != nil {
		return err
	}
	return Step{
		Name: "benchmarks", Show: true, Env: []string{"CGO_ENABLED=0", "WEIR_BUILT=1"},
		Command: []string{"go", "test", "-tags", Tags, "-run", "^$", "-bench", ".", "-benchmem", "./..."},
	}.Run(ctx)
}
