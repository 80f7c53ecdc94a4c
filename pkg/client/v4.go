package client

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// What goProbe v4 servers do differently, and what is done about it:
//   - they refuse unknown members: extensions are left out, and grouping, ranking, limit, series and other are done
//     here over all rows, which is why they are asked for as many as there are;
//   - sensors mix up the answers to concurrent queries: one is asked at a time;
//   - sensors ignore num_results and time_resolution and give rows of live data ungrouped: the merger sums and cuts;
//   - when a row was seen first and last is found from rows by time, which are many;
//   - a zone stands in no time without offset: times are sent in Unix seconds;
//   - an empty store is a 500: here it is an answer without data.

// v4Rows is the number of rows asked for: all.
const v4Rows = math.MaxUint32

// prepareV4 checks a request without its condition, which only the server understands: it looks up names itself.
func prepareV4(r *wire.Request, now time.Time) (*wire.Query, error) {
	bare := *r
	bare.Condition, bare.Actors = "", nil
	q, err := bare.Prepare(now)
	if err != nil {
		return nil, err
	}
	for _, c := range q.Columns {
		if c.Field.Type == flow.TypeVerdict {
			return nil, wire.NewProblem(http.StatusUnprocessableEntity, "the server is a goProbe v4 server",
				wire.Fault{Location: "body.query", Value: r.Query, Message: "goProbe v4 does not know the attribute " + c.Name})
		}
	}
	if faults := beyondV4(r); len(faults) > 0 {
		return nil, wire.NewProblem(http.StatusUnprocessableEntity, "the server is a goProbe v4 server", faults...)
	}
	return q, nil
}

// beyondV4 are the members that neither a goProbe v4 server nor this client can honour.
func beyondV4(r *wire.Request) (faults []wire.Fault) {
	if r.Compare != "" {
		faults = append(faults, wire.Fault{Location: "body.compare", Value: r.Compare, Message: "goProbe v4 compares no spans"})
	}
	if r.Actors != nil {
		faults = append(faults, wire.Fault{Location: "body.actors", Message: "goProbe v4 knows no sets of addresses: name them in the condition"})
	}
	if r.Enrich {
		faults = append(faults, wire.Fault{Location: "body.enrich", Value: true, Message: "goProbe v4 does not know where addresses belong"})
	}
	if r.Explain {
		faults = append(faults, wire.Fault{Location: "body.explain", Message: "goProbe v4 does not say what it reads"})
	}
	return faults
}

// requestV4 is the request as goProbe v4 takes it.
func requestV4(r *wire.Request, q *wire.Query, kind ServerKind, now time.Time) *wire.Request {
	live := r.Live && q.Last >= now.Unix()
	var names []string
	for _, c := range q.Columns {
		if c.Label == "" { // hosts have no labels there
			names = append(names, c.Field.Name) // networks are grouped here
		}
	}
	if len(names) == 0 {
		names = []string{"proto"} // something has to be asked for; it is summed up here
	}
	if q.Seen {
		names = append(names, "time") // completeV4 takes it out again
	}
	v4 := &wire.Request{
		Query: strings.Join(names, ","), Ifaces: r.Ifaces, Condition: r.Condition, In: r.In, Out: r.Out, Sum: r.Sum,
		First: strconv.FormatInt(q.First, 10), NumResults: v4Rows, Caller: r.Caller, Live: live, MaxMemPct: r.MaxMemPct,
		LowMem: r.LowMem, DNSResolution: r.DNSResolution,
	}
	if q.Last < wire.EndOfTime && !live { // live data are only given without an upper bound
		v4.Last = strconv.FormatInt(q.Last, 10)
	}
	if q.SortBy != wire.SortTime {
		v4.SortBy = string(q.SortBy)
	}
	if kind == ServerGlobalQuery {
		v4.QueryHosts = r.QueryHosts
		if v4.QueryHosts == "" {
			v4.QueryHosts = "any"
		}
		v4.QueryHostsResolverType = r.QueryHostsResolverType
	}
	return v4
}

// queryV4 asks a goProbe v4 server and completes its answer.
func (c *Client) queryV4(ctx context.Context, r *wire.Request, kind ServerKind) (*wire.Result, error) {
	q, err := prepareV4(r, c.deps.Now())
	if err != nil {
		return nil, c.userError(err)
	}
	if kind == ServerGoProbe {
		select {
		case c.turn <- struct{}{}:
			defer func() { <-c.turn }()
		case <-ctx.Done():
			return nil, c.transportError(ctx, ctx.Err())
		}
	}
	answer, err := c.post(ctx, requestV4(r, q, kind, c.deps.Now()))
	if isNoInterfaces(err) {
		return noData(q, err), nil
	}
	if err != nil {
		c.forget()
		return nil, err
	}
	if answer.Status.Code == wire.CodeTooManyRequests {
		return nil, c.statusError(http.StatusServiceUnavailable, nil, firstLine(answer.Status.Message))
	}
	return completeV4(q, answer, r.Condition), nil
}

