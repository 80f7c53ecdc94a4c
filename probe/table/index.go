package table

import (
	"math/bits"
	"math/rand/v2"
)

const (
	shardBits  = 8
	shardStart = 8    // slots of an empty shard
	shardPages = 2048 // slots from which on a shard has pages of its own
)

// index finds entries by key: open addressing with linear probing, in shards by the hash's top bits that grow one
// by one. A slot holds the lower half of the hash above the entry's number plus 1; 0 is an empty slot.
type index struct {
	arena  *arena
	seed   [6]uint64
	shards [1 << shardBits]shard
}

type shard struct {
	slots []uint64
	used  int
}

func (x *index) init() {
	for i := range x.seed {
		x.seed[i] = rand.Uint64() // ChaCha8, seeded by the system for every process
	}
	slots := make([]uint64, len(x.shards)*shardStart)
	for i := range x.shards {
		x.shards[i].slots, slots = slots[:shardStart:shardStart], slots[shardStart:]
	}
}

func (x *index) hash(k *key) uint64 {
	return x.hashWords(k.lowHead, k.lowTail, k.highHead, k.highTail, k.meta)
}

// hashWords multiplies a key's words, each blinded by a secret, to 128 bits and folds them (the construction of wyhash).
func (x *index) hashWords(lowHead, lowTail, highHead, highTail, meta uint64) uint64 {
	a, b := bits.Mul64(lowHead^x.seed[0], lowTail^x.seed[1])
	c, d := bits.Mul64(highHead^x.seed[2], highTail^x.seed[3])
	e, f := bits.Mul64(a^d^meta^x.seed[4], b^c^x.seed[5])
	return e ^ f
}

func (x *index) shard(h uint64) *shard { return &x.shards[h>>(64-shardBits)] }

func (x *index) find(h uint64, k *key, entries *slab) (uint32, *entry) {
	slots := x.shard(h).slots
	mask := uint32(len(slots) - 1)
	for i := uint32(h); ; i++ {
		slot := slots[i&mask]
		if slot == 0 {
			return 0, nil
		}
		if uint32(slot>>32) == uint32(h) {
			id := uint32(slot) - 1
			if e := entries.at(id); e.key.equal(k) {
				return id, e
			}
		}
	}
}

// first is the slot where the search for a hash begins, or the one behind it if that holds the same part of the hash:
// one of them nearly always is the one, and which of them cannot be foreseen.
func (x *index) first(h uint64) uint64 {
	slots := x.shard(h).slots
	mask := uint32(len(slots) - 1)
	slot, second := slots[uint32(h)&mask], slots[(uint32(h)+1)&mask]
	if uint32(second>>32) == uint32(h) {
		slot = second
	}
	return slot
}

// next is the first slot that holds the same part of the hash, 0 if there is none.
func (x *index) next(h uint64) uint64 {
	slots := x.shard(h).slots
	mask := uint32(len(slots) - 1)
	for i := uint32(h); ; i++ {
		if slot := slots[i&mask]; slot == 0 || uint32(slot>>32) == uint32(h) {
			return slot
		}
	}
}

// insert adds an entry whose key is not in the index.
func (x *index) insert(h uint64, id uint32) {
	s := x.shard(h)
	if s.used++; s.used*4 > len(s.slots)*3 {
		x.grow(s)
	}
	s.put(h<<32 | uint64(id+1))
}

func (s *shard) put(slot uint64) {
	mask := uint32(len(s.slots) - 1)
	i := uint32(slot >> 32)
	for s.slots[i&mask] != 0 {
		i++
	}
	s.slots[i&mask] = slot
}

func (x *index) grow(s *shard) {
	old := s.slots
	if n := 2 * len(old); n < shardPages {
		s.slots = make([]uint64, n)
	} else {
		s.slots = x.arena.words(n)
	}
	for _, slot := range old {
		if slot != 0 {
			s.put(slot)
		}
	}
	x.free(old)
}

// free gives slots back that have pages of their own.
func (x *index) free(slots []uint64) {
	if len(slots) >= shardPages {
		x.arena.freeWords(slots)
	}
}

// close gives the memory back.
func (x *index) close() {
	for i := range x.shards {
		x.free(x.shards[i].slots)
		x.shards[i] = shard{}
	}
}

// remove takes an entry out and moves those behind it up, so that no probe ends early.
func (x *index) remove(h uint64, id uint32) {
	s := x.shard(h)
	mask := uint32(len(s.slots) - 1)
	gap := uint32(h) & mask
	for uint32(s.slots[gap]) != id+1 {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; s.slots[i] != 0; i = (i + 1) & mask {
		home := uint32(s.slots[i]>>32) & mask
		if (i-home)&mask >= (i-gap)&mask {
			s.slots[gap] = s.slots[i]
			gap = i
		}
	}
	s.slots[gap] = 0
	s.used--
}
