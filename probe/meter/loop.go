package meter

import (
	"context"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/checkpoint"
	"github.com/weirflow/weir/probe/packet"
	"github.com/weirflow/weir/probe/table"
)

const (
	batch = 512 // frames of one Read at most

	// A pass over the table goes on after every batch, stepPerFrame conversations for every frame of it, so that
	// reading keeps the upper hand; every stepPause where nothing arrives, idleStep at a time (under 1 ms). Where the reader
	// is behind, a conversation is visited for framesPerStep frames, for maxSlow or the eighth part of an interval.
	stepPerFrame  = 4
	framesPerStep = 8
	maxSlow       = 2 * time.Second
	idleStep      = 1024
	stepPause     = time.Millisecond

	expireLate  = drainTime              // attempts expire when what was there to answer them in time has been read
	expirePause = 100 * time.Millisecond // between looks whether attempts expire, where nothing arrives
	maxSkew     = time.Minute            // how far the time of a frame may be off the clock to be believed

	// idleCheckpoint is the time between checkpoints where nothing has changed but the time that is covered.
	idleCheckpoint = time.Minute

	lookAround  = 10 * time.Second        // at least so often the loop looks at the clocks
	statsPause  = time.Second             // between looks at the kernel's drop counter
	keeperPause = 100 * time.Millisecond  // between looks whether the last checkpoint is written
	drainTime   = capture.Latency * 3 / 2 // after it the kernel has handed over what arrived before
	drainMost   = 10 * time.Second        // and so long that is read at most, by a loop that was kept from running
)

// loop is the state of the goroutine that owns source and tables.
type loop struct {
	*Meter
	clock     clock
	lanes     *lanes
	frames    []capture.Frame
	batch     table.Batch      // packets on their way into the tables; empty but while frames are metered
	carried   [2]packet.Packet // by tunnels, in turn
	fragments packet.Fragments
	// Fragments of what tunnels carry are joined apart: addresses in a tunnel may be those outside of it.
	innerFragments packet.Fragments
	sequence       uint64
	giving         handed   // scratch
	taken          []handed // scratch

	statsAt  time.Duration // when the kernel's counters were read last
	statsErr bool
	ring     capture.Stats
	backlog  capture.Backlog // of the source, nil where it has none

	start   time.Time // of the monotonic clock
	wall0   int64     // wall clock then: base of a clock that never steps, for the tables
	alarm   *time.Timer
	alarmAt time.Duration

	round    round // passes under way
	expiring bool  // attempts wait to expire
	untimed  bool  // frames have no times of their own

	remembering []*lane       // whose directions are to be written down
	memory      *table.Memory // what of the first's is, nil before it begins
	rememberAt  time.Duration // not before
	memoryAt    time.Duration // of the monotonic clock, when memory began

	checkpointAt time.Duration // last checkpoint, be it needless, or start of the interval
}

func newLoop(m *Meter) *loop {
	backlog, _ := m.deps.Source.(capture.Backlog)
	return &loop{Meter: m, clock: clock{interval: m.cfg.Interval}, lanes: newLanes(&m.cfg),
		frames: make([]capture.Frame, batch), backlog: backlog, sequence: 1}
}

// now reads both clocks.
func (l *loop) now() (wall int64, mono time.Duration) {
	return max(l.deps.Now().UnixNano(), 0), time.Since(l.start)
}

// run reads until ctx is cancelled or the source ends, and hands the last interval over.
func (l *loop) run(ctx context.Context) error {
	defer l.lanes.close()
	l.start, l.wall0 = time.Now(), l.deps.Now().UnixNano()
	if g := l.deps.Group; g != nil {
		l.start, l.wall0 = g.start, g.wall
		g.desks[l.cfg.Worker].open(l.deps.Source.Wake)
	}
	l.clock.begin(l.now())
	l.recall(l.wall0)
	l.alarm = time.AfterFunc(0, l.deps.Source.Wake)
	defer l.alarm.Stop()
	l.publish()
	var err error
	for ctx.Err() == nil && err == nil {
		var n int
		if n, err = l.deps.Source.Read(l.frames); err == nil {
			l.handle(n)
		}
	}
	wall, mono := l.now()
	if l.clock.due(wall, mono) {
		l.completeRound()
		l.rotate(wall, mono)
	}
	if err == nil {
		l.drainRing(wall, mono)
	}
	if l.deps.Group != nil {
		l.deps.Group.leave(l.cfg.Worker, 2*drainTime)
		l.takeHanded()
	}
	l.finish(wall, mono)
	return err
}

