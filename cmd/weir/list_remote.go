package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/client"
	"github.com/weirflow/weir/pkg/render"
	"github.com/weirflow/weir/pkg/version"
	"github.com/weirflow/weir/pkg/wire"
)

// remote lists servers, all at once. One that does not answer is named, and the others stand in the list.
func (v *listVerb) remote(ctx context.Context, servers []string) error {
	if err := v.connection.check(true); err != nil {
		return err
	}
	clients := make([]*client.Client, len(servers))
	names := make([]string, len(servers))
	for i, text := range servers {
		name, address := named(text)
		server, err := v.app.dial(&v.connection, address)
		if err != nil {
			return err
		}
		defer server.Close() //nolint:errcheck // closes idle connections
		clients[i], names[i] = server, cmp.Or(name, hostOf(address, servers))
	}
	answers := make([]listAnswer, len(servers))
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() { answers[i] = v.ask(ctx, clients[i]) })
	}
	group.Wait()
	v.list.Hosts = len(servers) > 1
	failed := 0
	var known []string
	for i, answer := range answers {
		if answer.err != nil {
			failed++
			if len(servers) == 1 {
				return answer.err
			}
			v.app.note("%s did not answer: %s", names[i], answer.err)
			continue
		}
		known = append(known, answer.known...)
		if answer.missing != "" {
			v.app.note("%s: %s", names[i], answer.missing)
		}
		for _, entry := range answer.entries {
			if v.list.Hosts {
				entry.Host = names[i]
			}
			v.list.Entries = append(v.list.Entries, entry)
		}
	}
	if failed == len(servers) {
		return failure(fmt.Errorf("none of %d servers answered", failed), "")
	}
	slices.Sort(known)
	return v.show(slices.Compact(known))
}

// listAnswer is what one server has.
type listAnswer struct {
	entries []render.ListEntry
	known   []string // all interfaces, selected or not
	missing string   // which hosts behind the server did not answer it; empty if all did
	err     error
}

func (v *listVerb) ask(ctx context.Context, server *client.Client) (a listAnswer) {
	catalog, err := server.Catalog(ctx)
	if err != nil {
		return listAnswer{err: err}
	}
	a.missing = missingHosts(catalog)
	var first time.Time
	for _, i := range catalog.Interfaces {
		a.known = append(a.known, i.Name)
		if !v.selection.Contains(i.Name) {
			continue
		}
		a.entries = append(a.entries, render.ListEntry{Interface: i.Name, First: i.First, Last: i.Last, Capturing: &i.Capturing})
		if first.IsZero() || !i.First.IsZero() && i.First.Before(first) {
			first = i.First
		}
	}
	if v.coverage || len(a.entries) == 0 {
		return a
	}
	sums, err := v.sums(ctx, server, catalog.Kind, first)
	if err != nil {
		return listAnswer{err: err}
	}
	for i := range a.entries {
		counters := sums[a.entries[i].Interface]
		a.entries[i].Counters = &counters
	}
	return a
}

// missingHosts names the hosts behind a gateway that did not answer it.
func missingHosts(catalog *wire.Catalog) string {
	var list []string
	for _, h := range catalog.Hosts {
		if h.State != wire.StateOK {
			list = append(list, fmt.Sprintf("%s (%s)", h.Name, cmp.Or(h.Error, string(h.State))))
		}
	}
	if len(list) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d hosts behind it did not answer: %s", len(list), len(catalog.Hosts), strings.Join(list, "; "))
}

// sums asks a server to add up each interface.
func (v *listVerb) sums(ctx context.Context, server *client.Client, kind string, first time.Time) (map[string]wire.Counters, error) {
	request := &wire.Request{Query: "iface", Ifaces: v.selection.String(), First: "1", NumResults: 1 << 16, Caller: "weir/" + version.String()}
	if !first.IsZero() {
		request.First = strconv.FormatInt(first.Unix(), 10)
	}
	if strings.Contains(kind, "gateway") {
		request.QueryHosts = "any"
	}
	result, err := server.Query(ctx, request)
	if err != nil {
		return nil, err
	}
	if render.Failed(result.Status) {
		return nil, fmt.Errorf("%s: %s", server.Address(), render.Line(result.Status.Message))
	}
	sums := make(map[string]wire.Counters)
	for i := range result.Rows {
		row := &result.Rows[i]
		sum := sums[row.Labels.Iface].Flow()
		sum.Add(row.Counters.Flow())
		sums[row.Labels.Iface] = wire.CountersFrom(sum)
	}
	return sums, nil
}
