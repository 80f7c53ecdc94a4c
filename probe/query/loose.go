package query

import (
	"slices"

	"github.com/weirflow/weir/pkg/flow"
)

// loose are the groups of rows that are in no segment, packed and in the order of their positions.
type loose struct {
	keys     []packed
	counters []flow.Counters
}

// looseHas says which counters the loose rows have.
func (r *run) looseHas() (has uint16) {
	for g := range r.groups.all() {
		has |= hasCounters(&g.counters)
	}
	return has
}

// looseAddresses are the IPv6 addresses of loose rows, ascending.
func (pl *plan) looseAddresses() (list []number6) {
	for g := range pl.run.groups.all() {
		if g.key.family != flow.IPv6 {
			continue
		}
		if pl.shape.source {
			list = append(list, sixOf(g.key.source))
		}
		if pl.shape.destination {
			list = append(list, sixOf(g.key.destination))
		}
	}
	slices.SortFunc(list, number6.Compare)
	return slices.Compact(list)
}

func (pl *plan) makeLoose() {
	type one struct {
		key      packed
		counters *flow.Counters
	}
	list := make([]one, 0, pl.run.groups.n)
	for g := range pl.run.groups.all() {
		if packed, ok := pl.pack(&g.key); ok {
			if pl.shape.time {
				packed.rest |= pl.bin(g.key.stamp)
			}
			list = append(list, one{packed, &g.counters})
		}
	}
	slices.SortFunc(list, func(a, b one) int { return a.key.position().compare(b.key.position()) })
	for _, o := range list {
		pl.loose.keys = append(pl.loose.keys, o.key)
		pl.loose.counters = append(pl.loose.counters, *o.counters)
	}
}
