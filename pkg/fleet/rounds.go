package fleet

import (
	"context"
	"math"
	"slices"

	"github.com/weirflow/weir/pkg/wire"
)

// Where groups span hosts, the largest of all need not be the largest of any. Hosts are asked in rounds: first for
// their own largest groups; then for those that they may have beyond these and that may still matter; then for the
// groups of which not all is known. Sums are not negative, so that what is known of a group is a lower bound on its sum,
// and what no host has named yet is bounded by what each host named last. docs/decisions/0013-threshold-rounds.md has
// the proof. Of hosts that know no thresholds, all groups are asked for at once.

// partial is what is known of a host's groups.
type partial struct {
	seen      wire.GroupSet // groups whose sums at the host are known
	bound     uint64        // no other group has more there
	total     int64         // groups that the host has
	delivered int64         // those that it named
	last      int64         // the last interval of its first answer, so that all its answers are of the same intervals
	answered  bool
	complete  bool // all its groups are known
	able      bool // can be asked for more
}

// rounds is how the groups of a query are found.
type rounds struct {
	run    *run
	query  *wire.Query
	merger *wire.Merger
	hosts  []partial // as run.hosts
	weigh  []uint64  // scratch: sums by group
}

// maxRounds bounds the rounds of a query. Two or three suffice unless hosts fail in between.
const maxRounds = 12

// Why an answer is not exact.
const (
	boundedByLimit   = "a host has more groups than can be merged"
	boundedByFailure = "a host failed after its first answer"
)

// rounds answers a query for the largest groups.
func (r *run) rounds(ctx context.Context) (*wire.Result, error) {
	rd := r.newRounds(r.query)
	rd.find(ctx)
	rd.judge()
	return r.result(), nil
}

func (r *run) newRounds(q *wire.Query) *rounds {
	own := *q
	request := *q.Request
	request.Other, own.Request = false, &request // it is what the totals leave
	rd := &rounds{run: r, query: &own, merger: wire.NewMerger(q), hosts: make([]partial, len(r.hosts))}
	r.merger = rd.merger
	return rd
}

// firstHosts is the number of hosts from which on they share the groups that are asked for at first.
const firstHosts = 50

// atFirst is how many groups hosts are asked for at first, where so many would do.
func (r *run) atFirst(enough int64) int64 {
	first := r.fleet.cfg.FirstRows * firstHosts / int64(max(len(r.open()), firstHosts))
	return min(max(enough, first), r.most(r.query))
}

// find asks until the largest groups are known, or nobody is left to ask.
func (rd *rounds) find(ctx context.Context) {
	rd.begin(ctx)
	for rd.run.far.Rounds < maxRounds && ctx.Err() == nil {
		tau := rd.lowerBound()
		if rd.unseen() >= tau && !rd.all() {
			if !rd.lower(ctx, tau) {
				break
			}
			continue
		}
		open := rd.undecided(tau)
		if len(open) == 0 {
			return
		}
		if !rd.fetch(ctx, open) {
			return
		}
	}
	// Not all can be had: at least the sums of what seems largest.
	if ctx.Err() == nil {
		rd.fetch(ctx, rd.undecided(rd.lowerBound()))
	}
}

// begin is the first round: the largest groups of each host, or those above the query's own threshold.
func (rd *rounds) begin(ctx context.Context) {
	r, q := rd.run, rd.query
	r.far.Rounds++
	open := r.open()
	limit := r.atFirst(q.Limit + q.Limit/2)
	threshold := uint64(0)
	if q.Threshold > 0 {
		threshold = (q.Threshold-1)/uint64(len(open)) + 1
		limit = r.most(q)
	}
	able, limits := make([]bool, len(r.hosts)), make([]int64, len(r.hosts))
	r.ask(ctx, open, func(ctx context.Context, i int) (*wire.Result, error) {
		a, err := r.abilities(ctx, i)
		if err != nil {
			return nil, err
		}
		able[i], limits[i] = a.Can(wire.FeatureThreshold, wire.FeatureGroups), r.most(q)
		request := r.request(i, q, limits[i], a)
		if able[i] {
			limits[i] = limit
			if request.NumResults = limit; threshold > 0 {
				request.Threshold = &threshold
			}
		}
		return r.askHost(ctx, i, q, request)
	}, func(i int, result *wire.Result) {
		p, s := &rd.hosts[i], &result.Summary
		rd.merger.AddSummary(result)
		p.answered, p.able, p.total, p.bound, p.last = true, able[i], s.Hits.Total, math.MaxUint64, q.Last
		if s.DataAvailable && !q.Live {
			p.last = max(q.First, min(q.Last, s.TimeLast.Unix()))
		}
		if rd.take(p, result, limits[i], threshold); !p.able && !p.complete {
			r.truncated(i, p.delivered, p.total)
		}
	})
}

