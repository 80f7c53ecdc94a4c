package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/render"
)

// actorsVerb is one run of weir actors check.
type actorsVerb struct {
	app        *app
	listFormat string
	format     string
	strict     bool
	entries    bool
}

func (a *app) actorsCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "actors",
		Short: "Work with lists of addresses",
		Long: `Work with lists of addresses that somebody wants to know about: indicators of a threat report, a blocklist, the
addresses of a partner. In conditions a list that a server knows is asked for by name: host in @NAME.`,
		Args: knownVerb,
		RunE: func(*cobra.Command, []string) error { return usage("no command is given", "weir actors check FILE") },
	}
	v := &actorsVerb{app: a}
	check := &cobra.Command{
		Use:   "check [flags] FILE",
		Short: "Say what a list holds, and what is wrong with it",
		Long: `Read a list as a server would, and say what it holds: entries by family, its content hash, lines that could not
be read, and entries that overlap private or other special ranges, which match traffic of every network.
FILE is a text with an address, prefix or range on each line, or CSV with such a column; - is standard input.

Exit code: 0 for a list that works, with --strict only if nothing is wrong with it; 1 for an alarm, which is an
empty list or one most of which could not be read: a query with it would find nothing, whatever happened.`,
		Example: `  weir actors check blocklist.txt
  weir actors check --strict -e json indicators.csv
  curl -s https://lists.example/drop.txt | weir actors check -`,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) != 1 {
				return usage(fmt.Sprintf("%d files, but one is expected", len(arguments)), "weir actors check FILE, or - for standard input")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, arguments []string) error { return v.run(arguments[0]) },
	}
	check.Flags().StringVar(&v.listFormat, "list-format", "", "`FORMAT` of the list: plain or csv (default: found out)")
	check.Flags().StringVarP(&v.format, "format", "e", "txt", "`FORMAT`: txt or json")
	check.Flags().BoolVar(&v.entries, "entries", false, "write the entries instead, one on each line, sorted and none twice")
	check.Flags().BoolVar(&v.strict, "strict", false, "take warnings for errors")
	completes(check, files, map[string]completer{"format": words("txt", "json"), "list-format": words("plain", "csv")})
	group.AddCommand(check)
	return group
}

func (v *actorsVerb) run(path string) error {
	switch {
	case v.format != "txt" && v.format != "json":
		return usage(fmt.Sprintf("--format: unknown format %q: expected txt or json", v.format), "")
	case v.entries && v.format == "json":
		return usage("--entries writes text: leave out -e json", "")
	}
	text, err := v.read(path)
	if err != nil {
		return err
	}
	list, err := actors.Parse(text, v.listFormat)
	if err != nil && !errors.Is(err, actors.ErrEmpty) {
		return failure(fmt.Errorf("%s: %w", path, err), "")
	}
	health := list.Health()
	switch {
	case v.entries:
		_, err = v.app.stdout.Write(list.Text())
	case v.format == "json":
		err = json.NewEncoder(render.InertJSON(v.app.stdout)).Encode(health)
	default:
		_, err = io.WriteString(v.app.stdout, healthText(&health))
	}
	if err != nil {
		return failure(fmt.Errorf("write the result: %w", err), "")
	}
	switch {
	case health.State == actors.StateAlarm && health.Entries == 0:
		return failure(fmt.Errorf("%s: alarm: the list is empty", path), "a query with it finds nothing, whatever happened: look at the file and where it comes from")
	case health.State == actors.StateAlarm:
		return failure(fmt.Errorf("%s: alarm: %d lines could not be read, %d entries remain", path, health.FaultCount, health.Entries), "is this the right file, and --list-format the right format?")
	case health.State == actors.StateWarning && v.strict:
		return failure(fmt.Errorf("%s: warnings, with --strict", path), "")
	}
	return nil
}

func (v *actorsVerb) read(path string) ([]byte, error) {
	source := v.app.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, failure(err, "")
		}
		defer file.Close()
		source = file
	}
	text, err := io.ReadAll(io.LimitReader(source, actors.MaxBytes+1))
	if err != nil {
		return nil, failure(fmt.Errorf("read %s: %w", path, err), "")
	}
	return text, nil // Parse refuses what is too long
}

// healthText tells people what the list holds and what is wrong with it. Lines and warnings repeat the file's text.
func healthText(h *actors.Health) string {
	var b strings.Builder
	line := func(name, format string, arguments ...any) {
		fmt.Fprintf(&b, "%-11s : %s\n", name, fmt.Sprintf(format, arguments...))
	}
	line("State", "%s", h.State)
	line("Format", "%s, %s", h.Format, plural(uint64(h.Lines), "line"))
	line("Entries", "%s (%d IPv4, %d IPv6), %s more than once", render.Count(uint64(h.Entries)), h.IPv4, h.IPv6, render.Count(uint64(h.Duplicates)))
	if h.Special > 0 {
		line("Special", "entries that overlap private or other special ranges: %d", h.Special)
	}
	if h.Wide > 0 {
		line("Wide", "entries that cover a large part of the Internet: %d", h.Wide)
	}
	line("Hash", "%s", h.Hash)
	for _, w := range h.Warnings {
		line("Warning", "%s", render.Line(w))
	}
	for _, f := range h.Faults {
		line("Unreadable", "line %d: %s", f.Line, render.Line(f.Message))
	}
	if more := h.FaultCount - len(h.Faults); more > 0 {
		line("Unreadable", "%s more", plural(uint64(more), "line"))
	}
	return b.String()
}
