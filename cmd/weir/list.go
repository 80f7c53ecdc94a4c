package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/filter"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/store"
)

// listVerb is one run of weir list.
type listVerb struct {
	app        *app
	place      place
	connection connection
	format     string
	detailed   bool
	coverage   bool

	selection wire.InterfaceSelection
	list      render.List
}

func (a *app) listCommand() *cobra.Command {
	v := &listVerb{app: a}
	command := &cobra.Command{
		Use:   "list [-d DIR | --server ADDR]... [flags] [IFACES]",
		Short: "List interfaces, since when they are stored, and how much",
		Long: `List the interfaces with data: the span that is stored, packets, bytes and flows in it. A flow is one stored
row: what two hosts did over one service in one interval.

Packets, bytes and flows are counted by reading all that is stored; --coverage leaves that out and is fast
however much there is. Servers do not tell flows and drops. Closed intervals only.`,
		Example: `  weir list
  weir list -d /var/lib/weir any,!lo
  weir list --server probe-a:8145 --server probe-b:8145 --coverage`,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) > 1 {
				return usage(fmt.Sprintf("%d arguments, but one list of interfaces is expected", len(arguments)), "separate interfaces by commas")
			}
			return nil
		},
		RunE: func(command *cobra.Command, arguments []string) error { return v.run(command.Context(), arguments) },
	}
	v.place.register(command.Flags())
	command.Flags().BoolVarP(&v.detailed, "detailed", "v", false, "tell received from sent and IPv4 from IPv6, and show drops")
	command.Flags().BoolVar(&v.coverage, "coverage", false, "do not count: names and spans only")
	command.Flags().StringVarP(&v.format, "format", "e", "txt", "`FORMAT`: txt or json")
	v.connection.register(command.Flags())
	completes(command, lists(interfaces(func() filter.Known { return a.known(v.place, &v.connection) })),
		map[string]completer{"format": words("txt", "json")})
	return command
}

func (v *listVerb) run(ctx context.Context, arguments []string) (err error) {
	switch {
	case v.format != "txt" && v.format != "json":
		return usage(fmt.Sprintf("--format: unknown format %q: expected txt or json", v.format), "")
	case v.detailed && v.coverage:
		return usage("--detailed and --coverage exclude each other", "")
	}
	if v.selection, err = wire.ParseInterfaces(cmp.Or(strings.Join(arguments, ""), "any")); err != nil {
		return usage("interfaces: "+err.Error(), "")
	}
	v.list = render.List{Detailed: v.detailed, Zone: v.app.now().Location()}
	return v.app.choose(ctx, v.place, v.local, v.remote)
}

// local lists a store.
func (v *listVerb) local(ctx context.Context, directory string) error {
	if err := v.connection.check(false); err != nil {
		return err
	}
	s, err := v.app.openStore(directory)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // it was only read
	ctx, cancel := v.connection.within(ctx)
	defer cancel()
	names, err := s.Interfaces()
	if err != nil {
		return err
	}
	start := time.Now()
	var cost scanCost
	stop := v.app.progress(func() string { return "reading " + directory })
	if err := v.count(ctx, s, v.selection.Select(names), &cost); err != nil {
		stop()
		return err
	}
	stop()
	if err := v.show(names); err != nil {
		return err
	}
	if cost.damaged > 0 {
		v.app.note("damaged blocks of the store that are not part of this list: %d", cost.damaged)
	}
	if !v.coverage && v.format == "txt" {
		v.app.note("counting read %s of %s in %s", plural(cost.blocks, "block"), render.Size(cost.read), render.Duration(time.Since(start)))
	}
	return nil
}

// count makes the entries of the list.
func (v *listVerb) count(ctx context.Context, s *store.Store, names []string, cost *scanCost) error {
	for _, name := range names {
		first, last, err := s.Coverage(name)
		if err != nil {
			return err
		}
		entry := render.ListEntry{Interface: name, First: unix(first), Last: unix(last)}
		if !v.coverage {
			var sum flow.Counters
			entry.Traffic = new(render.ListTraffic)
			stats, err := s.Scan(ctx, name, 0, wire.EndOfTime, addUp(&sum, entry.Traffic))
			if err != nil {
				return err
			}
			counters := wire.CountersFrom(sum)
			entry.Counters = &counters
			cost.read, cost.blocks, cost.damaged = cost.read+stats.BytesRead, cost.blocks+stats.Blocks, cost.damaged+stats.Corrupted
		}
		v.list.Entries = append(v.list.Entries, entry)
	}
	return nil
}

// scanCost is what counting took.
type scanCost struct{ blocks, read, damaged uint64 }

// addUp adds up what is visited.
func addUp(sum *flow.Counters, traffic *render.ListTraffic) func(flow.Interval, []flow.Record) error {
	return func(interval flow.Interval, records []flow.Record) error {
		traffic.Drops += interval.Accounting.Dropped
		for i := range records {
			sum.Add(records[i].Counters)
			if records[i].Key.Family == flow.IPv6 {
				traffic.FlowsV6++
			} else {
				traffic.FlowsV4++
			}
		}
		return nil
	}
}

func unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// show writes the list; known are the interfaces there are, selected or not.
func (v *listVerb) show(known []string) error {
	if len(v.list.Entries) == 0 && len(known) > 0 {
		text, hint := fmt.Sprintf("no interface %s", v.selection), "there are "+strings.Join(known, ", ")
		if nearest, ok := flow.Nearest(v.selection.String(), known); ok {
			text += fmt.Sprintf("; did you mean %q?", nearest)
		}
		return failure(fmt.Errorf("%s", text), hint)
	}
	write := v.list.Text
	switch {
	case v.format == "json":
		write = v.list.JSON
	case len(v.list.Entries) == 0:
		v.app.note("nothing is stored yet")
		return nil
	}
	if err := write(v.app.stdout); err != nil {
		return failure(fmt.Errorf("write the list: %w", err), "")
	}
	return nil
}

func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return render.Count(n) + " " + stem + "ies"
	}
	return render.Count(n) + " " + noun + "s"
}