// take books the groups of an answer.
func (rd *rounds) take(p *partial, result *wire.Result, limit int64, threshold uint64) {
	p.delivered += rd.merger.AddNew(result.Rows, &p.seen)
	p.complete = p.delivered >= p.total
	cut := threshold == 0 || int64(len(result.Rows)) >= limit || result.Status.Class == wire.ClassTruncated
	switch {
	case p.complete:
		p.bound = 0
	case cut:
		p.bound = min(p.bound, least(rd.query, result))
	default:
		p.bound = min(p.bound, threshold-1)
	}
	rd.countUnseen()
}

// countUnseen tells the merger how many groups may be there beside those that are known.
func (rd *rounds) countUnseen() {
	unseen := int64(0)
	for i := range rd.hosts {
		unseen += max(rd.hosts[i].total-rd.hosts[i].delivered, 0)
	}
	rd.merger.SetUnseen(unseen)
	rd.run.unsure = unseen > 0
}

// least is the smallest sum of a group of an answer.
func least(q *wire.Query, result *wire.Result) uint64 {
	if !q.Series {
		least := uint64(math.MaxUint64)
		for i := range result.Rows {
			least = min(least, q.Weight(result.Rows[i].Counters.Flow()))
		}
		return least
	}
	whole := *q
	whole.Series, whole.Groups, whole.Limit = false, nil, math.MaxInt64
	whole.Columns = slices.DeleteFunc(slices.Clone(q.Columns), isTime)
	m := wire.NewMerger(&whole)
	m.Add(result)
	return slices.Min(append(m.Weights(nil), math.MaxUint64))
}

func isTime(c wire.Column) bool { return c.Field.Name == "time" }

// all says that nothing is missing.
func (rd *rounds) all() bool {
	return !slices.ContainsFunc(rd.hosts, func(p partial) bool { return p.answered && !p.complete })
}

// open are the hosts of which not all is known.
func (rd *rounds) open(yield func(i int, p *partial) bool) {
	for i := range rd.hosts {
		if p := &rd.hosts[i]; p.answered && !p.complete && !yield(i, p) {
			return
		}
	}
}

// lowerBound is what a group has to have at least to be one of the largest: as much as the last of the largest that are
// known has already.
func (rd *rounds) lowerBound() uint64 {
	rd.weigh = rd.merger.Weights(rd.weigh[:0])
	return max(nth(rd.weigh, rd.query.Limit), rd.query.Threshold)
}

// nth is the n-th largest number, 0 if there are not so many.
func nth(numbers []uint64, n int64) uint64 {
	if int64(len(numbers)) < n {
		return 0
	}
	keep := int(n)
	var best []uint64
	shrink := func() {
		slices.SortFunc(best, func(a, b uint64) int {
			switch {
			case a > b:
				return -1
			case a < b:
				return 1
			}
			return 0
		})
		best = best[:min(keep, len(best))]
	}
	floor := uint64(0)
	for _, v := range numbers {
		if v < floor {
			continue
		}
		if best = append(best, v); len(best) >= 2*keep+64 {
			shrink()
			floor = best[keep-1]
		}
	}
	shrink()
	return best[keep-1]
}

// unseen is the most that a group can have which no host has named.
func (rd *rounds) unseen() (sum uint64) {
	for _, p := range rd.open {
		sum = saturate(sum, p.bound)
	}
	return sum
}

func saturate(a, b uint64) uint64 {
	if s := a + b; s >= a {
		return s
	}
	return math.MaxUint64
}
