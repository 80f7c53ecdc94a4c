package query

import (
	"math"
	"math/bits"
	"math/rand/v2"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// table sums counters by packed key. Keys and sums stand in the order in which the keys came; entry 0 is nobody's,
// so that what is not wanted can be added without asking. A table takes keys whose hash is in a range: when it is
// full it gives up the upper half of the range, which is left to another pass over the rows.
type table struct {
	counters  []int    // the counters that are summed, by their numbers in package segment
	keys      []packed // [0] is nobody's
	sums      []uint64 // len(counters) for each key
	slots     []uint32 // index of a key, 0 where empty; a power of two, at most half full
	seed      [2]uint64
	max       int    // of keys
	low, high uint64 // hashes that are taken, both included
	only      keySet // nil: all
	direct    *directSlots
}

// directSlots are the entries of keys that are a service and nothing else, by protocol and both bytes of the port: segments
// have services by the ten thousand, and nothing is faster than to look where a number says.
type directSlots [256]*[256]*[256]uint32

// at is the place of a service's entry.
func (d *directSlots) at(rest uint64) *uint32 {
	pages := &d[uint8(rest>>packedProtocol)]
	if *pages == nil {
		*pages = new([256]*[256]uint32)
	}
	ports := &(*pages)[uint8(rest>>8)]
	if *ports == nil {
		*ports = new([256]uint32)
	}
	return &(*ports)[uint8(rest)]
}

// maxPasses bounds how often rows are read again because a table is full.
const maxPasses = 64

// entryBytes is what a key and its sums take, slots and growth included.
func entryBytes(counters int) int64 { return 2*(16+8*int64(counters)) + 16 }

func newTable(counters []int, max int, seed [2]uint64, only keySet) *table {
	t := &table{counters: counters, seed: seed, max: max, only: only, slots: make([]uint32, 1<<12)}
	t.begin(0)
	return t
}

// newSeed makes it impossible to choose addresses that collide.
func newSeed() [2]uint64 { return [2]uint64{rand.Uint64(), rand.Uint64()} }

// begin empties the table for the hashes from low on.
func (t *table) begin(low uint64) {
	t.low, t.high = low, math.MaxUint64
	if low > 0 {
		t.direct = nil // it knows no hashes
	}
	t.clear()
}

func (t *table) clear() {
	t.room(1 << 6)
	t.keys, t.sums = t.keys[:1], t.sums[:len(t.counters)]
	t.keys[0] = packed{}
	clear(t.sums)
	clear(t.slots)
	if t.direct != nil {
		*t.direct = directSlots{}
	}
}

func (t *table) len() int { return len(t.keys) - 1 }

// hash mixes twice, as wyhash does for keys of 16 bytes: after one product, keys that are numbers in a row may crowd
// in a part of the range.
func (t *table) hash(k packed) uint64 {
	high, low := bits.Mul64(k.addresses^t.seed[0], k.rest^t.seed[1])
	high, low = bits.Mul64(high^low, hashFactor)
	return high ^ low
}

// hashFactor is 2^64 divided by the golden ratio, made odd.
const hashFactor = 0x9e3779b97f4a7c15

// locate writes the entry of each key to at, making those that are new. It stops where the table is full and
// returns how many it did.
func (t *table) locate(keys []packed, at []uint32) int {
	at = at[:len(keys)]
	if t.direct != nil {
		done := t.locateDirect(keys, at)
		if done == len(keys) || t.direct != nil {
			return done
		}
		return done + t.locate(keys[done:], at[done:])
	}
	slots := t.slots
	mask := uint64(len(slots) - 1)
	every := t.low == 0 && t.high == math.MaxUint64
	last, entry := packed{}, uint32(0)
	for i, k := range keys {
		if k == last && entry != 0 {
			at[i] = entry
			continue
		}
		h := t.hash(k)
		last, entry = k, 0
		if !every && (h < t.low || h > t.high) {
			at[i] = 0
			continue
		}
		slot := h & mask
		for slots[slot] != 0 && t.keys[slots[slot]] != k {
			slot = (slot + 1) & mask
		}
		if entry = slots[slot]; entry == 0 && (t.only == nil || t.only.has(k)) {
			if t.len() >= t.max {
				return i
			}
			entry = t.insert(k, slot)
			slots = t.slots
			mask = uint64(len(slots) - 1)
		}
		at[i] = entry
	}
	return len(keys)
}

// locateDirect is locate for keys that are services. Where the table is full, it goes on by hash.
func (t *table) locateDirect(keys []packed, at []uint32) int {
	for i, k := range keys {
		slot := t.direct.at(k.rest)
		if *slot == 0 && (t.only == nil || t.only.has(k)) {
			if t.len() >= t.max {
				t.undirect()
				return i
			}
			*slot = t.push(k)
		}
		at[i] = *slot
	}
	return len(keys)
}

// undirect goes on by hash.
func (t *table) undirect() {
	t.direct = nil
	size := len(t.slots)
	for size < 4*len(t.keys) {
		size *= 2
	}
	t.index(size)
}

// push adds a key whose sums are zero.
func (t *table) push(k packed) uint32 {
	entry := uint32(len(t.keys))
	if len(t.keys) == cap(t.keys) {
		t.room(2 * len(t.keys))
	}
	t.keys = append(t.keys, k)
	from, width := len(t.sums), len(t.counters)
	t.sums = t.sums[:from+width]
	clear(t.sums[from:])
	return entry
}

func (t *table) insert(k packed, slot uint64) uint32 {
	entry := t.push(k)
	t.slots[slot] = entry
	if 2*len(t.keys) >= len(t.slots) {
		t.index(2 * len(t.slots))
	}
	return entry
}

// expect makes room for the groups of several parts: about most of one of them, which others may have in common with it,
// and up to sum of all.
func (t *table) expect(most, sum int) {
	most = min(most, t.max)
	size := len(t.slots)
	for size < 4*most {
		size *= 2
	}
	if size > len(t.slots) {
		if t.direct == nil {
			t.index(size)
		}
		t.room(min(sum, 4*most, t.max) + 1)
	}
}

// room makes room for so many keys. Memory that is new is not touched before it is used, as it would be by append.
func (t *table) room(keys int) {
	if keys <= cap(t.keys) {
		return
	}
	grown := make([]packed, len(t.keys), keys)
	copy(grown, t.keys)
	sums := make([]uint64, len(t.sums), keys*len(t.counters))
	copy(sums, t.sums)
	t.keys, t.sums = grown, sums
}

// index makes the slots anew.
func (t *table) index(size int) {
	if size == len(t.slots) {
		clear(t.slots)
	} else {
		t.slots = make([]uint32, size)
	}
	mask := uint64(size - 1)
	for i, k := range t.keys[1:] {
		slot := t.hash(k) & mask
		for t.slots[slot] != 0 {
			slot = (slot + 1) & mask
		}
		t.slots[slot] = uint32(i + 1)
	}
}

// halve gives up the upper half of the hashes.
func (t *table) halve() error {
	if t.high-t.low < math.MaxUint64/maxPasses {
		return &wire.LimitError{What: "groups", Limit: int64(t.max) * maxPasses,
			Remedy: "ask for a shorter time span, fewer attributes or a longer time resolution, or add a condition"}
	}
	t.cut(t.low + (t.high-t.low)/2)
	return nil
}

// cut gives up the hashes above high.
func (t *table) cut(high uint64) {
	if t.direct != nil {
		t.undirect()
	}
	t.high = high
	width, kept := len(t.counters), 1
	for i := 1; i < len(t.keys); i++ {
		if t.hash(t.keys[i]) > high {
			continue
		}
		t.keys[kept] = t.keys[i]
		copy(t.sums[kept*width:(kept+1)*width], t.sums[i*width:(i+1)*width])
		kept++
	}
	t.keys, t.sums = t.keys[:kept], t.sums[:kept*width]
	t.index(len(t.slots))
}

// add adds the values at rows of the columns to entries. A column that is nil is zero.
func (t *table) add(entries, rows []uint32, columns *[9][]uint64) {
	width := len(t.counters)
	rows = rows[:len(entries)]
	if width == 4 {
		if a, b, c, d := columns[t.counters[0]], columns[t.counters[1]], columns[t.counters[2]], columns[t.counters[3]]; a != nil && b != nil && c != nil && d != nil {
			for i, entry := range entries {
				row := rows[i]
				s := t.sums[4*entry : 4*entry+4 : 4*entry+4]
				s[0], s[1] = saturate(s[0], a[row]), saturate(s[1], b[row])
				s[2], s[3] = saturate(s[2], c[row]), saturate(s[3], d[row])
			}
			return
		}
	}
	for k, counter := range t.counters {
		column := columns[counter]
		if column == nil {
			continue
		}
		sums := t.sums[k:]
		for i, entry := range entries {
			s := &sums[int(entry)*width]
			*s = saturate(*s, column[rows[i]])
		}
	}
}

// addCounters adds to one entry.
func (t *table) addCounters(entry uint32, c *flow.Counters) {
	width := len(t.counters)
	for k, counter := range t.counters {
		s := &t.sums[int(entry)*width+k]
		*s = saturate(*s, *counterAt(c, counter))
	}
}

// counted returns the sums of an entry.
func (t *table) counted(entry int) (c flow.Counters) {
	width := len(t.counters)
	for k, counter := range t.counters {
		*counterAt(&c, counter) = t.sums[entry*width+k]
	}
	return c
}

func saturate(a, b uint64) uint64 {
	s := a + b
	if s < a {
		return math.MaxUint64
	}
	return s
}

// keySet is a set of keys without their bins.
type keySet map[packed]struct{}

func (s keySet) has(k packed) bool {
	_, ok := s[k.whole()]
	return ok
}
