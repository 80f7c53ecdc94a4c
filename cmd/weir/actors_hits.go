package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/pkg/reports"
)

// hitsVerb is one run of weir actors hits.
type hitsVerb struct {
	reportVerb
	question   reports.ActorsQuestion
	listFormat string
	none       bool
}

func (a *app) actorsHitsCommand() *cobra.Command {
	v := &hitsVerb{reportVerb: reportVerb{app: a}}
	command := &cobra.Command{
		Use:   "hits [-d DIR | --server ADDR]... [flags] FILE|@NAME|ADDRESS",
		Short: "Say which addresses of a list were seen: where, when, with what outcome; or prove that none was",
		Long: `Ask whether any address of a list touched, or was touched by, any system: first and last seen, hosts, companies,
ports, bytes, and what became of the attempts to connect, by who began them. Without a hit the answer says what
that proves: how many hosts answered, and from when to when they have data.

FILE is a list as weir actors check reads it; servers are given it once, and know it by its content. Entries that
are not valid in the span are left out. @NAME is a list that the servers know by that name. ADDRESS, or a network such
as 198.51.100.0/24, is a list of one.

Exit code: 0 for an answer, with hits or without; 1 if nobody answered; with --expect-none 1 for a hit, or for a
host that did not answer in full; 2 for a question that cannot be asked.`,
		Example: `  weir actors hits indicators.csv
  weir actors hits -f -7d 198.51.100.23
  weir actors hits --server https://gateway:8145 -f -90d feodo.csv
  weir actors hits --server https://gateway:8145 --expect-none @c2`,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) != 1 {
				return usage(fmt.Sprintf("one list is expected, not %d", len(arguments)), "weir actors hits FILE, or @NAME of a list that the servers know")
			}
			return nil
		},
		RunE: func(command *cobra.Command, arguments []string) error {
			return v.run(command.Context(), arguments[0])
		},
	}
	set := command.Flags()
	set.IntVarP(&v.question.Actors, "limit", "n", 100, "show `N` actors at most, those that were seen last first")
	set.IntVar(&v.question.Ports, "ports", 5, "show `N` ports of an actor at most")
	set.IntVar(&v.question.Systems, "systems", 5, "show `N` of the systems that an actor touched, or was touched by")
	set.StringVar(&v.question.CompanyLabel, "company-label", "company", "the `LABEL` of hosts that names the company")
	set.StringVar(&v.listFormat, "list-format", "", "`FORMAT` of the list: "+strings.Join(actors.FormatNames(), ", ")+" (default: found out)")
	set.BoolVar(&v.none, "expect-none", false, "fail if there is a hit, or if a host did not answer in full")
	v.register(command)
	v.completions(command, files)
	return command
}

func (v *hitsVerb) run(ctx context.Context, source string) error {
	if v.question.Actors < 1 || v.question.Ports < 1 || v.question.Systems < 1 {
		return usage("--limit, --ports and --systems must be at least 1", "")
	}
	if name, isName := strings.CutPrefix(source, "@"); isName {
		v.question.ListName = name
	} else {
		list, err := v.readActors(source)
		if err != nil {
			return err
		}
		v.question.List = list
	}
	return v.ask(ctx, func(ctx context.Context, q reports.Querier) error { return v.hits(ctx, q, source) },
		map[string]string{"list": source, "actors": "--limit", "ports": "--ports", "systems": "--systems"})
}

// readActors reads the list. One that holds nothing, or that was hardly read, is refused: the answer would prove
// nothing.
func (v *hitsVerb) readActors(path string) (*actors.List, error) {
	text := []byte(path)
	if !isAddress(path) {
		var err error
		if text, err = (&actorsVerb{app: v.app}).read(path); err != nil {
			return nil, err
		}
	}
	list, err := actors.Parse(text, v.listFormat)
	if err == nil && list.Health().State == actors.StateAlarm {
		err = errors.New("most of its lines could not be read")
	}
	if err != nil {
		return nil, failure(fmt.Errorf("%s: %w", path, err), "weir actors check "+path+" says more")
	}
	health := list.Check(actors.CheckConfig{Now: v.app.now()})
	for _, warning := range health.Warnings {
		v.app.note("%s: %s", path, warning)
	}
	return list, nil
}

// isAddress says that the argument is an address or a network, and no file.
func isAddress(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	_, err := netip.ParsePrefix(text)
	return err == nil
}

func (v *hitsVerb) hits(ctx context.Context, q reports.Querier, source string) error {
	v.question.Scope = v.scope
	answer, err := reports.Actors(ctx, q, v.question)
	if err != nil {
		return err
	}
	csv, text := func() error { return v.hitsCSV(answer) }, func() error { return v.hitsText(v.app.stdout, answer) }
	if err := v.write(answer, csv, text); err != nil {
		return err
	}
	if err := v.finish(&answer.Coverage, answer.Truncated, answer.Result); err != nil || !v.none {
		return err
	}
	switch {
	case answer.Hits > 0:
		return failure(fmt.Errorf("%s: %s, with --expect-none", source, plural(uint64(answer.Hits), "hit")), "")
	case len(answer.Coverage.Missing) > 0 || answer.Coverage.Folded != nil:
		return failure(fmt.Errorf("%s: no hit, but the proof is not complete: %s", source, answer.Coverage.Text), "")
	}
	return nil
}

