// Command weir asks a local store, a probe or a fleet what was measured. It is wiring only: each verb has a file,
// the work is done by pkg/ and probe/.
//
// Standard output carries the result and nothing else. Errors stand on standard error as "weir: …", what to do about
// them as "hint: …". The exit code is 0 for an answer, also an empty one; 1 for an error while answering; 2 for a
// question that cannot be asked, such as an unknown flag or an invalid condition.
package main

import (
	"context"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/resolve"
	"github.com/weirflow/weir/pkg/version"
)

func main() {
	a := standard()
	a.collect = collectLate(os.Getenv)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := a.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// app is the surroundings of the program.
type app struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	now            func() time.Time
	size           func(io.Writer) (columns, rows int)          // of a terminal, 0 for anything else; nil: no terminals
	keys           func() (pressed <-chan byte, restore func()) // of the terminal of standard input
	stdin          io.Reader
	dialDNS        func(ctx context.Context, network, address string) (net.Conn, error) // nil: as the system does
	names          *resolve.Resolver                                                    // see resolver
	socket         string                                                               // of the probe on this machine
	directory      string                                                               // of its store
	collect        func(percent int)                                                    // see collectLate; nil: as usual
}

// standard are the surroundings of a real run.
func standard() *app {
	a := &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, now: time.Now,
		socket: "/run/weir/probe.sock", directory: "/var/lib/weir",
	}
	a.size, a.keys = a.terminalSize, terminalKeys
	return a
}

// run runs one command line and returns the exit code.
func (a *app) run(ctx context.Context, arguments []string) int {
	root := a.rootCommand(arguments)
	root.SetArgs(arguments)
	if err := root.ExecuteContext(ctx); err != nil {
		return a.report(err)
	}
	return 0
}

// verb is a command by its name, so that only the one that is typed has to be made: all of them, with their flags and
// help, take longer than a short command does.
type verb struct {
	name string
	make func() *cobra.Command
}

func (a *app) verbs() []verb {
	return []verb{
		{"query", a.queryCommand}, {"top", a.topCommand}, {"status", a.statusCommand}, {"list", a.listCommand}, {"hosts", a.hostsCommand},
		{"path", a.pathCommand}, {"asymmetry", a.asymmetryCommand}, {"actors", a.actorsCommand}, {"gateway", a.gatewayCommand}, {"config", a.configCommand}, {"db", a.dbCommand},
		{"completion", a.completionCommand},
		{"__complete-line", a.lineCommand}, {"version", a.versionCommand},
	}
}

// rootCommand has the verb that the command line starts with, or all of them where it does not start with one.
func (a *app) rootCommand(arguments []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "weir",
		Short: "Ask who talked to whom, when and how much",
		Long: `Ask who talked to whom, when and how much: a local store, a probe, or several of them.

Exit code: 0 for an answer, also an empty one; 1 for an error while answering; 2 for a
question that cannot be asked.`,
		Version:           version.String(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		Args:              knownVerb,
		RunE: func(*cobra.Command, []string) error {
			return usage("no command is given", "weir help lists the commands")
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.SetVersionTemplate("weir {{.Version}}\n")
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(flagError)
	for _, v := range a.verbs() {
		if len(arguments) > 0 && arguments[0] == v.name {
			root.AddCommand(v.make())
			return root
		}
	}
	for _, v := range a.verbs() {
		root.AddCommand(v.make())
	}
	return root
}
