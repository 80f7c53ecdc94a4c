package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// run is one query of the fleet.
type run struct {
	fleet    *Fleet
	query    *wire.Query
	hosts    []Host
	spanning bool // groups may have rows of several hosts
	merger   *wire.Merger
	outcomes []outcome
	started  time.Time
	shown    time.Time        // when the last partial result was handed out
	ids      map[string]owner // of hosts that are part of the answer
}

// outcome is what became of one host.
type outcome struct {
	asked    bool
	statuses map[string]wire.Status // of the hosts behind a gateway
	status   wire.Status            // else
	cut      bool                   // the host had more groups than it was asked for
}

// Query asks all hosts that the request names and merges their answers. Its only errors are faults of the query, as
// *wire.Problem, and the cancellation of ctx; when the deadline of ctx passes, the answer holds what came in time.
// progress, which may be nil, gets the answer so far while hosts answer.
func (f *Fleet) Query(ctx context.Context, q *wire.Query, progress func(*wire.Result)) (*wire.Result, error) {
	hosts, err := f.choose(ctx, q.Request)
	if err != nil {
		return nil, err
	}
	r := &run{
		fleet: f, query: q, hosts: hosts, started: f.now(), outcomes: make([]outcome, len(hosts)),
		spanning: q.Merge && !q.Has("host") && !q.Has("hostid") && len(hosts) > 1,
		merger:   wire.NewMerger(q),
	}
	r.shown = r.started
	if r.spanning {
		r.merger.ApplyGroupTerms()
	}
	request := r.request()
	results := make([]*wire.Result, len(hosts))
	took := make([]time.Duration, len(hosts))
	f.each(ctx, hosts, func(ctx context.Context, i int) error {
		start := f.now()
		result, err := f.ask(ctx, hosts[i], q, request)
		results[i] = result
		took[i] = f.now().Sub(start)
		return err
	}, func(i int, err error) {
		r.take(i, results[i], err, took[i])
		results[i] = nil
		if progress != nil && f.now().Sub(r.shown) >= f.cfg.ProgressEvery {
			r.shown = f.now()
			progress(r.result())
		}
	})
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, ctx.Err()
	}
	if err := r.exact(); err != nil {
		return nil, err
	}
	return r.result(), nil
}

// request is what each host is asked: times and bins as we understand them, since clocks and zones differ; without
// the terms on sums and with as many groups as needed where groups span hosts.
func (r *run) request() *wire.Request {
	request := *r.query.Request
	request.QueryHosts, request.QueryHostsResolverType = "", ""
	request.First = strconv.FormatInt(r.query.First, 10)
	request.Last = strconv.FormatInt(r.query.Last, 10)
	request.TimeResolution = ""
	if r.query.Resolution > 0 {
		request.TimeResolution = r.query.Resolution.String()
	}
	request.NumResults = r.query.Limit
	request.Format, request.KeepAlive = "", 0
	request.DNSResolution = nil // names are looked up once, by whoever the user talks to
	if r.spanning {
		request.NumResults = max(r.fleet.cfg.HostRows, r.query.Limit)
		if r.query.Matcher.HasGroup() {
			request.Condition = ""
			if rows := r.query.Matcher.Rows(); rows != nil {
				request.Condition = rows.String()
			}
		}
	}
	return &request
}

// take books the answer of one host.
func (r *run) take(i int, result *wire.Result, err error, took time.Duration) {
	o := &r.outcomes[i]
	o.asked = true
	defer func() { o.status.DurationNanoseconds = took.Nanoseconds() }()
	if err == nil {
		err = r.twice(i, result)
	}
	if err != nil {
		o.status = failure(err)
		return
	}
	if result.Hostname != "" || len(result.HostsStatuses) == 0 {
		o.status = single(result)
		for j := range result.Rows {
			result.Rows[j].Labels.Host = r.hosts[i].Name
		}
	} else {
		o.statuses = result.HostsStatuses
	}
	o.status.Rows = int64(len(result.Rows))
	hits := result.Summary.Hits
	if o.cut = r.spanning && hits.Total > hits.Displayed; o.cut {
		o.status.State = wire.StatePartial
		o.status.Message = fmt.Sprintf("gave %d of its %d groups", hits.Displayed, hits.Total)
	}
	r.merger.Add(result)
}

// single is the status of a server that is one host. goProbe's sensors call themselves ok even without data: then
// the status of the whole answer says more.
func single(result *wire.Result) wire.Status {
	status := result.Status
	for _, own := range result.HostsStatuses {
		if len(result.HostsStatuses) == 1 && (own.Code != wire.CodeOK || status.Code == "") {
			status = own
		}
		if own.BytesScanned > status.BytesScanned {
			status.BytesScanned = own.BytesScanned
		}
	}
	if status.Code == "" {
		status.Code = wire.CodeOK
	}
	if status.State == "" {
		status.State = stateOf(status.Code)
	}
	return status
}

