package table

// attempt is a connection attempt that is not closed: its outcome is not known yet, or it was accepted and the
// initiator's ACK that ends the round trip is still to come.
type attempt struct {
	began         [2]uint32 // when it began, Unix nanoseconds, upper half first: 8 bytes in one would make it 24 of 20
	conversation  uint32    // number of its entry
	before, after uint32    // its neighbours in the order of beginning, numbers plus 1; in a free one after is the next free one
}

func (a *attempt) since() int64 { return int64(uint64(a.began[0])<<32 | uint64(a.began[1])) }

// attempts holds the open attempts, in the order in which they began: all have the same time to be answered, so
// the one that expires next is always the oldest. An entry has at most one, so there are never more than entries.
type attempts struct {
	arena          *arena
	chunks         []*[chunkSize]attempt
	used           uint32 // ever taken
	free           uint32 // first free one plus 1, 0 for none
	oldest, newest uint32 // numbers plus 1, 0 for none
	length         int
}

// at returns an attempt by its number plus 1.
func (a *attempts) at(number uint32) *attempt {
	return &a.chunks[(number-1)>>chunkBits][(number-1)%chunkSize]
}

// add appends an attempt and returns its number plus 1.
func (a *attempts) add(conversation uint32, since int64) uint32 {
	number := a.free
	if number == 0 {
		if int(a.used>>chunkBits) == len(a.chunks) {
			a.chunks = append(a.chunks, allocate[[chunkSize]attempt](a.arena, len(a.chunks) > 0))
		}
		a.used++
		number = a.used
	} else {
		a.free = a.at(number).after
	}
	*a.at(number) = attempt{began: [2]uint32{uint32(uint64(since) >> 32), uint32(since)}, conversation: conversation, before: a.newest}
	if a.newest != 0 {
		a.at(a.newest).after = number
	} else {
		a.oldest = number
	}
	a.newest = number
	a.length++
	return number
}

func (a *attempts) remove(number uint32) {
	it := a.at(number)
	if it.before != 0 {
		a.at(it.before).after = it.after
	} else {
		a.oldest = it.after
	}
	if it.after != 0 {
		a.at(it.after).before = it.before
	} else {
		a.newest = it.before
	}
	*it = attempt{after: a.free}
	a.free = number
	a.length--
}

// close gives the memory back.
func (a *attempts) close() {
	for _, chunk := range a.chunks {
		free(a.arena, chunk)
	}
	*a = attempts{arena: a.arena}
}
