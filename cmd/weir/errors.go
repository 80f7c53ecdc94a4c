package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/queryargs"
	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/pkg/wire"
)

// The exit codes other than 0.
const (
	exitFailure = 1
	exitUsage   = 2
)

// complaint is an error with what to do about it.
type complaint struct {
	code int
	text string
	hint string // may be empty
	err  error  // may be nil
}

func (c *complaint) Error() string { return c.text }

func (c *complaint) Unwrap() error { return c.err }

// usage is a question that cannot be asked.
func usage(text, hint string) error { return &complaint{code: exitUsage, text: text, hint: hint} }

// failure is an error while answering.
func failure(err error, hint string) error {
	return &complaint{code: exitFailure, text: err.Error(), hint: hint, err: err}
}

// invalid is a request that has faults.
type invalid struct {
	request *wire.Request
	problem *wire.Problem
}

func (i *invalid) Error() string { return i.problem.Error() }

// report writes an error for people and returns the exit code.
func (a *app) report(err error) int {
	var faults *invalid
	var said *complaint
	var remote *client.Error
	var problem *wire.Problem
	var limit *wire.LimitError
	switch {
	case errors.As(err, &faults):
		a.reportFaults(faults)
		return exitUsage
	case errors.As(err, &said):
		a.complain(said.text, said.hint)
		return said.code
	case errors.Is(err, context.Canceled):
		a.complain("interrupted", "")
	case errors.As(err, &remote):
		a.complain(remote.Error(), remote.Hint)
		if remote.Kind == client.KindUser {
			return exitUsage
		}
	case errors.As(err, &problem):
		a.complain(problem.Error(), "")
		if problem.Status < 500 {
			return exitUsage
		}
	case errors.As(err, &limit):
		a.complain(fmt.Sprintf("the query has more than %d %s", limit.Limit, limit.What), limit.Remedy)
	case errors.Is(err, context.DeadlineExceeded):
		a.complain("no answer in time", "raise --timeout, or ask for a shorter span")
	default:
		a.complain(err.Error(), "")
	}
	return exitFailure
}

// complain writes one line, and one more for the hint. Both may repeat what somebody else wrote.
func (a *app) complain(text, hint string) {
	fmt.Fprintf(a.stderr, "weir: %s\n", oneLine(text))
	if hint != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", oneLine(hint))
	}
}

// note writes something that is no error.
func (a *app) note(format string, arguments ...any) {
	fmt.Fprintf(a.stderr, "note: %s\n", oneLine(fmt.Sprintf(format, arguments...)))
}

func oneLine(text string) string { return render.Safe(strings.Join(strings.Fields(text), " ")) }

// reportFaults writes a line for each fault, with the flag it is about, and shows where a condition is wrong.
func (a *app) reportFaults(i *invalid) {
	for _, f := range i.problem.Errors {
		text := f.Message
		if flag := flagOf[f.Location]; flag != "" {
			text = flag + ": " + text
		}
		a.complain(text, "")
		if f.Location == "body.condition" && f.Position != nil && i.request.Condition != "" { // which somebody typed
			at := &filter.Error{Text: i.request.Condition, Offset: f.Position.Offset, Length: f.Position.Length}
			diagram := strings.SplitN(at.Diagram(), "\n", 3)
			fmt.Fprintf(a.stderr, "  %s\n  %s\n", diagram[0], diagram[1])
		}
	}
}

// flagOf names the flags of the members of a request, where the fault's message does not say what it is about.
var flagOf = map[string]string{
	"body.first": "--first", "body.last": "--last", "body.ifaces": "--ifaces", "body.num_results": "--limit",
	"body.sort_by": "--sort", "body.time_resolution": "--resolution", "body.series": "--series",
	"body.dns_resolution.timeout": "--lookup-timeout",
}

// flagError words the errors of the flag parser anew, with the nearest flag that there is.
func flagError(command *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var valueless *pflag.ValueRequiredError
	var wrong *pflag.InvalidValueError
	hint := fmt.Sprintf("%s --help lists the flags", command.CommandPath())
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return usage(fmt.Sprintf("unknown flag -%s", unknown.GetSpecifiedName()), hint)
	case errors.As(err, &unknown):
		text := fmt.Sprintf("unknown flag --%s", unknown.GetSpecifiedName())
		if instead, ok := foreignFlag(unknown.GetSpecifiedName()); ok {
			return usage(text, instead)
		}
		if nearest, ok := flow.Nearest(unknown.GetSpecifiedName(), queryargs.Names(command.Flags())); ok {
			text += fmt.Sprintf("; did you mean --%s?", nearest)
		}
		return usage(text, hint)
	case errors.As(err, &valueless):
		return usage(fmt.Sprintf("flag %s needs a value", flagName(valueless.GetFlag())), hint)
	case errors.As(err, &wrong):
		return usage(fmt.Sprintf("flag %s: %q is no %s", flagName(wrong.GetFlag()), wrong.GetValue(), kindOf(wrong.GetFlag())), "")
	}
	return usage(err.Error(), hint)
}

// foreignFlag says what to do instead of a flag of goQuery that has no counterpart.
func foreignFlag(name string) (instead string, ok bool) {
	switch {
	case name == "config":
		return "there is no configuration file: give flags, or a request with --stored-query FILE", true
	case strings.HasPrefix(name, "logging."):
		return "--query-log FILE logs the query; errors always stand on standard error", true
	case strings.HasPrefix(name, "profiling."):
		return "--stats says what the query read", true
	case strings.HasPrefix(name, "tracing."):
		return "--traceparent HEADER makes the query part of a trace, which the server exports", true
	}
	return "", false
}

func flagName(f *pflag.Flag) string {
	if f.Shorthand != "" {
		return "-" + f.Shorthand + "/--" + f.Name
	}
	return "--" + f.Name
}

func kindOf(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false"
	case "int64":
		return "whole number"
	case "duration":
		return "duration such as 30s or 5m"
	}
	return f.Value.Type()
}

// knownVerb refuses what is no command, and names the nearest one.
func knownVerb(command *cobra.Command, arguments []string) error {
	if len(arguments) == 0 {
		return nil
	}
	var verbs []string
	for _, c := range command.Commands() {
		if c.IsAvailableCommand() {
			verbs = append(verbs, c.Name())
		}
	}
	slices.Sort(verbs)
	text := fmt.Sprintf("unknown command %q", arguments[0])
	if nearest, ok := flow.Nearest(strings.ToLower(arguments[0]), verbs); ok {
		return usage(text+fmt.Sprintf("; did you mean %q?", nearest), "")
	}
	return usage(text, "commands are "+strings.Join(verbs, ", "))
}

func noArguments(command *cobra.Command, arguments []string) error {
	if len(arguments) > 0 {
		return usage(fmt.Sprintf("%s takes no argument, but there is %q", command.CommandPath(), arguments[0]), "")
	}
	return nil
}
