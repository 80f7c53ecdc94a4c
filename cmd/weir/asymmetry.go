package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/pkg/reports"
)

func (a *app) asymmetryCommand() *cobra.Command {
	v := &reportVerb{app: a}
	pairs := 25
	command := &cobra.Command{
		Use:   "asymmetry [-d DIR | --server ADDR]... [flags]",
		Short: "Show pairs of addresses whose two directions go different ways",
		Long: `Show pairs of addresses of which some interface saw one direction only, those with most bytes first, and the
interfaces that carried each half:

  split            each direction was seen where the other was not
  partial          some interface saw one direction only, and others saw both
  reverse unseen   nobody saw the other direction, though there must have been one

Attempts that nobody answered and one-way protocols are counted, not shown: nothing says that there was an answer.

Exit code: 0 for an answer, also an empty one; 1 if nobody answered; 2 for a question that cannot be asked.`,
		Example: `  weir asymmetry --server https://gateway:8145 -f -1d
  weir asymmetry --server r1=10.0.0.1:8145 --server r2=10.0.0.2:8145 -c "net = 10.0.0.0/8" -n 10 -e csv`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return v.ask(command.Context(), func(ctx context.Context, q reports.Querier) error { return v.asymmetry(ctx, q, pairs) },
				map[string]string{"pairs": "--limit"})
		},
	}
	command.Flags().IntVarP(&pairs, "limit", "n", pairs, "show `N` pairs at most")
	v.register(command)
	v.completions(command, nil)
	return command
}

func (v *reportVerb) asymmetry(ctx context.Context, q reports.Querier, pairs int) error {
	if pairs < 1 {
		return usage(fmt.Sprintf("--limit %d: must be at least 1", pairs), "")
	}
	answer, err := reports.Asymmetry(ctx, q, reports.AsymmetryQuestion{Scope: v.scope, Pairs: pairs})
	if err != nil {
		return err
	}
	csv, text := func() error { return v.asymmetryCSV(answer) }, func() error { return v.asymmetryText(v.app.stdout, answer) }
	if err := v.write(answer, csv, text); err != nil {
		return err
	}
	return v.finish(&answer.Coverage, answer.Truncated, answer.Result)
}

func (v *reportVerb) asymmetryText(w io.Writer, a *reports.AsymmetryAnswer) error {
	if len(a.Pairs) > 0 {
		g := render.Grid{Width: reportWidth}
		g.Texts("source", true, column(a.Pairs, func(p *reports.AsymmetryPair) string { return p.Source.String() }))
		g.Texts("destination", true, column(a.Pairs, func(p *reports.AsymmetryPair) string { return p.Destination.String() }))
		g.Texts("kind", false, column(a.Pairs, func(p *reports.AsymmetryPair) string { return string(p.Kind) }))
		g.Sizes("forward", column(a.Pairs, func(p *reports.AsymmetryPair) int64 { return int64(p.Forward.Bytes) }))
		g.Sizes("backward", column(a.Pairs, func(p *reports.AsymmetryPair) int64 { return int64(p.Backward.Bytes) }))
		g.Times("first seen", column(a.Pairs, func(p *reports.AsymmetryPair) time.Time { return p.FirstSeen }), v.scope.Now)
		g.Times("last seen", column(a.Pairs, func(p *reports.AsymmetryPair) time.Time { return p.LastSeen }), v.scope.Now)
		if err := g.Write(w); err != nil {
			return err
		}
		fmt.Fprintln(w)
		for i := range a.Pairs {
			reportLine(w, "Pair", a.Pairs[i].Text)
		}
	}
	reportLine(w, "Answer", a.Text)
	return nil
}

// asymmetryCSV is a line for each pair.
func (v *reportVerb) asymmetryCSV(a *reports.AsymmetryAnswer) error {
	head := []string{"source", "destination", "kind", "halves known", "forward bytes", "forward packets", "forward only at", "backward bytes", "backward packets",
		"backward only at", "both at", "first seen", "last seen"}
	var rows [][]string
	for i := range a.Pairs {
		p := &a.Pairs[i]
		rows = append(rows, []string{p.Source.String(), p.Destination.String(), string(p.Kind), fmt.Sprint(p.HalvesKnown),
			number(p.Forward.Bytes), number(p.Forward.Packets), pointList(p.Forward.Points), number(p.Backward.Bytes), number(p.Backward.Packets),
			pointList(p.Backward.Points), pointList(p.Both), stampText(p.FirstSeen), stampText(p.LastSeen)})
	}
	return v.writeCSV(head, rows)
}

// pointList names points in one cell.
func pointList(points []reports.Point) string {
	names := make([]string, len(points))
	for i, p := range points {
		names[i] = p.String()
	}
	return strings.Join(names, "; ")
}
