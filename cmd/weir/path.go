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

func (a *app) pathCommand() *cobra.Command {
	v := &reportVerb{app: a}
	command := &cobra.Command{
		Use:   "path [-d DIR | --server ADDR]... [flags] A B",
		Short: "Show what went on between two ends: who saw it, when, how much, and whether it was let through",
		Long: `Show what went on between A and B, whoever initiated: for each service the outcome of the attempts to connect,
bytes in each direction, first and last seen; then what each interface of each host saw of it. What several of
them saw counts once. Views of one direction only are named: where the other direction was seen elsewhere, the
routes are asymmetric. Unanswered attempts usually met a filter behind the last interface that saw them.

A and B are each an address, a prefix, a range, a host name, @NAME of a list, or several of these, by commas.
Counters are relative to interfaces; where nothing tells which of them is A to B, they are given as in and out.

Exit code: 0 for an answer, also that nothing was seen; 1 if nobody answered; 2 for a question that cannot be asked.`,
		Example: `  weir path 10.10.1.21 10.20.0.15
  weir path --server https://gateway:8145 -f -7d workstation.example 10.20.0.0/16
  weir path --server probe-a:8145 --server probe-b:8145 -c "dport = 22" 10.10.1.66 @servers --list servers=servers.txt`,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) != 2 {
				return usage(fmt.Sprintf("two ends are expected, not %d", len(arguments)), "such as: weir path 10.0.0.1 10.0.1.0/24")
			}
			return nil
		},
		RunE: func(command *cobra.Command, arguments []string) error {
			return v.ask(command.Context(), func(ctx context.Context, q reports.Querier) error {
				return v.path(ctx, q, arguments[0], arguments[1])
			}, map[string]string{"a": "A", "b": "B"})
		},
	}
	v.register(command)
	v.completions(command, nil)
	return command
}

func (v *reportVerb) path(ctx context.Context, q reports.Querier, a, b string) error {
	answer, err := reports.Path(ctx, q, reports.PathQuestion{Scope: v.scope, A: v.byHash(a), B: v.byHash(b)})
	if err != nil {
		return err
	}
	answer.Text = strings.NewReplacer(v.byHash(a), a, v.byHash(b), b).Replace(answer.Text)
	answer.A, answer.B = a, b
	csv, text := func() error { return v.pathCSV(answer) }, func() error { return v.pathText(v.app.stdout, answer) }
	if err := v.write(answer, csv, text); err != nil {
		return err
	}
	return v.finish(&answer.Coverage, answer.Truncated, answer.Result)
}

func (v *reportVerb) pathText(w io.Writer, p *reports.PathAnswer) error {
	if len(p.Services) > 0 {
		if err := v.pathServices(w, p.Services); err != nil {
			return err
		}
		fmt.Fprintln(w)
		if err := v.pathViews(w, p.Views); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	reportLine(w, "Verdict", p.Verdict)
	reportLine(w, "Answer", p.Text)
	for _, text := range p.OneSided {
		reportLine(w, "One-sided", text)
	}
	reportLine(w, "Coverage", p.Coverage.Text)
	return nil
}

// half is a direction's bytes, -1 where the directions cannot be told apart.
func half(a reports.Amount, split bool) int64 {
	if !split {
		return -1
	}
	return int64(a.Bytes)
}

func (v *reportVerb) pathServices(w io.Writer, list []reports.PathService) error {
	g := render.Grid{Width: reportWidth}
	g.Texts("service", true, column(list, func(s *reports.PathService) string { return s.Text }))
	g.Texts("by", false, column(list, func(s *reports.PathService) string { return strings.ToUpper(s.Initiator[:1]) + s.Initiator[1:] }))
	g.Texts("attempts", true, column(list, func(s *reports.PathService) string { return outcomeText(&s.Outcome) }))
	g.Sizes("A to B", column(list, func(s *reports.PathService) int64 { return half(s.AToB, s.Split) }))
	g.Sizes("B to A", column(list, func(s *reports.PathService) int64 { return half(s.BToA, s.Split) }))
	g.Sizes("both", column(list, func(s *reports.PathService) int64 { return int64(s.Total.Bytes) }))
	g.Times("first seen", column(list, func(s *reports.PathService) time.Time { return s.FirstSeen }), v.scope.Now)
	g.Times("last seen", column(list, func(s *reports.PathService) time.Time { return s.LastSeen }), v.scope.Now)
	return g.Write(w)
}

func (v *reportVerb) pathViews(w io.Writer, list []reports.PathView) error {
	g := render.Grid{Width: reportWidth}
	g.Texts("host", true, column(list, func(p *reports.PathView) string { return p.Host }))
	g.Texts("iface", true, column(list, func(p *reports.PathView) string { return p.Iface }))
	g.Texts("service", true, column(list, func(p *reports.PathView) string { return p.Text }))
	g.Texts("saw", false, column(list, func(p *reports.PathView) string { return sidesText(p.Sides) }))
	g.Texts("attempts", true, column(list, func(p *reports.PathView) string { return outcomeText(&p.Outcome) }))
	g.Sizes("in", column(list, func(p *reports.PathView) int64 { return int64(p.Received.Bytes) }))
	g.Sizes("out", column(list, func(p *reports.PathView) int64 { return int64(p.Sent.Bytes) }))
	g.Times("last seen", column(list, func(p *reports.PathView) time.Time { return p.LastSeen }), v.scope.Now)
	return g.Write(w)
}

// sidesText is a direction as arrows that every terminal has.
func sidesText(s reports.Sides) string {
	switch s {
	case reports.SidesBoth:
		return "A<->B"
	case reports.SidesAToB:
		return "A->B"
	case reports.SidesBToA:
		return "B->A"
	}
	return "one way"
}

// pathCSV is a line for each view.
func (v *reportVerb) pathCSV(p *reports.PathAnswer) error {
	head := []string{"host", "iface", "service", "initiator", "verdict", "attempts", "accepted", "rejected", "unanswered", "sides",
		"bytes received", "bytes sent", "packets received", "packets sent", "bytes a to b", "bytes b to a", "first seen", "last seen"}
	var rows [][]string
	for i := range p.Views {
		o := &p.Views[i]
		forth, back := "", ""
		if o.Split {
			forth, back = number(o.AToB.Bytes), number(o.BToA.Bytes)
		}
		rows = append(rows, []string{o.Host, o.Iface, o.Text, o.Initiator, o.Verdict, number(o.Attempts), number(o.Accepted), number(o.Rejected), number(o.Unanswered),
			string(o.Sides), number(o.Received.Bytes), number(o.Sent.Bytes), number(o.Received.Packets), number(o.Sent.Packets), forth, back,
			stampText(o.FirstSeen), stampText(o.LastSeen)})
	}
	return v.writeCSV(head, rows)
}
