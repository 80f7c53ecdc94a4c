package packet

import (
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// The measures of a table of fragments: 8192 first fragments, about 512 KiB once there is one.
const (
	fragmentSets = 1024
	fragmentWays = 8
	// FragmentLifetime is how long a first fragment is remembered: as long as Linux waits for the rest of a packet.
	FragmentLifetime = 30 * time.Second
)

// Fragments joins later fragments, which carry no ports, to the flow of the first fragment of their packet. It
// remembers first fragments by source, destination, identification and protocol, for FragmentLifetime, and so many
// that neither memory nor the time for one depends on what comes: where there is no room, the oldest is forgotten.
// What a flood replaces it cannot choose, the hash is seeded. Later fragments that come before the first, or without
// it, stay without ports.
//
// The zero value is ready for use and takes memory with the first fragment. It belongs to one goroutine.
type Fragments struct {
	sets  [][fragmentWays]firstFragment
	seed  [5]uint64
	stats FragmentStats
}

// FragmentStats counts since the beginning.
type FragmentStats struct {
	Joined   uint64 // later fragments that found their first one
	Orphans  uint64 // later fragments that did not: metered without ports
	Replaced uint64 // first fragments forgotten before their time, for want of room
}

// firstFragment is what is remembered. Its zero value is long expired.
type firstFragment struct {
	key     fragmentKey
	expires int64 // Unix nanoseconds
	heading
}

type fragmentKey struct {
	source, destination flow.Address
	id                  uint32
	family              flow.Family
	protocol            flow.Protocol // of IPv4; in IPv6 every fragment may name another (RFC 8200 §4.5), the id alone counts
}

// heading is what the transport header says and later fragments lack.
type heading struct {
	protocol                    flow.Protocol
	hasPorts, hasICMP           bool
	kind, code                  uint8
	sourcePort, destinationPort uint16
}

// Join remembers p if it is a first fragment, and completes p by protocol, ports, or ICMP type and code of its
// packet's first fragment if it is a later one: joined says that this was so. It leaves other packets alone. now is the
// time in Unix nanoseconds, on a clock that is not set if possible. A packet that was completed is still a Fragment.
func (f *Fragments) Join(p *Packet, now int64) (joined bool) {
	if !p.Fragment && !p.FirstFragment {
		return false
	}
	key := fragmentKey{source: p.Source, destination: p.Destination, id: p.FragmentID, family: p.Family}
	if p.Family == flow.IPv4 {
		key.protocol = p.Protocol
	}
	if p.FirstFragment {
		f.remember(&key, p, now)
		return false
	}
	if first := f.find(&key, now); first != nil {
		f.stats.Joined++
		p.complete(&first.heading)
		return true
	}
	f.stats.Orphans++
	return false
}

// Stats says what became of the fragments.
func (f *Fragments) Stats() FragmentStats { return f.stats }

func (p *Packet) complete(h *heading) {
	p.Protocol = h.protocol
	p.HasPorts, p.SourcePort, p.DestinationPort = h.hasPorts, h.sourcePort, h.destinationPort
	p.HasICMP, p.ICMPType, p.ICMPCode = h.hasICMP, h.kind, h.code
}

// set is where a key may be.
func (f *Fragments) set(key *fragmentKey) *[fragmentWays]firstFragment {
	word := func(a *flow.Address, at int) uint64 {
		return uint64(a[at]) | uint64(a[at+1])<<8 | uint64(a[at+2])<<16 | uint64(a[at+3])<<24 |
			uint64(a[at+4])<<32 | uint64(a[at+5])<<40 | uint64(a[at+6])<<48 | uint64(a[at+7])<<56
	}
	a, b := bits.Mul64(word(&key.source, 0)^f.seed[0], word(&key.source, 8)^f.seed[1])
	c, d := bits.Mul64(word(&key.destination, 0)^f.seed[2], word(&key.destination, 8)^f.seed[3])
	h, l := bits.Mul64(a^d^uint64(key.id), b^c^f.seed[4])
	return &f.sets[(h^l)%fragmentSets]
}

func (f *Fragments) find(key *fragmentKey, now int64) *firstFragment {
	if f.sets == nil {
		return nil
	}
	set := f.set(key)
	for i := range set {
		if set[i].key == *key && set[i].expires > now {
			return &set[i]
		}
	}
	return nil
}

// remember puts a first fragment in the place of an older one with its key, or else of the one that expires first.
func (f *Fragments) remember(key *fragmentKey, p *Packet, now int64) {
	if f.sets == nil {
		f.sets = make([][fragmentWays]firstFragment, fragmentSets)
		for i := range f.seed {
			f.seed[i] = rand.Uint64()
		}
	}
	set := f.set(key)
	place := &set[0]
	for i := range set {
		if set[i].key == *key {
			place = &set[i]
			break
		}
		if set[i].expires < place.expires {
			place = &set[i]
		}
	}
	if place.expires > now && place.key != *key {
		f.stats.Replaced++
	}
	*place = firstFragment{key: *key, expires: now + int64(FragmentLifetime), heading: heading{
		protocol: p.Protocol, hasPorts: p.HasPorts, sourcePort: p.SourcePort, destinationPort: p.DestinationPort,
		hasICMP: p.HasICMP, kind: p.ICMPType, code: p.ICMPCode}}
}
