package table

import (
	"math"
	"time"
)

// PassKind says what a pass takes and what it changes.
type PassKind uint8

// The kinds. The zero value is invalid on purpose.
const (
	_       PassKind = iota
	Drain            // everything counted; counting starts anew: the interval ends
	Copy             // everything counted; nothing changes
	Changes          // what changed since the last Changes or Drain pass, with its sums since the interval began
)

// Every kind takes the open attempts along: Changes those that were opened since the last Changes pass or before the
// interval began, and of those that were closed the conversation without one.

// Pass takes a picture of the table as it was at Begin, in steps, while packets go on being added: whatever a
// packet is about to change is taken first. One pass is under way at a time.
type Pass struct {
	table   *Table
	kind    PassKind
	cursor  uint32 // next entry to visit
	end     uint32 // entries there were at Begin
	picture *Picture
}

// Begin starts a pass. One that is under way is completed first, all at once; but for the end of an interval a Copy or
// Changes pass is given up, and its picture must be left alone.
func (t *Table) Begin(kind PassKind) *Pass {
	if t.taking != nil && (kind != Drain || t.taking.kind == Drain) {
		t.taking.Step(math.MaxInt)
	}
	t.pass++
	p := &Pass{table: t, kind: kind, end: t.slab.used, picture: new(Picture)}
	t.taking = p
	t.folded.visit(kind, p.picture)
	p.Step(0) // an empty table is complete already
	return p
}

// forgetCost is how many visits forgetting a conversation is worth: it goes through the index.
const forgetCost = 4

// Step visits up to limit conversations and says whether the picture is complete.
func (p *Pass) Step(limit int) (done bool) {
	t := p.table
	if t.taking != p {
		return true
	}
	for ; limit > 0 && p.cursor < p.end; limit-- {
		id := p.cursor
		p.cursor++
		e := t.slab.at(id)
		if e.free() || e.pass == t.pass {
			continue
		}
		if p.kind == Drain && e.resting() && t.outlived(e) {
			t.forget(id, e)
			limit -= forgetCost
			continue
		}
		p.visit(id, e)
	}
	if p.cursor == p.end {
		t.taking = nil
	}
	return p.Done()
}

// outlived says that a conversation at rest need not be remembered: its next packet would give the same
// orientation anyway, or it is too long ago.
func (t *Table) outlived(e *entry) bool {
	silent := time.Duration(t.latest - e.lastSeen)
	return silent > t.cfg.IdleLifetime || silent > silence && t.services.derivable(e)
}

// visit takes one entry that the pass has not seen.
func (p *Pass) visit(id uint32, e *entry) {
	e.pass = p.table.pass
	switch p.kind {
	case Changes:
		if !e.changed {
			return
		}
	default:
		if !e.counted() && e.attempt == 0 {
			return
		}
	}
	key, counters, open := e.key.flowKey(e.reversed), e.counters(), (*entry)(nil)
	if e.attempt != 0 {
		open = e
	}
	p.picture.add(p.table, id, &key, &counters, open)
	switch p.kind {
	case Drain:
		e.reset()
	case Changes:
		e.changed = false
	}
}

// Done says that the picture is complete.
func (p *Pass) Done() bool { return p.cursor == p.end }

// Picture returns what was taken; it is the caller's to keep, in any goroutine. Before Done it is incomplete and
// must be left alone.
func (p *Pass) Picture() *Picture { return p.picture }
