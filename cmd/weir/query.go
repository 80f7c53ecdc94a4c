package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/queryargs"
	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/pkg/span"
	"github.com/weirflow/weir/pkg/version"
	"github.com/weirflow/weir/pkg/wire"
)

// formats are the formats of a result.
var formats = []string{"txt", "json", "csv", "ndjson"}

// queryVerb is one run of weir query.
type queryVerb struct {
	app        *app
	flags      queryargs.Flags
	connection connection
	format     string

	stored      string // file with a request
	streaming   bool
	stats       bool
	logFile     string
	traceparent string
	lists       []string                // NAME=FILE
	known       map[string]*actors.List // by NAME
	log         *slog.Logger            // of the run; never nil while it runs
}

func (a *app) queryCommand() *cobra.Command {
	v := &queryVerb{app: a}
	command := &cobra.Command{
		Use:   "query [-d DIR | --server ADDR]... -i IFACES [flags] ATTRIBUTES | --stored-query FILE",
		Short: "Show flows, grouped by attributes",
		Long:  queryHelp(),
		Example: `  weir query -i any -f -1h talk_conv
  weir query -i eth0 -c "dport in (22, 3389) and not sip = 10.0.0.0/8" sip,dip,dport,proto
  weir query --server https://probe-a:8145 --server https://probe-b:8145 -i any --merge -n 10 sip
  weir query -d /var/lib/weir -i eth0 -f -7d --resolution 1h -e csv time,proto
  weir query -i any -f -1h -r -n 25 dip`,
		Args: v.attributeList,
		RunE: func(command *cobra.Command, arguments []string) error {
			return v.run(command.Context(), strings.Join(arguments, ","))
		},
	}
	v.flags.Register(command.Flags())
	command.Flags().StringVarP(&v.format, "format", "e", "txt", "`FORMAT` of the result: txt, json, csv, or ndjson, which is a row on each line and the summary on standard error")
	command.Flags().StringVar(&v.stored, "stored-query", "", "ask what the request in `FILE` asks (JSON, - for standard input); its members win over flags and ATTRIBUTES")
	command.Flags().BoolVar(&v.streaming, "streaming", false, "take the answer as a stream: on a terminal, how many hosts have answered is seen")
	command.Flags().BoolVar(&v.stats, "stats", false, "say what the query read")
	command.Flags().StringVar(&v.logFile, "query-log", "", "append to `FILE` when the query was prepared and answered, a JSON object on each line")
	command.Flags().StringVar(&v.traceparent, "traceparent", "", "make the query part of a trace: `HEADER` of W3C Trace Context")
	command.Flags().StringArrayVar(&v.lists, "list", nil, "in conditions, @NAME is the list of addresses in a file (`NAME=FILE`, may be repeated); servers are given it, and know it by its content")
	v.connection.register(command.Flags())
	known := func() filter.Known { return a.known(place{v.flags.Directory, v.flags.Servers}, &v.connection) }
	span := words("-1h", "-6h", "-1d", "-7d", "-30d")
	completes(command, lists(attributes(known)), map[string]completer{
		"condition": conditions(known), "ifaces": lists(interfaces(known)), "format": words(formats...),
		"dedupe": words("sum", "max"), "compare": words("previous", "1h", "1d", "1w"), "stored-query": files, "query-log": files, "keepalive": words("5s", "30s"), "lookup-timeout": words("1s", "5s"),
		"first": span, "last": span, "sort": words("bytes", "packets", "time"), "resolution": words("auto", "none", "5m", "1h", "1d"),
		"hosts": lists(func(string) (list []completion) {
			for _, host := range append([]string{"any"}, known().Hosts...) {
				list = append(list, completion{host, ""})
			}
			return list
		}),
	})
	return command
}

func queryHelp() string {
	var attributes, shorthands []string
	for _, f := range flow.Fields() {
		if f.Query {
			attributes = append(attributes, f.Name)
		}
	}
	for _, s := range flow.Shorthands() {
		shorthands = append(shorthands, s.Name)
	}
	return fmt.Sprintf(`Show the flows that match, summed up by the attributes named, the largest first.

ATTRIBUTES is a list of %s;
%s stand for several of them.

Without -d and --server the probe of this machine is asked, over its socket; where none runs, its store
is read, which holds closed intervals only. With -r names stand beside addresses: those that the server
found, else those that are found from here. goQuery's long names of the flags are understood too.

Exit code: 0 for an answer, also an empty one or one in which hosts are missing; 1 if nobody answered, or
for an error while answering; 2 for a question that cannot be asked.`,
		strings.Join(attributes, ","), strings.Join(shorthands, ", "))
}

// attributeList is what to group by, unless a stored query says so.
func (v *queryVerb) attributeList(command *cobra.Command, arguments []string) error {
	if len(arguments) == 0 && v.stored != "" {
		return nil
	}
	return oneAttributeList(command, arguments)
}

func oneAttributeList(_ *cobra.Command, arguments []string) error {
	switch len(arguments) {
	case 0:
		return usage("no attributes are named", "say what to group by, such as: weir query -i any sip,dip,dport,proto")
	case 1:
		return nil
	}
	return usage(fmt.Sprintf("%d arguments, but one list of attributes is expected", len(arguments)),
		"separate attributes by commas, and put conditions in quotes behind -c")
}

