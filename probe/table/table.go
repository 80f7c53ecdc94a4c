// Package table is the live flow table of one interface: it adds packets up by conversation and hands the sums over
// as flows. It is floor 2, above packets and below the meter; it does no I/O and knows no clock but the times it is
// given.
//
// A conversation is what goes on between two end points (address and port) with one protocol; both directions meet
// in one entry, whose orientation says which end initiated it (direction.go) and which holds what became of its
// attempts to connect (verdict.go; docs/METERING.md has the rules). Because counters are relative to the
// interface and not to the initiator, a better idea of the orientation moves all that was counted in the interval:
// there are never two half flows. The source port takes part in the conversation and is summed away in the rows.
//
// Invariants: the sum over all rows of an interval equals what was added in it; a conversation has one entry; Add
// allocates nothing once the table has grown to its load, and its work is bounded (the index grows in 256 separate
// shards, so no packet ever waits for a rehash of everything); entries and index are outside of
// the garbage collector's heap and hold no pointers. The hash is seeded per table: nobody can prepare collisions.
//
// Rotation, live view and checkpoint read the table through passes (pass.go), which take a consistent picture in
// steps of bounded size between which packets go on being added.
//
// A Table belongs to one goroutine.
package table

import (
	"fmt"
	"math"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// Config bounds a table.
type Config struct {
	// Memory bounds in bytes what the flow table of an interface takes, with all that is copied of it to store an
	// interval: so many conversations are remembered as 512 bytes each allow, those at rest included; 512 MiB are a
	// million. A packet of a new conversation beyond it replaces one that has been at rest for a minute or, where there
	// is none at hand, is counted in a row that carries only family and protocol. What is not needed is not taken.
	Memory int64 `yaml:"memory"`
	// IdleLifetime is how long a conversation at rest is remembered for its orientation, where the next packet
	// alone would not give the same.
	IdleLifetime time.Duration `yaml:"idle_lifetime"`
	// AttemptTimeout is how long a connection attempt may go unanswered before it counts as such.
	AttemptTimeout time.Duration `yaml:"attempt_timeout"`
	// ServicePorts are ports where services listen here, beside those below 1024 and the common ones: of two ports
	// one of which is a service's, that end is the responder where no handshake says otherwise.
	ServicePorts []uint16 `yaml:"service_ports"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Memory: 512 << 20, IdleLifetime: 30 * time.Minute, AttemptTimeout: 15 * time.Second,
		ServicePorts: []uint16{}}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if c.Memory < conversationMemory || c.Memory > maxFlows*conversationMemory {
		return fmt.Errorf("memory is %d: it must be between %d and %d bytes", c.Memory, conversationMemory, maxFlows*conversationMemory)
	}
	if c.IdleLifetime < 0 {
		return fmt.Errorf("idle_lifetime is %v: it must not be negative", c.IdleLifetime)
	}
	if c.AttemptTimeout < time.Second || c.AttemptTimeout > maxAttemptTimeout {
		return fmt.Errorf("attempt_timeout is %v: it must be between 1s and %v", c.AttemptTimeout, maxAttemptTimeout)
	}
	return nil
}

// maxFlows keeps the numbers of conversations apart from those of folded rows (foldedID).
const maxFlows = 1 << 30

// conversationMemory is what a conversation may take at most: 112 bytes in the table, up to 22 in its index and 24 as
// an open attempt, up to 80 in a picture, 112 as a row, and about as much while that is stored.
const conversationMemory = 512

// LeastMemory is the least that Config.Memory can be.
const LeastMemory = conversationMemory

// maxAttemptTimeout keeps open attempts from piling up without end.
const maxAttemptTimeout = 10 * time.Minute

// Table is a live flow table. Its zero value is of no use: see New.
type Table struct {
	cfg      Config
	budget   *budget // of this table and its siblings
	arena    arena
	index    index
	slab     slab
	attempts attempts
	services servicePorts
	pass     uint8  // number of the latest pass: an entry with another number is still to be visited by it
	untimed  bool   // times given to Add are not the packets' own
	taking   *Pass  // the pass under way, nil if none is
	latest   int64  // latest time given to Add or Expire, Unix nanoseconds
	hand     uint32 // where the search for a conversation to forget goes on
	booked   uint64 // outcomes since New
	folded   folded
}

// New makes an empty table. The configuration must be valid.
func New(cfg Config) *Table {
	if err := cfg.Validate(); err != nil {
		panic("table: " + err.Error())
	}
	return newTable(cfg, &budget{most: int(cfg.Memory / conversationMemory)})
}

// Sibling makes a table with the same configuration that shares this one's memory: both together hold no more
// conversations than one alone might. They belong to the same goroutine.
func (t *Table) Sibling() *Table {
	made := newTable(t.cfg, t.budget)
	made.untimed = t.untimed
	return made
}

// budget is how many conversations tables may hold together.
type budget struct{ live, most int }

func newTable(cfg Config, b *budget) *Table {
	t := &Table{cfg: cfg, budget: b, services: newServicePorts(cfg.ServicePorts)}
	t.index.arena, t.slab.arena, t.attempts.arena = &t.arena, &t.arena, &t.arena
	t.index.init()
	return t
}

// Close gives the table's memory back; nothing else may be called any more. Pictures are not touched by it.
func (t *Table) Close() {
	t.budget.live -= t.slab.live
	t.index.close()
	t.slab.close()
	t.attempts.close()
}

// Bytes is how much memory the table has taken, without pictures.
func (t *Table) Bytes() int { return t.arena.bytes }

// Add counts a packet of the given frame length in bytes, at now (Unix nanoseconds, on a clock that is not set if
// possible). It keeps nothing of p.
func (t *Table) Add(p *packet.Packet, length uint32, isSent bool, now int64) {
	if p.Quoted {
		t.refuse(p)
	}
	var k key
	swapped := keyOf(&k, p)
	h := t.index.hash(&k)
	id, e := t.index.find(h, &k, &t.slab)
	if e == nil {
		t.addNew(h, &k, p, swapped, length, isSent, now)
		return
	}
	t.addKnown(id, e, p, swapped, length, isSent, now)
}

// addKnown counts a packet of a conversation that has an entry.
func (t *Table) addKnown(id uint32, e *entry, p *packet.Packet, swapped bool, length uint32, isSent bool, now int64) {
	t.latest = max(t.latest, now)
	t.touch(id, e)
	if p.TCPFlags&packet.SYN != 0 {
		e.handshake(p.TCPFlags, swapped, now)
		t.follow(id, e, p, swapped, now)
	} else if e.attempt != 0 {
		t.follow(id, e, p, swapped, now)
	}
	e.count(length, isSent, now)
}

// addNew counts a packet of a conversation that has none.
func (t *Table) addNew(h uint64, k *key, p *packet.Packet, swapped bool, length uint32, isSent bool, now int64) {
	t.latest = max(t.latest, now)
	id, e := t.insert(h, k, p, swapped)
	if e == nil {
		t.folded.add(p, length, isSent)
		return
	}
	if begins(p, e, swapped) {
		t.open(id, e, now)
	}
	if e.attempt != 0 || p.TCPFlags&packet.SYN != 0 {
		t.follow(id, e, p, swapped, now)
	}
	e.count(length, isSent, now)
}

// count adds a packet to the counters of its direction, without a branch: no processor foresees which way the next
// packet goes.
func (e *entry) count(length uint32, isSent bool, now int64) {
	direction := received
	if isSent {
		direction = sent
	}
	e.lastSeen = now
	e.changed = true
	e.bytes[direction%directionCount] = saturate(e.bytes[direction%directionCount], uint64(length))
	e.packets[direction%directionCount]++
}

// touch comes before a known entry changes: a pass under way takes it as it was.
func (t *Table) touch(id uint32, e *entry) {
	if e.pass != t.pass {
		t.taking.visit(id, e)
	}
}

func saturate(a, b uint64) uint64 {
	if sum := a + b; sum >= a {
		return sum
	}
	return math.MaxUint64
}

// insert makes an entry for a conversation that is not known, nil where there is no room for it.
func (t *Table) insert(h uint64, k *key, p *packet.Packet, swapped bool) (uint32, *entry) {
	if t.budget.live >= t.budget.most && !t.forgetOne() {
		return 0, nil
	}
	t.budget.live++
	id, e := t.slab.take()
	t.index.insert(h, id)
	*e = entry{key: *k, pass: t.pass}
	e.reversed, e.evidence = t.services.orient(p, k, swapped)
	return id, e
}

// forgetTries bounds the search for a conversation at rest: during a flood every packet pays for it.
const forgetTries = 8

// forgetOne makes room by forgetting a conversation that has been at rest for a while. One that talked just now is
// not given away: a flood would take the place of everybody as soon as an interval has ended.
func (t *Table) forgetOne() bool {
	for range min(forgetTries, t.slab.used) {
		if t.hand++; t.hand >= t.slab.used {
			t.hand = 0
		}
		e := t.slab.at(t.hand)
		if e.free() {
			continue
		}
		if e.resting() && t.latest-e.lastSeen > int64(silence) {
			t.touch(t.hand, e)
			t.forget(t.hand, e)
			return true
		}
	}
	return false
}

func (t *Table) forget(id uint32, e *entry) {
	t.index.remove(t.index.hash(&e.key), id)
	t.slab.release(id, e)
	t.budget.live--
}

// Flows is the number of conversations in memory, those at rest included.
func (t *Table) Flows() int { return t.slab.live }

// Folded is the number of packets since New that had no room in the table and were counted by family and protocol
// alone.
func (t *Table) Folded() uint64 { return t.folded.packets }

// Rotate ends the interval: it appends its rows to dst, ordered by flow.Key.Compare, each key once, none without
// packets or outcomes of attempts, and starts counting anew. Conversations keep their orientation. It is a whole Drain pass at once.
func (t *Table) Rotate(dst []flow.Record) []flow.Record { return t.whole(Drain).Rows(dst) }

// Snapshot appends the rows of the interval so far, as Rotate does, and changes nothing.
func (t *Table) Snapshot(dst []flow.Record) []flow.Record { return t.whole(Copy).Rows(dst) }

func (t *Table) whole(kind PassKind) *Picture {
	pass := t.Begin(kind)
	pass.Step(math.MaxInt)
	return pass.Picture()
}
