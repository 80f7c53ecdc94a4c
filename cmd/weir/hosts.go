package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/pkg/wire"
)

// hostsVerb is one run of weir hosts.
type hostsVerb struct {
	app        *app
	servers    []string
	connection connection
	format     string
}

// hostEntry is what is known of one host. It is an element of the array that -e json writes.
type hostEntry struct {
	Name       string    `json:"name"`
	Address    string    `json:"address"`
	Kind       string    `json:"kind,omitempty"`
	Version    string    `json:"version,omitempty"`
	State      string    `json:"state"`            // ok, or the kind of error
	Reason     string    `json:"reason,omitempty"` // of an error
	HostID     string    `json:"host_id,omitempty"`
	First      time.Time `json:"first,omitzero"` // of what is stored
	Last       time.Time `json:"last,omitzero"`
	Interfaces int       `json:"interfaces"`
	Capturing  int       `json:"capturing"` // of the interfaces; -1 of a host behind a gateway, which does not say
	Clock      float64   `json:"clock_seconds,omitempty"`
	// Gateway is the server that the host is behind, Labels are those that its inventory gives the host.
	Gateway string            `json:"gateway,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
}

// clockTolerance is how far a host's clock may be off before it is worth a note.
const clockTolerance = 5 * time.Second

func (a *app) hostsCommand() *cobra.Command {
	v := &hostsVerb{app: a}
	command := &cobra.Command{
		Use:   "hosts [--server ADDR]... [flags]",
		Short: "Show which servers answer, what they are, and since when they have data",
		Long: `Ask all servers who they are: name, address, kind, version, state, interfaces (captured now, of all that there
is data of) and the span that is stored. Without --server the probe of this machine is asked. Clocks that are
off, and hosts with the same id, are named in notes. The hosts behind a gateway follow it.

Exit code: 0 if all servers answered; 1 if one did not, or two have the same id.`,
		Example: `  weir hosts
  weir hosts --server berlin=probe-a:8145 --server paris=https://probe-b:8145 --token-file token
  weir hosts --server probe-a:8145 -e json`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return v.run(command.Context()) },
	}
	command.Flags().StringArrayVar(&v.servers, "server", nil, "ask the server at `ADDR`: host:8145, https://host:8145, unix:/path; repeat it to ask several, also as NAME=ADDR")
	command.Flags().StringVarP(&v.format, "format", "e", "txt", "`FORMAT`: txt or json")
	v.connection.register(command.Flags())
	completes(command, nil, map[string]completer{"format": words("txt", "json")})
	return command
}

func (v *hostsVerb) run(ctx context.Context) error {
	if v.format != "txt" && v.format != "json" {
		return usage(fmt.Sprintf("--format: unknown format %q: expected txt or json", v.format), "")
	}
	if err := v.connection.check(true); err != nil {
		return err
	}
	if len(v.servers) == 0 {
		socket, err := v.app.localServer()
		if err != nil {
			return err
		}
		v.servers = []string{socket}
	}
	answers := make([][]hostEntry, len(v.servers))
	var group sync.WaitGroup
	for i, text := range v.servers {
		name, address := named(text)
		server, err := v.app.dial(&v.connection, address)
		if err != nil {
			return err
		}
		defer server.Close() //nolint:errcheck // closes idle connections
		e := hostEntry{Name: cmp.Or(name, hostOf(address, v.servers)), Address: server.Address()}
		group.Go(func() { answers[i] = v.ask(ctx, server, e, name != "") })
	}
	stop := v.app.progress(func() string { return fmt.Sprintf("waiting for %d servers", len(answers)) })
	group.Wait()
	stop()
	entries := slices.Concat(answers...)
	if err := v.show(entries); err != nil {
		return failure(fmt.Errorf("write the list: %w", err), "")
	}
	return v.judge(entries)
}

// ask completes the entry of one server, and adds those of the hosts behind it. The server's own name counts unless the
// command line gives one.
func (v *hostsVerb) ask(ctx context.Context, server *client.Client, e hostEntry, hasName bool) []hostEntry {
	info, err := server.Info(ctx)
	var catalog *wire.Catalog
	if err == nil {
		e.Kind, e.Version = string(info.Kind), info.Version
		catalog, err = server.Catalog(ctx)
	}
	if err != nil {
		e.State, e.Reason = "error", err.Error()
		var known *client.Error
		if errors.As(err, &known) {
			e.State, e.Reason = string(known.Kind), known.Text
		}
		return []hostEntry{e}
	}
	e.State, e.HostID = "ok", catalog.HostID
	if catalog.Host != "" && !hasName {
		e.Name = catalog.Host
	}
	if !catalog.Now.IsZero() {
		if off := catalog.Now.Sub(v.app.now()); off.Abs() > clockTolerance {
			e.Clock = off.Seconds()
		}
	}
	for _, i := range catalog.Interfaces {
		e.Interfaces++
		if i.Capturing {
			e.Capturing++
		}
		if e.First.IsZero() || !i.First.IsZero() && i.First.Before(e.First) {
			e.First = i.First
		}
		if i.Last.After(e.Last) {
			e.Last = i.Last
		}
	}
	list := []hostEntry{e}
	for _, h := range catalog.Hosts {
		list = append(list, behind(e.Name, h))
	}
	return list
}

// behind is a host as the gateway that it is behind knows it.
func behind(gateway string, h wire.CatalogHost) hostEntry {
	e := hostEntry{
		Name: h.Name, Gateway: gateway, Kind: h.Kind, Version: h.Version, State: string(cmp.Or(h.State, wire.StateError)), Reason: h.Error, HostID: h.ID,
		Labels: h.Labels, First: h.First, Last: h.Last, Interfaces: len(h.Interfaces), Capturing: -1,
	}
	if h.Class != "" {
		e.State = string(h.Class)
	}
	if off := time.Duration(h.ClockSkewNanoseconds); off.Abs() > clockTolerance {
		e.Clock = off.Seconds()
	}
	return e
}

func (v *hostsVerb) show(entries []hostEntry) error {
	if v.format == "json" {
		return json.NewEncoder(render.InertJSON(v.app.stdout)).Encode(entries)
	}
	zone := v.app.now().Location()
	moment := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.In(zone).Format(time.DateTime)
	}
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "name\taddress\tkind\tversion\tstate\tinterfaces\tfrom\tto\n")
	for _, e := range entries {
		interfaces := "-"
		switch {
		case e.State != "ok":
		case e.Capturing < 0: // a gateway does not say which of them
			interfaces = strconv.Itoa(e.Interfaces)
		default:
			interfaces = fmt.Sprintf("%d of %d", e.Capturing, e.Interfaces)
		}
		address := render.Line(e.Address)
		if e.Gateway != "" {
			address = "via " + render.Line(e.Gateway)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", render.Line(e.Name), address, cmp.Or(render.Line(e.Kind), "-"),
			cmp.Or(render.Line(e.Version), "-"), e.State, interfaces, moment(e.First), moment(e.Last))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := v.app.stdout.Write([]byte(out.String()))
	return err
}

// judge says what is wrong.
func (v *hostsVerb) judge(entries []hostEntry) error {
	failed := 0
	same := make(map[string][]string)
	for _, e := range entries {
		switch {
		case e.State != "ok":
			failed++
			v.app.note("%s: %s", e.Name, cmp.Or(e.Reason, e.State))
		case e.Clock != 0:
			off := time.Duration(e.Clock * float64(time.Second))
			v.app.note("%s: its clock is %s %s this machine's", e.Name, render.Duration(off.Abs()), map[bool]string{true: "ahead of", false: "behind"}[off > 0])
		}
		if e.HostID != "" {
			same[e.HostID] = append(same[e.HostID], e.Name)
		}
	}
	for _, e := range entries {
		if names := same[e.HostID]; len(names) > 1 && names[0] == e.Name && slices.Index(names, e.Name) == 0 {
			return failure(fmt.Errorf("%s have the same host id %s", strings.Join(names, " and "), e.HostID),
				"the same server was named twice, or a store was copied: each host needs an id of its own")
		}
	}
	if failed > 0 {
		what := "servers"
		if slices.ContainsFunc(entries, func(e hostEntry) bool { return e.Gateway != "" }) {
			what = "servers and hosts"
		}
		return failure(fmt.Errorf("%d of %d %s did not answer", failed, len(entries), what), "")
	}
	return nil
}