// handle counts the frames of a batch, 0 after a wake-up, and does what is due. An interval that is over ends first:
// what was read after its border belongs to the next one. It ends late where the rows of the one before are not yet
// collected: an interval of a second, and a million conversations.
func (l *loop) handle(n int) {
	wall, mono := l.now()
	if l.clock.due(wall, mono) && l.round.kind != table.Drain {
		l.rotate(wall, mono)
	}
	l.takeHanded()
	l.meterAll(l.frames[:n], wall, mono)
	l.expire(n, mono)
	l.readStats(mono, statsPause)
	l.begin(wall, mono)
	l.step(n, mono)
	l.remember(n, wall, mono)
	l.publish()
	l.setAlarm(wall, mono)
}

// meterAll counts the frames of a live source, read at the given time.
func (l *loop) meterAll(frames []capture.Frame, wall int64, mono time.Duration) {
	steady := l.steady(mono)
	for i := range frames {
		f := &frames[i]
		age := time.Duration(wall - f.Time)
		timed := f.Time != 0 && age.Abs() < maxSkew
		l.timed(timed)
		if timed {
			l.meter(f, steady-int64(age)) // on the clock that is not set
		} else {
			l.meter(f, steady)
		}
	}
	l.batch.Flush()
}

// steady is the tables' clock, which is never set.
func (l *loop) steady(mono time.Duration) int64 { return l.wall0 + int64(mono) }

// timed says whether frames from here on have times of their own.
func (l *loop) timed(yes bool) {
	if yes == !l.untimed {
		return
	}
	l.batch.Flush()
	l.untimed = !yes
	for _, n := range l.lanes.all {
		n.table.MeasureRoundTrips(yes)
	}
}

// expire ends attempts to connect that nothing answers, after a batch of n frames.
func (l *loop) expire(n int, mono time.Duration) {
	limit := stepPerFrame * n
	if n == 0 {
		limit = idleStep
	}
	l.expiring = false
	for _, n := range l.lanes.all {
		if n.table.Expire(l.expiryTime(mono), limit) {
			l.expiring = true
		}
	}
}

// expiryTime is the time on the tables' clock up to which everything has been read.
func (l *loop) expiryTime(mono time.Duration) int64 { return l.steady(mono - expireLate) }

// untilExpiry is how long it is until the next attempt expires, false if none is open.
func (l *loop) untilExpiry(mono time.Duration) (wait time.Duration, open bool) {
	if l.expiring {
		return stepPause, true
	}
	wait = lookAround
	for _, n := range l.lanes.all {
		if at, ok := n.table.NextExpiry(); ok {
			wait, open = min(wait, max(time.Duration(at-l.expiryTime(mono)), expirePause)), true
		}
	}
	return wait, open
}

// readStats reads the kernel's counters unless that was done not long ago.
func (l *loop) readStats(mono, pause time.Duration) {
	if mono-l.statsAt < pause {
		return
	}
	l.statsAt = mono
	stats, err := l.deps.Source.Stats()
	if err == nil {
		total := &l.lanes.main.total
		total.Dropped = max(total.Dropped, stats.Dropped)
		l.ring = stats
	} else if !l.statsErr {
		l.log.Warn("cannot read the drop counter", "error", err)
	}
	l.statsErr = err != nil
}

// current describes the interval of a lane so far.
func (l *loop) current(n *lane, mono time.Duration) flow.Interval {
	return flow.Interval{End: l.clock.stamp, Duration: l.clock.elapsed(mono), Boot: l.deps.Boot,
		Sequence: l.sequence, Accounting: n.total.Since(n.begun)}
}

