package table

import "github.com/weirflow/weir/probe/packet"

// BatchSize is how many packets a Batch holds.
const BatchSize = 64

// Arrival is a packet on its way into a table.
type Arrival struct {
	Packet packet.Packet
	Into   *Table
	Length uint32 // of the frame, in bytes
	Sent   bool
	Time   int64 // as with Add
}

// Batch collects packets, of one table or several that belong to the same goroutine, so that what they need is
// fetched from memory for many of them at once: a table of some thousand conversations is larger than the processor's
// caches, and packets added one by one would each wait twice in turn, for the index and for the entry.
type Batch struct {
	arrivals [BatchSize]Arrival
	used     int
	places   [BatchSize]place
}

// place is where an arrival belongs. It holds no pointers: memory of a table may be given back between two batches.
type place struct {
	key     key
	hash    uint64
	first   uint64 // slot where the search begins
	fetched uint64 // of the entry, so that it is in the cache
	id      uint32 // of the entry it most likely belongs to, plus 1; 0 for none
	swapped bool
}

// Next is the place for the next packet, which has to be filled in before Take. It makes room first where there is none.
func (b *Batch) Next() *Arrival {
	if b.used == BatchSize {
		b.Flush()
	}
	return &b.arrivals[b.used]
}

// Take takes what Next returned into the batch.
func (b *Batch) Take() { b.used++ }

// Flush adds what is in the batch to the tables, in the order in which it came, as Add does. Each of its loops calls as
// little as it can, and the fetches of one turn do not wait for those of another.
func (b *Batch) Flush() {
	arrivals := b.arrivals[:b.used]
	places := b.places[:len(arrivals)]
	b.used = 0
	for i := range arrivals {
		a, at := &arrivals[i], &places[i]
		lowHead, lowTail, highHead, highTail, meta, swapped := keyWords(&a.Packet)
		at.key.lowHead, at.key.lowTail, at.key.highHead, at.key.highTail, at.key.meta = lowHead, lowTail, highHead, highTail, meta
		at.hash, at.swapped = a.Into.index.hashWords(lowHead, lowTail, highHead, highTail, meta), swapped
	}
	for i := range arrivals {
		at := &places[i]
		at.first = arrivals[i].Into.index.first(at.hash)
	}
	var entries [BatchSize]*entry
	fetch(arrivals, places, &entries)
	add(arrivals, places, &entries)
}

// fetch finds the entries that most likely are the conversations', by the part of the hash that stands in the index, and
// fetches them.
func fetch(arrivals []Arrival, places []place, entries *[BatchSize]*entry) {
	for i := range arrivals {
		at, t := &places[i], arrivals[i].Into
		slot := at.first
		if uint32(slot>>32) != uint32(at.hash) || slot == 0 {
			slot = t.index.next(at.hash)
		}
		if at.id = uint32(slot); at.id != 0 {
			e := t.slab.at(at.id - 1)
			entries[i%BatchSize] = e
			at.fetched = e.key.lowHead + e.packets[received]
		}
	}
}

// add counts the packets. What was found before may be outdated by those in between: then the key differs.
func add(arrivals []Arrival, places []place, entries *[BatchSize]*entry) {
	for i := range arrivals {
		a, at := &arrivals[i], &places[i]
		t := a.Into
		e := entries[i%BatchSize]
		if e == nil || a.Packet.Quoted {
			at.add(a)
			continue
		}
		switch {
		case !e.key.equal(&at.key):
			at.add(a)
		case e.attempt == 0 && a.Packet.TCPFlags&packet.SYN == 0: // nearly all; as addKnown does it
			t.latest = max(t.latest, a.Time)
			t.touch(at.id-1, e)
			e.count(a.Length, a.Sent, a.Time)
		default:
			t.addKnown(at.id-1, e, &a.Packet, at.swapped, a.Length, a.Sent, a.Time)
		}
	}
}

// add counts a packet whose conversation is not the one that was found, or which says something of another.
func (at *place) add(a *Arrival) {
	t, p := a.Into, &a.Packet
	if p.Quoted {
		t.refuse(p)
	}
	if id, e := t.index.find(at.hash, &at.key, &t.slab); e != nil {
		t.addKnown(id, e, p, at.swapped, a.Length, a.Sent, a.Time)
	} else {
		t.addNew(at.hash, &at.key, p, at.swapped, a.Length, a.Sent, a.Time)
	}
}
