package fleet

import (
	"context"
	"math"
	"slices"

	"github.com/weirflow/weir/pkg/wire"
)

// lower asks hosts for the groups that may matter although no host has named them: until what is left unnamed at all
// hosts together is less than tau. It says whether that was possible.
func (rd *rounds) lower(ctx context.Context, tau uint64) bool {
	var which []int
	var bounds []uint64
	fixed := uint64(0)
	for i, p := range rd.open {
		if p.able && !rd.run.parties[i].failed {
			which, bounds = append(which, i), append(bounds, p.bound)
		} else {
			fixed = saturate(fixed, p.bound)
		}
	}
	level, ok := level(bounds, fixed, tau)
	switch {
	case len(which) == 0, !ok && tau > 0:
		return false
	case ok:
		which = slices.DeleteFunc(which, func(i int) bool { return rd.hosts[i].bound <= level })
	}
	threshold := uint64(0) // everything
	if ok {
		threshold = level + 1
	}
	limit := rd.run.most(rd.query)
	rd.more(ctx, which, func(ctx context.Context, i int, q *wire.Query) (*wire.Result, error) {
		request := rd.run.request(i, q, limit, rd.run.parties[i].able)
		if threshold > 0 {
			request.Threshold = &threshold
		}
		return rd.run.askHost(ctx, i, q, request)
	}, func(i int, result *wire.Result) {
		p := &rd.hosts[i]
		rd.take(p, result, limit, threshold)
		if p.able = p.complete || p.bound <= level; !p.able { // a limit was hit, and would be again
			rd.run.truncated(i, p.delivered, p.total)
		}
	})
	return true
}

// level is the greatest number to which bounds can be cut so that their sum, with what is fixed, is less than tau.
func level(bounds []uint64, fixed, tau uint64) (uint64, bool) {
	if fixed >= tau {
		return 0, false
	}
	budget := tau - 1 - fixed
	sorted := slices.Sorted(slices.Values(bounds))
	for i, b := range sorted {
		share := budget / uint64(len(sorted)-i)
		if b > share {
			return share, true
		}
		budget -= b
	}
	return math.MaxUint64 - 1, true
}

// undecided are the groups that may be among the largest and of which not all is known.
func (rd *rounds) undecided(tau uint64) (list []int) {
	most, missing := rd.reach()
	for g := range most {
		if missing[g] > 0 && most[g] >= tau {
			list = append(list, g)
		}
	}
	return list
}

// reach returns the most that each known group can have, and of how many hosts its part is not known.
func (rd *rounds) reach() (most []uint64, missing []int) {
	rd.weigh = rd.merger.Weights(rd.weigh[:0])
	most, missing = slices.Clone(rd.weigh), make([]int, len(rd.weigh))
	named := make([]uint64, len(rd.weigh)) // what the bounds of the hosts add up to that named it
	hosts, sum := 0, uint64(0)
	for _, p := range rd.open {
		hosts, sum = hosts+1, saturate(sum, p.bound)
		for g := range p.seen.All {
			missing[g]--
			named[g] = saturate(named[g], p.bound)
		}
	}
	for g := range most {
		missing[g] += hosts
		if sum == math.MaxUint64 && missing[g] > 0 {
			most[g] = math.MaxUint64
		} else {
			most[g] = saturate(most[g], sum-named[g])
		}
	}
	return most, missing
}

// maxAsked is how many groups are named in one request.
const maxAsked = 4096

// fetch asks every host for those of the groups whose part there is not known. It says whether anybody could be asked.
func (rd *rounds) fetch(ctx context.Context, groups []int) bool {
	var which []int
	wanted := make(map[int][]int)
	names := make(map[int]wire.Group)
	for i, p := range rd.open {
		if !p.able || rd.run.parties[i].failed {
			continue
		}
		for _, g := range groups {
			if !p.seen.Has(g) {
				wanted[i] = append(wanted[i], g)
				names[g] = rd.merger.Group(g)
			}
		}
		if len(wanted[i]) > 0 {
			which = append(which, i)
		}
	}
	if len(which) == 0 {
		return false
	}
	rd.more(ctx, which, func(ctx context.Context, i int, q *wire.Query) (*wire.Result, error) {
		q.Groups = make([]wire.Group, len(wanted[i]))
		for k, g := range wanted[i] {
			q.Groups[k] = names[g]
		}
		q.Limit = int64(len(q.Groups))
		return rd.run.askInParts(ctx, i, q, q.Limit, rd.run.parties[i].able)
	}, func(i int, result *wire.Result) {
		p := &rd.hosts[i]
		p.delivered += rd.merger.AddNew(result.Rows, &p.seen)
		for _, g := range wanted[i] {
			p.seen.Add(g) // it has none of those that it did not give
		}
		if p.complete = p.delivered >= p.total; p.complete {
			p.bound = 0
		}
		rd.countUnseen()
	})
	return true
}

// more asks hosts again, within the intervals that they answered from at first. work may change the query.
func (rd *rounds) more(ctx context.Context, which []int, work func(ctx context.Context, i int, q *wire.Query) (*wire.Result, error), take func(i int, result *wire.Result)) {
	rd.run.far.Rounds++
	rd.run.ask(ctx, which, func(ctx context.Context, i int) (*wire.Result, error) {
		q := *rd.query
		q.Last, q.Threshold = rd.hosts[i].last, 0
		return work(ctx, i, &q)
	}, func(i int, result *wire.Result) {
		rd.merger.AddCost(result)
		take(i, result)
	})
}

// judge says by how much the answer may be wrong, where not all could be had.
func (rd *rounds) judge() {
	if rd.all() {
		return
	}
	rows := rd.merger.Result().Rows
	most, missing := rd.reach()
	shown := make(map[int]bool, len(rows))
	last, lacking, unsure := rd.query.Threshold, uint64(0), false
	for i := range rows {
		g := rd.merger.Number(&rows[i])
		shown[g] = true
		lacking = max(lacking, most[g]-rd.weigh[g])
		unsure = unsure || missing[g] > 0
		if int64(i+1) == rd.query.Limit {
			last = rd.weigh[g]
		}
	}
	above := rd.unseen() // what nobody named
	for g := range most {
		if !shown[g] && missing[g] > 0 {
			above = max(above, most[g])
		}
	}
	if above < last {
		above = 0
	} else {
		unsure = true
	}
	if unsure {
		rd.merger.Bound(&wire.Bounded{Missing: lacking, Unseen: above, Reason: rd.reason()})
	}
}

func (rd *rounds) reason() string {
	for i := range rd.open {
		if rd.run.parties[i].failed {
			return boundedByFailure
		}
	}
	return boundedByLimit
}
