package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// run is one query of the fleet.
type run struct {
	fleet    *Fleet
	query    *wire.Query // with time bins that all hosts can fill
	hosts    []Host
	parties  []party
	spanning bool // groups may have rows of several hosts
	merger   *wire.Merger
	outcomes []outcome
	started  time.Time
	shown    time.Time // when the last partial result was handed out
	progress func(*wire.Result)
	far      wire.Progress
	ids      map[string]owner // of hosts that are part of the answer
	unsure   bool             // hits are an upper bound
	hidden   bool             // rows of partial results are not those of the answer
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
//
// Where groups span hosts and the largest are asked for, hosts are asked in rounds; see rounds.go.
func (f *Fleet) Query(ctx context.Context, q *wire.Query, progress func(*wire.Result)) (*wire.Result, error) {
	hosts, err := f.choose(ctx, q.Request)
	if err != nil {
		return nil, err
	}
	r := &run{fleet: f, query: q, hosts: hosts, started: f.now(), outcomes: make([]outcome, len(hosts)), progress: progress}
	r.shown = r.started
	if err := r.meet(); err != nil {
		return nil, err
	}
	r.spanning = q.Merge && !q.Has("host") && !q.Has("hostid") && r.several()
	if err := r.align(ctx); err != nil {
		return nil, err
	}
	result, err := r.answer(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	result.Summary.Progress = nil
	return result, nil
}

// answer chooses how to ask.
func (r *run) answer(ctx context.Context) (*wire.Result, error) {
	q := r.query
	switch {
	case !r.spanning:
		return r.once(ctx, q, q.Limit)
	case q.Groups != nil:
		return r.comparing(ctx, r.named)
	case r.needsAll():
		return r.comparing(ctx, r.all)
	case q.SortBy == wire.SortTime: // the first rows of all are among the first of each
		return r.comparing(ctx, r.first)
	case q.Series:
		return r.comparing(ctx, r.series)
	}
	return r.comparing(ctx, r.rounds)
}

func (r *run) first(ctx context.Context) (*wire.Result, error) {
	return r.once(ctx, r.query, r.atFirst(r.query.Limit))
}

func (r *run) all(ctx context.Context) (*wire.Result, error) {
	return r.once(ctx, r.query, r.most(r.query))
}

// most is the number of groups that are asked of a host where all are needed.
func (r *run) most(q *wire.Query) int64 { return max(r.fleet.cfg.HostRows, q.Limit) }

// needsAll says that all groups of all hosts are needed for an exact answer.
func (r *run) needsAll() bool {
	q := r.query
	if q.Ascending && q.SortBy != wire.SortTime || q.Matcher.HasGroup() || q.Dedupe == wire.DedupeMax {
		return true
	}
	for _, c := range q.Columns {
		if c.Label == "" {
			return false
		}
	}
	return true // labels only: hosts may be asked by something else instead, and there are few groups
}

// named answers a query for certain groups, of which no host has more than that many.
func (r *run) named(ctx context.Context) (*wire.Result, error) {
	limit := r.query.Limit
	if r.query.SortBy == wire.SortTime {
		limit = r.most(r.query)
	}
	return r.once(ctx, r.query, max(limit, int64(len(r.query.Groups))))
}

// once asks every host once, for so many groups.
func (r *run) once(ctx context.Context, q *wire.Query, limit int64) (*wire.Result, error) {
	r.merger = wire.NewMerger(q)
	if r.spanning {
		r.merger.ApplyGroupTerms()
	}
	r.far.Rounds++
	r.ask(ctx, r.open(), func(ctx context.Context, i int) (*wire.Result, error) {
		able, err := r.abilities(ctx, i)
		if err != nil {
			return nil, err
		}
		limit := limit
		if q.Groups != nil && !able.Can(wire.FeatureGroups) {
			limit = r.most(q)
		}
		return r.askHost(ctx, i, q, r.request(i, q, limit, able))
	}, func(i int, result *wire.Result) {
		switch hits := result.Summary.Hits; {
		case !r.spanning || hits.Total <= hits.Displayed:
		case q.SortBy == wire.SortTime:
			r.unsure = true
		default:
			r.truncated(i, hits.Displayed, hits.Total)
			r.merger.Bound(&wire.Bounded{Missing: least(q, result), Unseen: least(q, result), Reason: boundedByLimit})
		}
		r.merger.Add(result)
	})
	if err := r.exact(q); err != nil {
		return nil, err
	}
	return r.result(), nil
}

// truncated notes that a host has more groups than can be merged.
func (r *run) truncated(i int, displayed, total int64) {
	o := &r.outcomes[i]
	o.cut = true
	set := func(s *wire.Status) {
		if s.State == wire.StateOK || s.State == "" {
			s.State, s.Class, s.Message = wire.StatePartial, wire.ClassTruncated, fmt.Sprintf("gave %d of its %d groups", displayed, total)
		}
	}
	set(&o.status)
	for name, s := range o.statuses {
		set(&s)
		o.statuses[name] = s
	}
}

// request is what a host is asked: times and bins as we understand them, since clocks and zones differ; without
// the terms on sums where groups span hosts, and without what the host's labels decide.
func (r *run) request(i int, q *wire.Query, limit int64, able wire.Abilities) *wire.Request {
	m := &r.parties[i]
	request := *q.Request
	request.QueryHosts, request.QueryHostsResolverType = "", ""
	request.Query = m.columns(q)
	request.Condition = m.condition
	request.First = strconv.FormatInt(q.First, 10)
	request.Last = strconv.FormatInt(q.Last, 10)
	request.TimeResolution = ""
	if q.Resolution > 0 {
		request.TimeResolution = q.Resolution.String()
	}
	request.NumResults = limit
	if key := wire.SortKey(request.SortBy); key != q.SortBy && q.SortBy != wire.SortTime && (key != "" || q.SortBy != wire.SortBytes) {
		request.SortBy = string(q.SortBy)
	}
	request.Format, request.KeepAlive = "", 0
	request.DNSResolution = nil // names are looked up once, by whoever the user talks to
	request.Threshold, request.Groups = nil, nil
	if !r.spanning && q.Threshold > 0 && able.Can(wire.FeatureThreshold) {
		request.Threshold = &q.Threshold
	}
	if len(q.Groups) > 0 && able.Can(wire.FeatureGroups) {
		request.Groups = m.groups(r.hosts[i], q.Groups)
	}
	if !able.Can(wire.FeatureDedupe) {
		request.Dedupe = ""
	}
	return &request
}

// exact refuses a query whose answer would be wrong, not only incomplete, because a host had too many groups: one
// that looks for the smallest groups, or at sums that are not whole.
func (r *run) exact(q *wire.Query) error {
	if !q.Ascending && !q.Matcher.HasGroup() {
		return nil
	}
	for i, o := range r.outcomes {
		if o.cut {
			return wire.NewProblem(http.StatusUnprocessableEntity, "the query is too large to be answered exactly",
				wire.Fault{Location: "body.query", Value: q.Request.Query, Message: fmt.Sprintf(
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
	summary.Hits.Bound = r.unsure
	for _, o := range r.outcomes {
		summary.Hits.Bound = summary.Hits.Bound || o.cut
	}
	if !summary.DataAvailable {
		summary.TimeFirst, summary.TimeLast = time.Unix(r.query.First, 0).UTC(), time.Unix(r.query.Last, 0).UTC()
	}
	summary.Timings.QueryStart = r.started.UTC()
	summary.Timings.Duration = r.fleet.now().Sub(r.started)
	summary.Timings.Resolution = r.query.Resolution
	far := r.far
	summary.Progress = &far
	result.Status = r.status(result)
	return result
}