// completeV4 does here what the server cannot.
func completeV4(q *wire.Query, answer *wire.Result, condition string) *wire.Result {
	for i := range answer.Rows {
		row := &answer.Rows[i]
		t := &row.Labels.Timestamp
		if (q.Has("time") || q.Seen) && t.IsZero() { // a row of live data
			*t = time.Unix(liveStamp(answer), 0).UTC()
		}
		if q.Seen {
			row.FirstSeen, row.LastSeen, row.Labels.Timestamp = *t, *t, time.Time{}
		}
	}
	merger := wire.NewMerger(q)
	merger.Add(answer)
	result := merger.Result()
	result.Hostname, result.Status, result.HostsStatuses = answer.Hostname, answer.Status, answer.HostsStatuses
	result.Summary.Timings = answer.Summary.Timings
	result.Summary.DataAvailable = answer.Summary.DataAvailable || len(answer.Rows) > 0
	if result.Summary.TimeFirst.IsZero() {
		result.Summary.TimeFirst, result.Summary.TimeLast = answer.Summary.TimeFirst, answer.Summary.TimeLast
	}
	result.Query.Condition = answer.Query.Condition
	if condition != "" && result.Query.Condition == "" {
		result.Query.Condition = condition
	}
	return result
}

// v4Interval is the length of goProbe's blocks.
const v4Interval = 5 * time.Minute

// liveStamp is the end of the interval that is running, the stamp that rows of live data lack.
func liveStamp(answer *wire.Result) int64 {
	step := int64(v4Interval / time.Second)
	now := answer.Summary.Timings.QueryStart.Unix()
	return (now/step + 1) * step
}

// isNoInterfaces recognises a sensor's way to say that it has no data of the interfaces.
func isNoInterfaces(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusInternalServerError || e.Problem == nil {
		return false
	}
	return slices.ContainsFunc(e.Problem.Errors, func(f wire.Fault) bool {
		return strings.Contains(f.Message, "no interfaces provided")
	})
}

func noData(q *wire.Query, err error) *wire.Result {
	result := wire.NewMerger(q).Result()
	result.Status = wire.Status{Code: wire.CodeMissingData, State: wire.StateNoData, Message: "no data of these interfaces"}
	var e *Error
	if errors.As(err, &e) {
		result.HostsStatuses = map[string]wire.Status{e.Server: result.Status}
	}
	return result
}

// catalogV4 puts a catalog together of what a goProbe v4 server tells: a sensor's configuration names the
// interfaces (its status would too, but reading that disturbs its counters), and a query over the whole span names
// those with data.
func (c *Client) catalogV4(ctx context.Context, kind ServerKind) (*wire.Catalog, error) {
	now := c.deps.Now()
	info, err := c.Info(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := c.queryV4(ctx, &wire.Request{Query: "iface", Ifaces: "any", First: "0"}, kind)
	if err != nil {
		return nil, err
	}
	capturing := map[string]bool{}
	if kind == ServerGoProbe {
		var config struct {
			Ifaces map[string]struct{} `json:"ifaces"`
		}
		if err := c.call(ctx, http.MethodGet, "/config", nil, nil, &config); err != nil {
			return nil, err
		}
		for name := range config.Ifaces {
			capturing[name] = true
		}
	}
	catalog := &wire.Catalog{
		Kind: string(kind), Version: info.Version, Host: answer.Hostname, Now: now, Interval: v4Interval,
		Fields:     slices.DeleteFunc(wire.CatalogFields(), func(f wire.CatalogField) bool { return !slices.Contains(v4Fields, f.Name) }),
		Shorthands: wire.CatalogShorthands(), Features: []string{},
	}
	names := slices.Clone(answer.Summary.Interfaces)
	for name := range capturing {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		catalog.Interfaces = append(catalog.Interfaces, wire.CatalogInterface{Name: name, Capturing: capturing[name]})
	}
	return catalog, nil
}

// v4Fields are the fields that goProbe v4 knows.
var v4Fields = []string{"time", "host", "hostid", "iface", "sip", "dip", "dport", "proto",
	"bytes_received", "bytes_sent", "packets_received", "packets_sent"}
