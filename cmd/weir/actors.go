package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

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
	own        []string
	maxAge     time.Duration
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
FILE is a text with an address, prefix or range on each line, FireHOL's netset, Spamhaus' DROP as text or JSON, the
Feodo Tracker's table, or CSV with such a column; - is standard input. Tables of our own have the columns
prefix,port,proto,label,source,confidence,valid_from,valid_until, all but the first of which may be missing. A list
that says of when it is, until when it holds or how many entries it has is held against that.

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
	check.Flags().StringVar(&v.listFormat, "list-format", "", "`FORMAT` of the list: "+strings.Join(actors.FormatNames(), ", ")+" (default: found out)")
	check.Flags().StringVarP(&v.format, "format", "e", "txt", "`FORMAT`: txt or json")
	check.Flags().BoolVar(&v.entries, "entries", false, "write the entries instead, one on each line, sorted and none twice")
	check.Flags().BoolVar(&v.strict, "strict", false, "take warnings for errors")
	check.Flags().StringSliceVar(&v.own, "own", nil, "name entries that overlap `PREFIXES` of our own, by commas")
	check.Flags().DurationVar(&v.maxAge, "max-age", actors.DefaultMaxAge, "`TIME` that a list which says of when it is may be old")
	completes(check, files, map[string]completer{"format": words("txt", "json"), "list-format": words(actors.FormatNames()...)})
	group.AddCommand(check, a.actorsHitsCommand())
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
	own, err := ownPrefixes(v.own)
	if err != nil {
		return err
	}
	health := list.Check(actors.CheckConfig{Own: own, Now: v.app.now(), MaxAge: v.maxAge})
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

func ownPrefixes(texts []string) (list []netip.Prefix, err error) {
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return nil, usage(fmt.Sprintf("--own: %q is no prefix", text), "such as --own 192.0.2.0/24,2001:db8::/32")
		}
		list = append(list, prefix.Masked())
	}
	return list, nil
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
	if h.Own > 0 {
		line("Own", "entries that overlap ranges of our own: %d", h.Own)
	}
	if !h.Updated.IsZero() {
		line("Updated", "%s UTC", h.Updated.Format(time.DateTime))
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
