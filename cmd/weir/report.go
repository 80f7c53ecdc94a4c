package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/pkg/reports"
	"github.com/weirflow/weir/pkg/wire"
)

// reportVerb is what the verbs have in common that show reports: where, when and about what to ask, and how to show it.
type reportVerb struct {
	app        *app
	place      place
	connection connection
	scope      reports.Scope
	format     string
	live       bool
	liveGiven  func() bool
	lists      []string // NAME=FILE
	known      map[string]*actors.List
}

// reportWidth is how wide tables of reports are at most.
const reportWidth = 100

func (v *reportVerb) register(command *cobra.Command) {
	set := command.Flags()
	set.SortFlags = false
	v.place.register(set)
	set.StringVarP(&v.scope.Ifaces, "ifaces", "i", "any", "`IFACES`: any, eth0,eth1, any,!lo or /regular expression/")
	set.StringVarP(&v.scope.First, "first", "f", "", "first interval that ends at `TIME` or later: -1h, -7d, \"2026-11-20 05:00\", Unix seconds (default 30 days ago)")
	set.StringVarP(&v.scope.Last, "last", "l", "", "last interval that ends at `TIME` or earlier (default now)")
	set.StringVarP(&v.scope.Condition, "condition", "c", "", "of these, flows for which `COND` holds, such as \"dport = 443\"")
	set.StringVarP(&v.scope.Hosts, "hosts", "q", "", "`HOSTS` to ask, at a gateway: names, globs and labels, such as fra-* or company=acme")
	set.BoolVar(&v.live, "live", false, "include the interval that is being counted (default with a server unless --last is given)")
	set.Int64Var(&v.scope.Limit, "rows", reports.DefaultLimit, "look at `N` rows of each query behind the report")
	set.StringArrayVar(&v.lists, "list", nil, "@NAME is the list of addresses in a file (`NAME=FILE`, may be repeated)")
	set.StringVarP(&v.format, "format", "e", "txt", "`FORMAT`: txt, json or csv")
	v.connection.register(set)
	v.liveGiven = func() bool { return set.Changed("live") }
}

// completions are those of the common flags.
func (v *reportVerb) completions(command *cobra.Command, first completer) {
	known := func() filter.Known { return v.app.known(v.place, &v.connection) }
	span := words("-1h", "-6h", "-1d", "-7d", "-30d")
	completes(command, first, map[string]completer{
		"condition": conditions(known), "ifaces": lists(interfaces(known)), "format": words("txt", "json", "csv"), "first": span, "last": span,
	})
}

// ask chooses the place, makes a Querier of it and hands it to the report. at names an argument of the command line
// for each member of the question beside those of requests.
func (v *reportVerb) ask(ctx context.Context, report func(context.Context, reports.Querier) error, at map[string]string) error {
	if !slices.Contains([]string{"txt", "json", "csv"}, v.format) {
		return usage(fmt.Sprintf("--format: unknown format %q: expected txt, json or csv", v.format), "")
	}
	q := &queryVerb{app: v.app, lists: v.lists}
	if err := q.readLists(); err != nil {
		return err
	}
	v.known = q.known
	typed := v.scope.Condition
	v.scope.Now = v.app.now()
	if strings.TrimSpace(v.scope.Last) == "now" {
		v.scope.Last = ""
	}
	err := v.app.choose(ctx, v.place,
		func(ctx context.Context, directory string) error { return v.local(ctx, directory, report) },
		func(ctx context.Context, servers []string) error { return v.remote(ctx, servers, report) })
	var problem *wire.Problem
	var said *complaint
	if errors.As(err, &problem) && !errors.As(err, &said) && problem.Status < 500 {
		return reportFault(problem, typed, at)
	}
	return err
}

// reportFault names what was typed for each member of a question.
func reportFault(problem *wire.Problem, condition string, at map[string]string) error {
	named := *problem
	named.Errors = slices.Clone(problem.Errors)
	for i := range named.Errors {
		f := &named.Errors[i]
		if argument := at[strings.TrimPrefix(f.Location, "body.")]; argument != "" {
			f.Message = argument + ": " + f.Message
		}
	}
	if len(named.Errors) == 0 {
		named.Errors = []wire.Fault{{Message: problem.Error()}}
	}
	return &invalid{request: &wire.Request{Condition: condition}, problem: &named}
}

