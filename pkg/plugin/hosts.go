package plugin

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/weirflow/weir/pkg/frames"
	"github.com/weirflow/weir/pkg/wire"
)

// serversAtOnce bounds how many servers are asked at the same time for the state of the fleet.
const serversAtOnce = 64

// hosts answers with the state of each host: what it says of itself, and what it answers for the range. A host that
// does not answer is a row, not an error, also in strict queries.
func (q *question) hosts(ctx context.Context) (*answer, error) {
	a := &answer{}
	var err error
	if a.span, err = q.span(); err != nil {
		return nil, err
	}
	d := q.source
	known := d.catalogs.fresh(ctx)
	chosen, err := selectHosts(hostsOf(known, q.servers), q.query.Hosts)
	if err != nil {
		return nil, asked(err)
	}
	if len(chosen) > int(q.query.Limit) {
		chosen = chosen[:q.query.Limit]
	}
	request := &wire.Request{
		Query: "host,iface", Ifaces: q.query.Ifaces, Condition: q.query.Condition, NumResults: 100_000, Caller: "grafana", Merge: true,
		First: a.span.first.UTC().Format(time.RFC3339), Last: a.span.last.UTC().Format(time.RFC3339), Live: a.span.live,
	}
	prepared, err := request.PrepareWith(ctx, d.now(), d.names())
	if err != nil {
		return nil, asked(err)
	}
	answers := q.askEach(ctx, prepared.Request, chosen)
	rows := make([]frames.Host, len(chosen))
	a.result = &wire.Result{HostsStatuses: make(map[string]wire.Status, len(chosen))}
	for i, h := range chosen {
		rows[i] = answers[h.Server].of(h)
		for _, c := range known {
			if c.Name == h.Name && c.Name == h.Server {
				rows[i].ClockSkewNanoseconds = c.ClockSkew.Nanoseconds()
			}
		}
		a.result.HostsStatuses[h.Name] = wire.Status{
			Code: codeOf(rows[i].State), State: rows[i].State, Class: rows[i].Class, Message: rows[i].Error,
			DurationNanoseconds: rows[i].Duration.Nanoseconds(), ClockSkewNanoseconds: rows[i].ClockSkewNanoseconds,
		}
	}
	a.result.Summary.Hits = wire.Hits{Displayed: int64(len(rows)), Total: int64(len(rows))}
	a.frames = frames.Hosts{Links: q.links(), Now: d.now()}.Frames(rows)
	a.command = q.command(prepared)
	a.covered = true
	return a, nil
}

// serverAnswer is what one server answered for the range.
type serverAnswer struct {
	result *wire.Result
	err    error
	took   time.Duration
}

// askEach asks every server that has one of the hosts, by itself: what the answers of several have in sum would hide
// whose capture loses packets.
func (q *question) askEach(ctx context.Context, request *wire.Request, hosts []knownHost) map[string]*serverAnswer {
	ctx, cancel := context.WithTimeout(ctx, q.source.settings.Timeout)
	defer cancel()
	answers := make(map[string]*serverAnswer)
	slots := make(chan struct{}, serversAtOnce)
	var wait sync.WaitGroup
	for _, s := range q.servers {
		if !slices.ContainsFunc(hosts, func(h knownHost) bool { return h.Server == s.Name }) {
			continue
		}
		one := &serverAnswer{}
		answers[s.Name] = one
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			asked := *request
			start := time.Now()
			one.result, one.err = s.client.Query(ctx, &asked)
			one.took = time.Since(start)
			if one.err == nil && one.result == nil {
				one.err = errors.New("no answer")
			}
		})
	}
	wait.Wait()
	return answers
}

// of is what is known of a host after its server was asked. The worse of what the catalog and the answer say counts.
func (a *serverAnswer) of(h knownHost) frames.Host {
	row := frames.Host{CatalogHost: h.CatalogHost, Server: h.Server}
	if a == nil {
		return row
	}
	row.Duration = a.took
	if a.err != nil {
		if row.State == wire.StateOK || row.State == "" {
			failed := failedHost(h.Name, a.err)
			row.State, row.Class, row.Error = failed.State, failed.Class, failed.Error
		}
		return row
	}
	alone := h.Server == h.Name
	status, ok := a.result.HostsStatuses[h.Name]
	if alone && !ok {
		status, ok = a.result.Status, true
	}
	if state := frames.StateOf(status); ok && (row.State == wire.StateOK || row.State == "") {
		row.State, row.Class = state, status.Class
		if state != wire.StateOK && state != wire.StateEmpty {
			row.Error = frames.OneLine(status.Message)
		}
	}
	if status.DurationNanoseconds > 0 {
		row.Duration = time.Duration(status.DurationNanoseconds)
	}
	for i := range a.result.Rows {
		if r := &a.result.Rows[i]; alone || r.Labels.Host == h.Name {
			sum := row.Counters.Flow()
			sum.Add(r.Counters.Flow())
			row.Counters = wire.CountersFrom(sum)
		}
	}
	if alone {
		row.Capture = a.result.Summary.Accounting
	}
	return row
}

// codeOf is goProbe's word for a state.
func codeOf(state wire.State) wire.Code {
	switch state {
	case wire.StateOK, wire.StatePartial, "":
		return wire.CodeOK
	case wire.StateEmpty:
		return wire.CodeEmpty
	case wire.StateNoData, wire.StateOutsideCoverage:
		return wire.CodeMissingData
	}
	return wire.CodeError
}
