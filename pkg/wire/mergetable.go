package wire

import (
	"math/bits"
	"math/rand/v2"

	"github.com/weirflow/weir/pkg/flow"
)

// groupTable numbers keys in the order in which they come, and has a sum for each. It is a hash table with open
// addressing: slots hold a part of the hash and the number of an entry, so that a look-up compares one key, nearly
// always. A key and its sum take two cache lines side by side.
type groupTable struct {
	seed    [8]uint64
	slots   []uint64 // hash<<32 | number+1, 0 where empty; a power of two, at most half full
	entries []groupEntry
	touched uint64 // nothing; so that what touch reads is not left out as useless
}

type groupEntry struct {
	key groupKey
	sum flow.Counters
}

// leastSlots is the size of a table that is new.
const leastSlots = 1 << 8

func newGroupTable() *groupTable {
	t := &groupTable{slots: make([]uint64, leastSlots)}
	for i := range t.seed { // makes it impossible to choose addresses that collide
		t.seed[i] = rand.Uint64()
	}
	return t
}

func (t *groupTable) hash(k *groupKey) uint32 {
	s := &t.seed
	a := mix(k.source[0]^s[0], k.source[1]^s[1])
	b := mix(k.destination[0]^s[2], k.destination[1]^s[3])
	c := mix(uint64(k.stamp)^s[4], uint64(k.iface)|uint64(k.origin)<<32^s[5])
	d := uint64(k.verdict)<<32 | uint64(k.port)<<16 | uint64(k.protocol)<<8 | uint64(k.flags)
	return uint32(mix(a^bits.RotateLeft64(b, 29)^s[6], c^d^s[7]) >> 16)
}

func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// find returns the number of a key, or -1 and the empty slot where it would stand.
func (t *groupTable) find(k *groupKey, hash uint32) (number, slot int) {
	mask := len(t.slots) - 1
	for slot = int(hash) & mask; ; slot = (slot + 1) & mask {
		s := t.slots[slot]
		if s == 0 {
			return -1, slot
		}
		if uint32(s>>32) == hash && t.entries[uint32(s)-1].key.equal(k) {
			return int(uint32(s)) - 1, slot
		}
	}
}

// insert adds a key that find did not find.
func (t *groupTable) insert(k *groupKey, hash uint32, slot int) int {
	t.entries = append(t.entries, groupEntry{key: *k})
	t.slots[slot] = uint64(hash)<<32 | uint64(len(t.entries))
	if 2*len(t.entries) >= len(t.slots) {
		t.grow()
	}
	return len(t.entries) - 1
}

// number returns the number of a key, a new one if it is not known.
func (t *groupTable) number(k *groupKey) int {
	hash := t.hash(k)
	n, slot := t.find(k, hash)
	if n < 0 {
		n = t.insert(k, hash, slot)
	}
	return n
}

func (t *groupTable) has(k *groupKey) bool {
	n, _ := t.find(k, t.hash(k))
	return n >= 0
}

func (t *groupTable) grow() {
	slots := make([]uint64, 2*len(t.slots))
	mask := len(slots) - 1
	for _, s := range t.slots {
		if s == 0 {
			continue
		}
		i := int(s>>32) & mask
		for slots[i] != 0 {
			i = (i + 1) & mask
		}
		slots[i] = s
	}
	t.slots = slots
}

// touch reads the slots and entries of some hashes, so that they are near when they are looked up one after the other:
// reads that do not depend on each other wait for memory side by side.
func (t *groupTable) touch(hashes []uint32) {
	sum := t.touched
	var at [mergeBatch]uint32
	mask := uint32(len(t.slots) - 1)
	for i, h := range hashes {
		at[i] = uint32(t.slots[h&mask])
	}
	for _, n := range at[:len(hashes)] {
		if n > 0 {
			e := &t.entries[n-1]
			sum += e.key.source[1] + e.sum.RoundTrips
		}
	}
	t.touched = sum
}

// addCounters adds counters of the wire to a sum.
func addCounters(to *flow.Counters, c *Counters) {
	br, c1 := bits.Add64(to.BytesReceived, c.BytesReceived, 0)
	bs, c2 := bits.Add64(to.BytesSent, c.BytesSent, 0)
	pr, c3 := bits.Add64(to.PacketsReceived, c.PacketsReceived, 0)
	ps, c4 := bits.Add64(to.PacketsSent, c.PacketsSent, 0)
	ca, c5 := bits.Add64(to.Attempts, c.Attempts, 0)
	cc, c6 := bits.Add64(to.Accepts, c.Accepts, 0)
	cr, c7 := bits.Add64(to.Rejects, c.Rejects, 0)
	ns, c8 := bits.Add64(to.RoundTripNanoseconds, c.RoundTripNanoseconds, 0)
	n, c9 := bits.Add64(to.RoundTrips, c.RoundTrips, 0)
	if c1|c2|c3|c4|c5|c6|c7|c8|c9 != 0 {
		to.Add(c.Flow()) // saturates
		return
	}
	*to = flow.Counters{BytesReceived: br, BytesSent: bs, PacketsReceived: pr, PacketsSent: ps, Attempts: ca, Accepts: cc, Rejects: cr,
		RoundTripNanoseconds: ns, RoundTrips: n}
}
