package meter

import (
	"math"
	"time"

	"github.com/weirflow/weir/probe/checkpoint"
	"github.com/weirflow/weir/probe/table"
)

// startPass begins a pass whose picture goes to done. One that is under way is completed first.
func (l *loop) startPass(kind table.PassKind, done func(*table.Picture)) {
	l.completePass()
	l.pass, l.passDone = l.table.Begin(kind), done
}

// step goes on with the pass after a batch of n frames.
func (l *loop) step(n int) {
	if l.pass == nil {
		return
	}
	limit := stepPerFrame * n
	if n == 0 {
		limit = idleStep
	}
	if l.pass.Step(limit) {
		l.endPass()
	}
}

func (l *loop) completePass() {
	if l.pass != nil {
		l.pass.Step(math.MaxInt)
		l.endPass()
	}
}

func (l *loop) endPass() {
	done, picture := l.passDone, l.pass.Picture()
	l.pass, l.passDone = nil, nil
	done(picture)
}

// begin begins the pass that somebody waits for, if none is under way: a live view before a checkpoint.
func (l *loop) begin(wall int64, mono time.Duration) {
	if l.pass != nil {
		return
	}
	if requests := l.takeRequests(); len(requests) > 0 {
		l.readStats(mono, 0)
		interval := l.current(mono)
		l.startPass(table.Copy, func(picture *table.Picture) { answer(requests, interval, picture) })
	} else if l.keeper != nil && l.untilCheckpoint(mono) <= 0 {
		l.checkpoint(wall, mono)
	}
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

// checkpoint takes what changed to the keeper; everything, if the last checkpoint failed.
func (l *loop) checkpoint(wall int64, mono time.Duration) {
	l.checkpointAt = mono
	l.readStats(mono, 0)
	all := l.keeper.wantsAll()
	booked := l.table.Booked()
	unchanged := l.total == l.checkpointTotal && booked == l.checkpointed
	empty := l.total == l.begun && booked == l.begunBooked
	if unchanged && !all && (empty || mono-l.savedAt < idleCheckpoint) {
		return
	}
	l.checkpointTotal, l.checkpointed, l.savedAt = l.total, booked, mono
	interval := l.current(mono)
	head := checkpoint.Head{Interface: l.cfg.Interface, Boot: interval.Boot, Sequence: interval.Sequence, End: interval.End}
	state := checkpoint.State{At: wall, Duration: interval.Duration, Accounting: interval.Accounting}
	kind := table.Changes
	if all {
		kind = table.Copy
	}
	l.startPass(kind, func(picture *table.Picture) { l.keeper.save(head, state, picture) })
}

// setAlarm sees to it that a Read that blocks is woken when something is due.
func (l *loop) setAlarm(wall int64, mono time.Duration) {
	wait := min(lookAround, l.clock.until(wall, mono))
	if l.keeper != nil {
		wait = min(wait, l.untilCheckpoint(mono))
	}
	if l.pass != nil || l.remembering {
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