// rotate ends the interval: from here on packets count for the next one, while passes collect the rows.
func (l *loop) rotate(wall int64, mono time.Duration) {
	l.readStats(mono, 0)
	elapsed := l.clock.elapsed(mono)
	end, covered := l.clock.close(wall, mono)
	l.handOver(wall, mono, end, covered)
	l.checkpointAt = mono
	if elapsed > 0 {
		l.rememberSoon(mono)
	}
}

// handOver starts the passes that bring an interval to the writer.
func (l *loop) handOver(wall int64, mono time.Duration, end int64, covered time.Duration) {
	l.giveUpRound()
	ended := l.sequence
	l.sequence++
	next := checkpoint.State{At: wall, Clock: l.steady(mono)}
	for _, n := range l.lanes.all {
		interval := flow.Interval{End: end, Duration: covered, Boot: l.deps.Boot, Sequence: ended, Accounting: n.total.Since(n.begun)}
		if n.rested++; interval.Accounting != (flow.Accounting{}) || n.table.Booked() != n.begunBooked {
			n.rested = 0
		}
		n.begun, n.begunBooked = n.total, n.table.Booked()
		n.checkpointTotal, n.checkpointed = n.total, n.begunBooked
		head := l.head(n)
		l.startPass(n, table.Drain, nil, func(picture *table.Picture) {
			if l.keeper != nil {
				l.keeper.seal(n.name, interval)
				l.keeper.carry(head, next, picture)
			}
			l.writer.push(n.name, interval, picture)
		})
	}
	l.endRound(nil)
}

// head is that of the checkpoints of a lane's current interval.
func (l *loop) head(n *lane) checkpoint.Head {
	return checkpoint.Head{Interface: n.name, Boot: l.deps.Boot, Sequence: l.sequence, End: l.clock.stamp}
}

// finish hands over the last interval, cut short.
func (l *loop) finish(wall int64, mono time.Duration) {
	l.completeRound()
	l.readStats(mono, 0)
	end, covered := l.clock.cut(wall, mono)
	l.handOver(wall, mono, end, covered)
	l.completeRound()
	l.rememberAll(wall, mono)
	l.publish()
}

// drainRing meters what arrived before the loop was told to stop: a live source hands it over up to capture.Latency
// later, and the loop may be kept from running for longer than that. The clocks stand still meanwhile, and the time is bounded
// whatever goes on arriving.
func (l *loop) drainRing(wall int64, mono time.Duration) {
	if l.cfg.Trace {
		return // what was not read stays in the file
	}
	begin := time.Now()
	late := time.AfterFunc(drainTime, l.deps.Source.Wake)
	defer late.Stop()
	for passed := time.Duration(0); passed < drainMost; passed = time.Since(begin) {
		over := passed >= drainTime
		if over {
			l.deps.Source.Wake() // what is there comes first
		}
		n, err := l.deps.Source.Read(l.frames)
		if err != nil {
			return
		}
		l.meterAll(l.frames[:n], wall, mono)
		if over && (n == 0 || !before(&l.frames[0], wall)) {
			return
		}
	}
}

// before says that a frame says by itself that it arrived before a time.
func before(f *capture.Frame, wall int64) bool {
	age := time.Duration(wall - f.Time)
	return f.Time != 0 && age >= 0 && age < maxSkew
}

// publish shows the loop's counters to Status.
func (l *loop) publish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown.started.IsZero() {
		l.shown.started = l.deps.Now()
	}
	l.shown.ring = l.ring
	if l.deps.Group != nil {
		l.shown.stayed = l.deps.Group.desks[l.cfg.Worker].lost()
	}
	if len(l.shown.lanes) != len(l.lanes.all) {
		l.shown.lanes = make([]shownLane, len(l.lanes.all))
	}
	for i, n := range l.lanes.all {
		l.shown.lanes[i] = shownLane{name: n.name, total: n.total, current: n.total.Since(n.begun),
			flows: n.table.Flows(), bytes: n.table.Bytes(), folded: n.table.Folded()}
	}
}
