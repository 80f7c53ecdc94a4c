package table

import "github.com/weirflow/weir/probe/packet"

// BatchSize is how many packets a Batch holds.
const BatchSize = 32

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

// Flush adds what is in the batch to the tables, in the order in which it came, as Add does.
func (b *Batch) Flush() {
	arrivals := b.arrivals[:b.used]
	places := b.places[:len(arrivals)]
	b.used = 0
	for i := range arrivals {
		a, at := &arrivals[i], &places[i]
		at.swapped = keyOf(&at.key, &a.Packet)
		at.hash = a.Into.index.hash(&at.key)
	}
	for i := range arrivals { // the fetches of this loop, and of the next, do not wait for one another
		at := &places[i]
		at.first = arrivals[i].Into.index.first(at.hash)
	}
	for i := range arrivals {
		places[i].look(arrivals[i].Into)
	}
	for i := range arrivals {
		places[i].add(&arrivals[i])
	}
}

// look finds the entry that most likely is the conversation's, by the part of the hash that stands in the index, and
// fetches it.
func (at *place) look(t *Table) {
	slot := at.first
	if uint32(slot>>32) != uint32(at.hash) || slot == 0 {
		slot = t.index.next(at.hash)
	}
	if at.id = uint32(slot); at.id != 0 {
		e := t.slab.at(at.id - 1)
		at.fetched = e.key.lowHead + e.packets[received]
	}
}

// add counts the packet. What was found before may be outdated by the packets in between: then the key differs.
func (at *place) add(a *Arrival) {
	t, p := a.Into, &a.Packet
	if p.Quoted {
		t.refuse(p)
	}
	if at.id != 0 {
		if e := t.slab.at(at.id - 1); e.key.equal(&at.key) {
			t.addKnown(at.id-1, e, p, at.swapped, a.Length, a.Sent, a.Time)
			return
		}
	}
	if id, e := t.index.find(at.hash, &at.key, &t.slab); e != nil {
		t.addKnown(id, e, p, at.swapped, a.Length, a.Sent, a.Time)
	} else {
		t.addNew(at.hash, &at.key, p, at.swapped, a.Length, a.Sent, a.Time)
	}
}
