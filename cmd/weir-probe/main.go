// Command weir-probe captures packet metadata on a Linux host, keeps it as flows, and answers queries over HTTP.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/flow"
)

// Exit codes.
const (
	exitFault = 1 // what was asked for did not work
	exitUsage = 2 // it was not understood
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError marks errors of the command line.
type usageError struct{ error }

// execute runs the command line and prints its error, one line and perhaps a hint.
func execute(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "weir-probe",
		Short: "capture flows, keep them, answer queries",
		Long: `weir-probe captures packet metadata, folds it into flows, keeps them on this host and answers queries over HTTP.
Start with: weir-probe example-config > ` + "/etc/weir/probe.yaml" + `

Exit codes: 0 done, 1 something did not work, 2 the command line was not understood.`,
		SilenceErrors: true, SilenceUsage: true, Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetArgs(arguments)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(runCommand(stderr), checkCommand(), exampleCommand(), replayCommand(stderr), tokenCommand(), versionCommand())
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usageError{flagError(c, err)} })
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "weir-probe: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(stderr, "hint: weir-probe --help lists the commands, weir-probe COMMAND --help their options")
		return exitUsage
	}
	return exitFault
}

func unknownVerb(c *cobra.Command, arguments []string) error {
	if len(arguments) == 0 {
		return nil
	}
	var verbs []string
	for _, v := range c.Commands() {
		verbs = append(verbs, v.Name())
	}
	text := fmt.Sprintf("unknown command %q", arguments[0])
	if near, ok := flow.Nearest(arguments[0], verbs); ok {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return usageError{errors.New(text)}
}

func noArguments(c *cobra.Command, arguments []string) error {
	if len(arguments) > 0 {
		return usageError{fmt.Errorf("%s takes no arguments, got %q", c.CommandPath(), arguments[0])}
	}
	return nil
}
