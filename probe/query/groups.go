package query

import (
	"hash/maphash"
	"iter"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// group is a key and the sum of its rows.
type group struct {
	key      key
	counters flow.Counters
}

// slab is the number of groups that are allocated at a time.
const slab = 1 << 10

// groups sums counters by key, up to a number of keys. It is a hash table with open addressing; the groups
// themselves stand in slabs, in the order in which they came, and never move: growing costs a slot of eight bytes
// a group, not a copy of it.
type groups struct {
	max   int
	n     int
	seed  maphash.Seed
	slots []uint64 // hash<<32 | index+1, 0 where empty; a power of two, at most half full
	slabs [][]group
	last  *group // added to last: neighbouring rows are often of one group
}

func newGroups(max int) *groups {
	return &groups{max: max, seed: maphash.MakeSeed(), slots: make([]uint64, 2*slab)}
}

// add adds to a group, making it if it is new. It returns a *wire.LimitError if there are too many.
func (g *groups) add(k key, c flow.Counters) error {
	if g.last == nil || g.last.key != k {
		to, slot, hash := g.find(k)
		if to == nil {
			if g.n >= g.max {
				return &wire.LimitError{What: "groups", Limit: int64(g.max),
					Remedy: "ask for a shorter time span, fewer attributes or a longer time resolution, or add a condition"}
			}
			to = g.insert(k, slot, hash)
		}
		g.last = to
	}
	g.last.counters.Add(c)
	return nil
}

// get returns the group of a key, nil if there is none.
func (g *groups) get(k key) *group {
	found, _, _ := g.find(k)
	return found
}

// find returns the group of a key, or nil and the empty slot where it would stand.
func (g *groups) find(k key) (found *group, slot int, hash uint32) {
	hash = uint32(maphash.Comparable(g.seed, k) >> 32)
	mask := len(g.slots) - 1
	for slot = int(hash) & mask; ; slot = (slot + 1) & mask {
		s := g.slots[slot]
		if s == 0 {
			return nil, slot, hash
		}
		if uint32(s>>32) == hash {
			if found = g.at(int(uint32(s)) - 1); found.key == k {
				return found, slot, hash
			}
		}
	}
}

func (g *groups) at(i int) *group { return &g.slabs[i/slab][i%slab] }

// insert makes a group in an empty slot that find returned.
func (g *groups) insert(k key, slot int, hash uint32) *group {
	if g.n%slab == 0 {
		g.slabs = append(g.slabs, make([]group, slab))
	}
	added := g.at(g.n)
	added.key = k
	g.n++
	g.slots[slot] = uint64(hash)<<32 | uint64(g.n)
	if 2*g.n >= len(g.slots) {
		g.grow()
	}
	return added
}

// grow doubles the slots.
func (g *groups) grow() {
	slots := make([]uint64, 2*len(g.slots))
	mask := len(slots) - 1
	for _, s := range g.slots {
		if s == 0 {
			continue
		}
		i := int(s>>32) & mask
		for slots[i] != 0 {
			i = (i + 1) & mask
		}
		slots[i] = s
	}
	g.slots = slots
}

// all visits the groups in the order in which they came.
func (g *groups) all() iter.Seq[*group] {
	return func(yield func(*group) bool) {
		for i := range g.n {
			if !yield(g.at(i)) {
				return
			}
		}
	}
}
