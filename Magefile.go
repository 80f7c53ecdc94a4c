//go:build mage

// Weir's targets: go tool mage -l lists them, go tool mage -h TARGET explains one.
package main

import (
	"context"
	"fmt"

	"github.com/weirflow/weir/internal/devtool"
)

// Default is what go tool mage does without a target.
var Default = Build

// Build builds probe, CLI, plugin backend and, where Node is there, the plugin's front end.
func Build(ctx context.Context) error {
	if err := devtool.BuildProbe(ctx); err != nil {
		return err
	}
	if !devtool.HaveNode() {
		fmt.Println("  no Node here: the plugin's front end is not built (Node 20 or later builds it)")
		return devtool.BuildPlugin(ctx)
	}
	if err := devtool.BuildFrontEnd(ctx); err != nil {
		return err
	}
	return devtool.BuildPlugin(ctx)
}

// Demo builds everything and runs a fleet of three probes with traffic; it prints two answers and serves the explorer.
// With --once it ends after the answers.
func Demo(ctx context.Context, once *bool) error {
	return devtool.Demo(ctx, once != nil && *once)
}

// Package makes the plugin's archive for Grafana, with binaries for all platforms, and checks it as Grafana's catalog
// would. With --here it has this machine's binary only, and takes seconds instead of minutes.
func Package(ctx context.Context, here *bool) error {
	return devtool.PackagePlugin(ctx, here == nil || !*here)
}

// Test runs all tests: unit, race, fuzz seeds, capture in network namespaces, front end, browser end-to-end.
func Test(ctx context.Context) error { return devtool.Test(ctx) }

// Soak runs the long tests: fuzzing, crash loops, corruption sweeps.
func Soak(ctx context.Context) error { return devtool.Soak(ctx) }

// Netem runs the tests of verdicts and round trips, with the delay of tc netem, on Debian's kernel in an emulated machine.
func Netem(ctx context.Context) error { return devtool.Netem(ctx) }

// Bench prints all figures, the bounded ones among them: ns/packet, ns/row, bytes/row, CPU beside DuckDB.
func Bench(ctx context.Context) error { return devtool.Bench(ctx) }

// Lint runs golangci-lint, the front end's lint and its type check.
func Lint(ctx context.Context) error { return devtool.Lint(ctx) }
