package meter

import (
	"math"
	"time"

	"github.com/weirflow/weir/probe/checkpoint"
	"github.com/weirflow/weir/probe/table"
)

// round is what is under way over the tables of all lanes: a pass over each, begun at the same moment.
type round struct {
	kind     table.PassKind // of the passes, 0 where there are none
	left     int            // passes that are not complete
	begun    time.Duration  // of the monotonic clock, when they first went on; 0 before
	done     func()         // when all are; may be nil
	requests []chan view    // that a Copy is for
}

// startPass begins a pass over a lane's table. Its picture goes to done; where part is not nil, what is full of it goes
// there before, and done gets the rest.
func (l *loop) startPass(n *lane, kind table.PassKind, part, done func(*table.Picture)) {
	n.pass, n.passPart, n.passDone = n.table.Begin(kind), part, done
	l.round.kind = kind
	l.round.left++
}

// endRound says what comes when all passes of the round, which have begun by now, are complete.
func (l *loop) endRound(done func()) {
	l.round.done = done
	if l.round.left == 0 && done != nil {
		done()
	}
}

// step goes on with the passes after a batch of n frames.
func (l *loop) step(n int, mono time.Duration) {
	streaming := l.round.kind != table.Drain && l.round.requests == nil // to the keeper, whose disk may be slow
	if l.round.left == 0 || streaming && l.keeper.behind() {
		return
	}
	if l.round.begun == 0 {
		l.round.begun = mono
	}
	l.stepRound(l.visits(n, mono-l.round.begun))
}

// visits is how many conversations something of this age may visit after a batch of n frames: few where frames wait that may
// soon be dropped, but not for long. The end of an interval, checkpoints and live views wait for it.
func (l *loop) visits(n int, age time.Duration) int {
	switch {
	case n == 0:
		return idleStep
	case l.backlog != nil && age < min(maxSlow, l.cfg.Interval/8) && l.backlog.Behind():
		return n/framesPerStep + 1
	}
	return min(stepPerFrame*n, idleStep)
}

// stepRound goes on with the pass of the first lane that is not complete.
func (l *loop) stepRound(limit int) {
	for _, n := range l.lanes.all {
		if n.pass == nil {
			continue
		}
		complete := n.pass.Step(limit)
		if n.passPart != nil {
			if full := n.pass.Picture().Full(); full != nil {
				n.passPart(full)
			}
		}
		if complete {
			l.endPass(n)
		}
		return
	}
}

func (l *loop) completeRound() {
	for l.round.left > 0 {
		l.stepRound(math.MaxInt)
	}
}

func (l *loop) endPass(n *lane) {
	done, picture := n.passDone, n.pass.Picture()
	n.pass, n.passPart, n.passDone = nil, nil, nil
	done(picture)
	if l.round.left--; l.round.left > 0 {
		return
	}
	kind, end := l.round.kind, l.round.done
	l.round = round{}
	if end != nil {
		end()
	}
	if kind == table.Drain {
		l.lanes.forget()
	}
}

// giveUpRound ends a round that shows the interval so far: the interval ends. Who waits for a live view gets one of the
// next interval; a checkpoint that is not complete does not count.
func (l *loop) giveUpRound() {
	if l.round.left == 0 {
		return
	}
	l.putBack(l.round.requests)
	for _, n := range l.lanes.all {
		if n.pass != nil && n.passPart != nil {
			l.keeper.giveUp(l.head(n))
		}
		n.pass, n.passPart, n.passDone = nil, nil, nil
	}
	l.round = round{}
}

// begin begins the round that somebody waits for, if none is under way: a live view before a checkpoint.
func (l *loop) begin(wall int64, mono time.Duration) {
	if l.round.left > 0 {
		return
	}
	if requests := l.takeRequests(); len(requests) > 0 {
		l.show(requests, mono)
	} else if l.keeper != nil && l.untilCheckpoint(mono) <= 0 {
		l.checkpoint(wall, mono)
	}
}

// show makes a live view for those who asked.
func (l *loop) show(requests []chan view, mono time.Duration) {
	l.readStats(mono, 0)
	shown := view{}
	for _, n := range l.lanes.all {
		interval := l.current(n, mono)
		l.startPass(n, table.Copy, nil, func(picture *table.Picture) {
			shown[n.name] = blockOf(n.name, interval, picture)
		})
	}
	l.round.requests = requests
	l.endRound(func() { answer(requests, shown) })
}

// untilCheckpoint is how long it is to the next checkpoint.
func (l *loop) untilCheckpoint(mono time.Duration) time.Duration {
	period, busy := l.keeper.next()
	wait := l.checkpointAt + period - mono
	if busy {
		return max(wait, keeperPause)
	}
	return wait
}

// checkpoint takes what changed to the keeper; everything of a lane whose last checkpoint failed.
func (l *loop) checkpoint(wall int64, mono time.Duration) {
	l.checkpointAt = mono
	l.readStats(mono, 0)
	for _, n := range l.lanes.all {
		kind := table.Changes
		if l.keeper.wantsAll(n.name) {
			kind = table.Copy
		}
		booked := n.table.Booked()
		unchanged := n.total == n.checkpointTotal && booked == n.checkpointed
		empty := n.total == n.begun && booked == n.begunBooked
		if unchanged && kind == table.Changes && (empty || mono-n.savedAt < idleCheckpoint) {
			continue
		}
		n.checkpointTotal, n.checkpointed, n.savedAt = n.total, booked, mono
		interval := l.current(n, mono)
		head := l.head(n)
		state := checkpoint.State{At: wall, Clock: l.steady(mono), Duration: interval.Duration, Accounting: interval.Accounting}
		l.keeper.expect(n.name)
		l.startPass(n, kind, func(full *table.Picture) { l.keeper.add(head, full) }, func(rest *table.Picture) {
			l.keeper.add(head, rest)
			l.keeper.commit(head, state)
		})
	}
}

// setAlarm sees to it that a Read that blocks is woken when something is due.
func (l *loop) setAlarm(wall int64, mono time.Duration) {
	wait := min(lookAround, l.clock.until(wall, mono))
	if l.keeper != nil {
		wait = min(wait, l.untilCheckpoint(mono))
	}
	if l.round.left > 0 || len(l.remembering) > 0 {
		wait = min(wait, stepPause)
	}
	if expiry, open := l.untilExpiry(mono); open {
		wait = min(wait, expiry)
	}
	wait = max(wait, time.Microsecond)
	if at := mono + wait; at < l.alarmAt || l.alarmAt <= mono {
		l.alarmAt = at
		l.alarm.Reset(wait)
	}
}