func (v *hitsVerb) hitsText(w io.Writer, a *reports.ActorsAnswer) error {
	if len(a.Actors) > 0 {
		g := render.Grid{Width: reportWidth}
		g.Texts("actor", true, column(a.Actors, func(h *reports.Hit) string { return prefixText(h.Prefix) }))
		g.Texts("label", true, column(a.Actors, func(h *reports.Hit) string { return h.Label }))
		g.Texts("attempts", true, column(a.Actors, func(h *reports.Hit) string { return outcomeText(&h.Total.Outcome) }))
		g.Sizes("bytes", column(a.Actors, func(h *reports.Hit) int64 { return int64(h.Total.Bytes) }))
		g.Times("first seen", column(a.Actors, func(h *reports.Hit) time.Time { return h.FirstSeen }), v.scope.Now)
		g.Times("last seen", column(a.Actors, func(h *reports.Hit) time.Time { return h.LastSeen }), v.scope.Now)
		if err := g.Write(w); err != nil {
			return err
		}
		for i := range a.Actors {
			fmt.Fprintln(w)
			v.hitText(w, &a.Actors[i])
		}
		fmt.Fprintln(w)
	}
	reportLine(w, "Answer", a.Text)
	return nil
}

// hitText says all that is known of an actor.
func (v *hitsVerb) hitText(w io.Writer, h *reports.Hit) {
	name := prefixText(h.Prefix)
	if h.Label != "" {
		name += " " + h.Label
	}
	if h.Source != "" {
		name += ", says " + h.Source
	}
	if h.Confidence > 0 {
		name += fmt.Sprintf(" (%d %%)", h.Confidence)
	}
	reportLine(w, "Actor", name)
	if !h.Prefix.IsSingleIP() {
		reportLine(w, "Addresses", listed(column(h.Addresses, func(a *netip.Addr) string { return a.String() }), h.AddressCount))
	}
	for _, r := range []struct {
		title string
		role  *reports.Role
	}{{"Initiated", &h.AsInitiator}, {"Answered", &h.AsResponder}} {
		if r.role.Flows > 0 {
			attempts := "no attempt seen"
			if r.role.Attempts > 0 {
				attempts = outcomeText(&r.role.Outcome)
			}
			reportLine(w, r.title, fmt.Sprintf("%s: %s; %s in %s packets", plural(uint64(r.role.Flows), "flow"), attempts,
				render.Size(r.role.Bytes), render.Count(r.role.Packets)))
		}
	}
	reportLine(w, "Ports", listed(column(h.Ports, func(p *reports.PortCount) string {
		return fmt.Sprintf("%s (%s)", p.Text, plural(uint64(p.Flows), "flow"))
	}), h.PortCount))
	reportLine(w, "Systems", listed(column(h.Systems, func(a *netip.Addr) string { return a.String() }), h.SystemCount))
	if len(h.Companies) > 0 {
		reportLine(w, "Companies", listed(h.Companies, len(h.Companies)))
	}
	reportLine(w, "Seen by", listed(column(h.Points, func(p *reports.Point) string { return p.String() }), len(h.Points)))
	if len(h.OneSided) > 0 {
		reportLine(w, "One-sided", "one direction only at "+listed(column(h.OneSided, func(p *reports.Point) string { return p.String() }), len(h.OneSided)))
	}
	if len(h.ListedPorts) > 0 {
		reportLine(w, "Listed for", fmt.Sprintf("%s; of the flows it answered %d were there", strings.Join(h.ListedPorts, ", "), h.OnListedPort))
	}
	if h.AtLeast {
		reportLine(w, "Note", "figures, ports and systems are of the largest flows only")
	}
}

// maxListed bounds what a line lists.
const maxListed = 12

// listed names things of which there may be more.
func listed(names []string, all int) string {
	shown := names[:min(len(names), maxListed)]
	text := strings.Join(shown, ", ")
	if more := all - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// hitsCSV is a line for each actor.
func (v *hitsVerb) hitsCSV(a *reports.ActorsAnswer) error {
	head := []string{"actor", "label", "source", "confidence", "first seen", "last seen", "flows", "bytes", "packets", "attempts", "accepted", "rejected",
		"unanswered", "initiated flows", "answered flows", "ports", "systems", "hosts", "companies", "seen by"}
	var rows [][]string
	for i := range a.Actors {
		h := &a.Actors[i]
		t := &h.Total
		rows = append(rows, []string{prefixText(h.Prefix), h.Label, h.Source, fmt.Sprint(h.Confidence), stampText(h.FirstSeen), stampText(h.LastSeen),
			fmt.Sprint(t.Flows), number(t.Bytes), number(t.Packets), number(t.Attempts), number(t.Accepted), number(t.Rejected), number(t.Unanswered),
			fmt.Sprint(h.AsInitiator.Flows), fmt.Sprint(h.AsResponder.Flows),
			strings.Join(column(h.Ports, func(p *reports.PortCount) string { return p.Text }), "; "),
			strings.Join(column(h.Systems, func(a *netip.Addr) string { return a.String() }), "; "),
			strings.Join(h.Hosts, "; "), strings.Join(h.Companies, "; "), pointList(h.Points)})
	}
	return v.writeCSV(head, rows)
}
