package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/pkg/version"
	"github.com/weirflow/weir/pkg/wire"
)

// topEvery is how often the picture changes.
const topEvery = 2 * time.Second

// topLines is how many flows are shown unless told otherwise.
const topLines = 15

// topVerb is one run of weir top.
type topVerb struct {
	app        *app
	connection connection
	servers    []string
	request    wire.Request
	ask        func(context.Context, *wire.Query) (*wire.Result, error)
}

func (a *app) topCommand() *cobra.Command {
	v := &topVerb{app: a}
	v.ask = func(ctx context.Context, q *wire.Query) (*wire.Result, error) {
		quiet := *a
		quiet.stderr = io.Discard // the picture itself shows that something is done
		verb := queryVerb{app: &quiet, connection: v.connection}
		return verb.ask(ctx, q, v.servers)
	}
	command := &cobra.Command{
		Use:   "top [--server ADDR]... [flags] [ATTRIBUTES]",
		Short: "Watch who talks now",
		Long: `Watch the flows of the interval that is being counted, the largest first, every two seconds anew. The key q
ends it, / asks for another condition, s sorts by packets or bytes. Where standard output is no terminal, the picture is printed once.

ATTRIBUTES are those of weir query (default sip,dip,dport,proto). Without --server the probe of this machine
is asked.`,
		Example: `  weir top
  weir top --server probe-a:8145 -c "dport = 443" -n 5 sip`,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) > 1 {
				return oneAttributeList(nil, arguments)
			}
			return nil
		},
		RunE: func(command *cobra.Command, arguments []string) error {
			v.request.Query = strings.Join(append(arguments, "sip,dip,dport,proto")[:1], "")
			return v.run(command.Context())
		},
	}
	set := command.Flags()
	set.StringArrayVar(&v.servers, "server", nil, "ask the server at `ADDR`: host:8145, https://host:8145, unix:/path; repeat it to ask several, also as NAME=ADDR")
	set.StringVarP(&v.request.Ifaces, "ifaces", "i", "any", "`IFACES`: any, eth0,eth1, any,!lo or /regular expression/")
	set.StringVarP(&v.request.Condition, "condition", "c", "", "flows for which `COND` holds")
	set.Int64VarP(&v.request.NumResults, "limit", "n", topLines, "at most `N` rows")
	set.StringVarP(&v.request.SortBy, "sort", "s", "bytes", "sort by `KEY`: bytes or packets")
	v.connection.register(set)
	known := func() filter.Known { return a.known(place{servers: v.servers}, &v.connection) }
	completes(command, lists(fieldNames), map[string]completer{
		"ifaces": lists(interfaces(known)), "condition": conditions(known), "sort": words("bytes", "packets"),
	})
	return command
}

func (v *topVerb) run(ctx context.Context) error {
	if err := v.connection.check(true); err != nil {
		return err
	}
	if v.request.NumResults < 1 {
		return usage(fmt.Sprintf("--limit %d: must be at least 1", v.request.NumResults), "")
	}
	if v.request.SortBy == "time" {
		return usage("--sort time: there is one interval only; sort by bytes or packets", "")
	}
	if len(v.servers) == 0 {
		socket, err := v.app.localServer()
		if err != nil {
			return err
		}
		v.servers = []string{socket}
	}
	v.request.Live, v.request.Caller = true, "weir/"+version.String()
	v.request.First = "now" // each server by its own clock: the current interval ends later, all others ended before
	q, err := v.request.PrepareResolving(ctx, v.app.now(), v.app.lookup)
	var problem *wire.Problem
	switch {
	case errors.As(err, &problem):
		return &invalid{request: &v.request, problem: problem}
	case err != nil:
		return err
	}
	first, err := v.picture(ctx, q)
	if err != nil {
		return err
	}
	if v.app.columns(v.app.stdout) == 0 {
		_, err := v.app.stdout.Write([]byte(first))
		return err
	}
	return v.watch(ctx, q, first)
}

// picture asks once and shows the answer.
func (v *topVerb) picture(ctx context.Context, q *wire.Query) (string, error) {
	result, err := v.ask(ctx, q)
	if err != nil {
		return "", err
	}
	if err := outcome(result); err != nil {
		return "", err
	}
	view := render.View{Query: q, Hosts: len(v.servers) > 1, Zone: v.app.now().Location()}
	v.app.onTerminal(&view)
	var b strings.Builder
	err = view.Text(&b, result)
	return b.String(), err
}

// watch refreshes the picture until somebody ends it.
func (v *topVerb) watch(ctx context.Context, q *wire.Query, picture string) error {
	current := q // replaced by keys
	w := &watcher{app: v.app, every: topEvery, picture: picture,
		title: func() string {
			title := "weir top"
			if condition := current.Request.Condition; condition != "" {
				title += ", " + render.Line(condition)
			}
			return title
		},
		help: "q quits, / filters, s sorts",
		ask:  func(ctx context.Context) (string, error) { return v.picture(ctx, current) },
	}
	replace := func(change func(*wire.Request)) error {
		request := v.request
		change(&request)
		next, err := request.PrepareResolving(ctx, v.app.now(), v.app.lookup)
		if err == nil {
			v.request, current = request, next
		}
		return err
	}
	w.key = func(key byte) bool {
		switch key {
		case '/':
			w.edit("condition: ", v.request.Condition, func(text string) error {
				return replace(func(r *wire.Request) { r.Condition = text })
			})
		case 's':
			by := map[string]string{"bytes": "packets"}[v.request.SortBy]
			_ = replace(func(r *wire.Request) { r.SortBy = cmp.Or(by, "bytes") }) // both are known to be right
		default:
			return false
		}
		return true
	}
	return w.run(ctx)
}