func stateOf(code wire.Code) wire.State {
	switch code {
	case wire.CodeOK:
		return wire.StateOK
	case wire.CodeEmpty:
		return wire.StateEmpty
	case wire.CodeMissingData:
		return wire.StateNoData
	}
	return wire.StateError
}

// exact refuses a query whose answer would be wrong, not only incomplete, because a host had too many groups: one
// that looks for the smallest groups, or at sums that are not whole.
func (r *run) exact() error {
	if !r.query.Ascending && !r.query.Matcher.HasGroup() {
		return nil
	}
	for i, o := range r.outcomes {
		if o.cut {
			return wire.NewProblem(http.StatusUnprocessableEntity, "the query is too large to be answered exactly",
				wire.Fault{Location: "body.query", Value: r.query.Request.Query, Message: fmt.Sprintf(
					"host %s has more than the %d groups that can be merged; with terms on sums or ascending order all are needed: ask for a shorter span or fewer attributes",
					r.hosts[i].Name, r.fleet.cfg.HostRows)})
		}
	}
	return nil
}

// result is the answer of the hosts so far.
func (r *run) result() *wire.Result {
	result := r.merger.Result()
	result.HostsStatuses = r.statuses()
	summary := &result.Summary
	for _, o := range r.outcomes {
		summary.Hits.Bound = summary.Hits.Bound || o.cut
	}
	if !summary.DataAvailable {
		summary.TimeFirst, summary.TimeLast = time.Unix(r.query.First, 0).UTC(), time.Unix(r.query.Last, 0).UTC()
	}
	summary.Timings.QueryStart = r.started.UTC()
	summary.Timings.Duration = r.fleet.now().Sub(r.started)
	result.Status = r.status(result)
	return result
}

// statuses are those of all hosts, in the order of the inventory: the first one keeps a name that two have.
func (r *run) statuses() map[string]wire.Status {
	all := make(map[string]wire.Status, len(r.hosts))
	for i, o := range r.outcomes {
		name := r.hosts[i].Name
		switch {
		case !o.asked:
			all[name] = wire.Status{Code: wire.CodeError, State: wire.StateSkipped, Message: "no answer yet"}
		case o.statuses == nil:
			all[name] = o.status
		}
	}
	for i, o := range r.outcomes {
		for inner, status := range o.statuses {
			if _, taken := all[inner]; taken {
				inner = r.hosts[i].Name + "/" + inner
			}
			if status.State == "" {
				status.State = stateOf(status.Code)
			}
			if o.cut && status.Code == wire.CodeOK {
				status.State, status.Message = wire.StatePartial, o.status.Message
			}
			all[inner] = status
		}
	}
	return all
}

// status sums the hosts' up: any row makes it ok, any host that is missing makes it partial.
func (r *run) status(result *wire.Result) wire.Status {
	failed, partial := 0, false
	for _, s := range result.HostsStatuses {
		if s.Code == wire.CodeError || s.Code == wire.CodeTooManyRequests {
			failed++
		}
		partial = partial || s.State == wire.StatePartial
	}
	var status wire.Status
	switch {
	case len(result.Rows) > 0:
		status.Code = wire.CodeOK
	case failed > 0 && failed == len(result.HostsStatuses):
		return wire.Status{Code: wire.CodeError, State: wire.StateError, Message: fmt.Sprintf("none of %d hosts answered", failed)}
	case result.Summary.DataAvailable:
		status.Code, status.Message = wire.CodeEmpty, "nothing matches the query"
	default:
		status.Code, status.Message = wire.CodeMissingData, "no host has data of these interfaces in this time"+spans(result.HostsStatuses)
	}
	status.State = stateOf(status.Code)
	if failed > 0 {
		status.State = wire.StatePartial
		status.Message = fmt.Sprintf("%d of %d hosts did not answer", failed, len(result.HostsStatuses))
	} else if partial {
		status.State, status.Message = wire.StatePartial, "not all hosts answered in full"
	}
	return status
}

// maxSpans bounds how many hosts say what they have instead.
const maxSpans = 3

// spans repeats what hosts without data in the range say of the data they have.
func spans(statuses map[string]wire.Status) string {
	var text strings.Builder
	said := 0
	for _, name := range slices.Sorted(maps.Keys(statuses)) {
		if s := statuses[name]; s.Code == wire.CodeMissingData && s.Message != "" && said < maxSpans {
			fmt.Fprintf(&text, "; %s: %s", name, s.Message)
			said++
		}
	}
	return text.String()
}
