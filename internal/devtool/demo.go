package devtool

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// Demo builds all that the demo needs and runs it until it is interrupted, or with once until it has answered.
func Demo(ctx context.Context, once bool) error {
	if err := Require(ctx, IP, Ping); err != nil {
		if !errors.Is(err, ErrMissing) {
			return err
		}
		// The demo replays traces where it can make no namespaces.
		fmt.Printf("  no network namespaces for the demo without these: %v\n", err)
	}
	if err := BuildProbe(ctx); err != nil {
		return err
	}
	if err := BuildDemo(ctx); err != nil {
		return err
	}
	arguments := []string{"--bin", BinDir}
	if once {
		arguments = append(arguments, "--once")
	}
	if err := BuildPlugin(ctx); err != nil {
		return err
	}
	if HaveNode() {
		if err := BuildFrontEnd(ctx); err != nil {
			return err
		}
		arguments = append(arguments, "--plugin", PluginBinary(), "--dist", DistDir, "--page", PageDir)
	} else {
		fmt.Println("  no Node here (20 or later): the demo does without the explorer")
	}
	return Step{
		Name:    "run the demo fleet",
		Show:    true,
		Command: append([]string{filepath.Join(BinDir, "weir-demo")}, arguments...),
	}.Run(ctx)
}