func (v *queryVerb) run(ctx context.Context, attributes string) (err error) {
	if !slices.Contains(formats, v.format) {
		text := fmt.Sprintf("--format: unknown format %q: expected txt, json, csv or ndjson", v.format)
		if nearest, ok := flow.Nearest(strings.ToLower(v.format), formats); ok {
			text += fmt.Sprintf("; did you mean %q?", nearest)
		}
		return usage(text, "")
	}
	if err := v.readStored(); err != nil {
		return err
	}
	if err := v.readLists(); err != nil {
		return err
	}
	if v.traceparent != "" {
		ctx = span.WithParent(ctx, v.traceparent)
	}
	closeLog, err := v.openLog()
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, closeLog()) }()
	err = v.app.choose(ctx, place{v.flags.Directory, v.flags.Servers},
		func(ctx context.Context, directory string) error { return v.local(ctx, attributes, directory) },
		func(ctx context.Context, servers []string) error { return v.remote(ctx, attributes, servers) })
	if err != nil {
		v.log.Error("failed", "error", err.Error())
	}
	return err
}

// prepare makes the request of the command line and checks it. Names in the condition become addresses here, once.
func (v *queryVerb) prepare(ctx context.Context, attributes string, remote bool) (*wire.Query, error) {
	request, err := v.flags.Request(attributes, remote)
	var problem *wire.Problem
	switch {
	case errors.As(err, &problem):
		return nil, &invalid{request: &wire.Request{}, problem: problem}
	case err != nil:
		return nil, usage(err.Error(), "")
	}
	if request.Format != "" { // only a stored query has one
		v.format = request.Format
	}
	if strings.TrimSpace(request.Ifaces) == "" {
		return nil, usage("no interface is named", "add -i any, or some of them: -i eth0,eth1")
	}
	if strings.TrimSpace(request.Last) == "now" {
		request.Last = "" // what is stamped with the second that has begun belongs to it, too
	}
	q, err := request.PrepareWith(ctx, v.app.now(), wire.Names{Lookup: v.app.lookup, List: v.findList(remote)})
	if errors.As(err, &problem) {
		return nil, &invalid{request: request, problem: problem}
	}
	if err == nil {
		v.log.Info("prepared", "query", request.Query, "ifaces", request.Ifaces, "condition", q.Request.Condition, "first", q.First, "last", q.Last)
	}
	return q, err
}

// fixed is the query as it is sent to servers: with times that mean the same whatever their clocks and zones, and
// with bins of one length. A span without end stays without, so that each server adds what it has by now.
func (v *queryVerb) fixed(q *wire.Query) (*wire.Query, error) {
	request := *q.Request
	request.First = strconv.FormatInt(q.First, 10)
	if strings.TrimSpace(request.Last) != "" {
		request.Last = strconv.FormatInt(q.Last, 10)
	}
	if q.Resolution > 0 {
		request.TimeResolution = q.Resolution.String()
	}
	request.Caller = "weir/" + version.String()
	if err := v.sendByHash(&request); err != nil {
		return nil, err
	}
	fixed, err := request.PrepareWith(context.Background(), v.app.now(), wire.Names{List: wire.ListElsewhere})
	if err == nil {
		fixed.Lookups = q.Lookups
	}
	return fixed, err
}

// show writes the result, and what it lacks where the format has no place for it.
func (v *queryVerb) show(ctx context.Context, q *wire.Query, r *wire.Result, remote bool) error {
	r = v.named(ctx, q, r)
	v.log.Info("answered", "rows", len(r.Rows), "hits", r.Summary.Hits.Total, "status", r.Status.Code, "trace_id", r.Summary.TraceID)
	view := render.View{Query: q, Hosts: remote, Zone: v.app.now().Location(), Stats: v.stats}
	var err error
	switch v.format {
	case "json":
		err = render.JSON(v.app.stdout, r)
	case "ndjson":
		if err = render.NDJSON(v.app.stdout, r); err == nil {
			err = view.Footer(v.app.stderr, r)
		}
	case "csv":
		view.Hosts = len(v.flags.Servers) > 1 || q.Request.QueryHosts != ""
		if err = view.CSV(v.app.stdout, r); err == nil {
			err = render.ExplainText(v.app.stderr, r)
		}
	default:
		v.app.onTerminal(&view)
		err = view.Text(v.app.stdout, r)
	}
	if err != nil {
		return failure(fmt.Errorf("write the result: %w", err), "")
	}
	if v.format == "json" || v.format == "csv" {
		for _, warning := range render.Warnings(r) {
			v.app.note("%s", warning)
		}
	}
	if len(r.Summary.Enrichment) == 0 && len(q.Enriched(r)) > 0 {
		v.app.note("nobody knows where these addresses belong: the servers have no files of countries and networks, or none that has them")
	}
	if (v.format == "csv" || v.format == "ndjson") && len(r.Rows) == 0 && r.Status.Message != "" {
		v.app.note("%s", r.Status.Message)
	}
	return outcome(r)
}

// outcome is an error where nobody answered: the figures then say nothing about the flows.
func outcome(r *wire.Result) error {
	failed := 0
	for _, s := range r.HostsStatuses {
		if render.Failed(s) {
			failed++
		}
	}
	switch {
	case render.Failed(r.Status):
		return failure(fmt.Errorf("no answer: %s", render.Line(r.Status.Message)), "")
	case failed > 0 && failed == len(r.HostsStatuses):
		return failure(fmt.Errorf("none of %d hosts answered", failed), "")
	}
	return nil
}