// byHash puts the hash of a list in a file for its name, in an end of a path.
func (v *reportVerb) byHash(end string) string {
	elements := strings.Split(end, ",")
	for i, element := range elements {
		if name, isList := strings.CutPrefix(strings.TrimSpace(element), "@"); isList && v.known[name] != nil {
			elements[i] = "@" + v.known[name].Hash()
		}
	}
	return strings.Join(elements, ",")
}

// findList finds the lists of --list by name and by hash; others are known where the question is answered, or nowhere.
func (v *reportVerb) findList(remote bool) func(name string) (filter.Set, error) {
	return func(name string) (filter.Set, error) {
		for known, list := range v.known {
			if known == name || list.Hash() == name {
				return list, nil
			}
		}
		if remote {
			return wire.ListElsewhere(name)
		}
		return nil, errors.New("there is no such list: name its file with --list " + name + "=FILE")
	}
}

// conditionByHash makes the scope's condition one that servers understand.
func (v *reportVerb) conditionByHash() error {
	q := &queryVerb{known: v.known}
	request := &wire.Request{Condition: v.scope.Condition}
	if err := q.sendByHash(request); err != nil {
		return nil //nolint:nilerr // whoever checks the condition says what is wrong with it
	}
	v.scope.Condition = request.Condition
	return nil
}

// finish says what the answer lacks, and fails where nobody answered.
func (v *reportVerb) finish(c *reports.Coverage, t *reports.Truncation, result *wire.Result) error {
	if v.format != "json" {
		for i, m := range c.Missing {
			if i == maxMissing {
				v.app.note("%d more hosts lack something: -e json names them", len(c.Missing)-i)
				break
			}
			v.app.note("%s: %s: %s", m.Host, m.State, m.Reason)
		}
		if t != nil {
			v.app.note("%s", t.Text)
		}
	}
	return outcome(result)
}

// maxMissing bounds the hosts that are named.
const maxMissing = 5

// line writes a title and a text that is folded behind it.
func reportLine(w io.Writer, title, text string) {
	fmt.Fprintf(w, "%-11s : %s\n", title, render.Fold(text, reportWidth, 14))
}

// write shows an answer in the format that was asked for.
func (v *reportVerb) write(answer any, csv, text func() error) error {
	form := text
	switch v.format {
	case "json":
		form = func() error { return json.NewEncoder(render.InertJSON(v.app.stdout)).Encode(answer) }
	case "csv":
		form = csv
	}
	if err := form(); err != nil {
		return failure(fmt.Errorf("write the result: %w", err), "")
	}
	return nil
}

// writeCSV writes a table.
func (v *reportVerb) writeCSV(head []string, rows [][]string) error {
	out := csv.NewWriter(v.app.stdout)
	out.Write(head) //nolint:errcheck // Error returns it
	for _, row := range rows {
		for i := range row {
			if _, err := strconv.ParseInt(row[i], 10, 64); err != nil {
				row[i] = render.CSVCell(row[i])
			}
		}
		out.Write(row) //nolint:errcheck // Error returns it
	}
	out.Flush()
	return out.Error()
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

// stampText is a moment for programs: Unix seconds, empty for none.
func stampText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.Unix(), 10)
}

// outcomeText is such as "268 accepted" or "2 rejected, 9 unanswered".
func outcomeText(o *reports.Outcome) string {
	var parts []string
	for _, p := range []struct {
		n    uint64
		what string
	}{{o.Accepted, "accepted"}, {o.Rejected, "rejected"}, {o.Unanswered, "unanswered"}} {
		if p.n > 0 {
			parts = append(parts, render.Count(p.n)+" "+p.what)
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

// column makes a column of a list.
func column[T, C any](list []T, cell func(*T) C) []C {
	cells := make([]C, len(list))
	for i := range list {
		cells[i] = cell(&list[i])
	}
	return cells
}
