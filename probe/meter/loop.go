package meter

import (
	"context"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/packet"
	"github.com/weirflow/weir/probe/table"
)

const (
	batch = 512 // frames of one Read at most

	// A pass over the table goes on after every batch, stepPerFrame conversations for every frame of it, so that
	// reading keeps the upper hand; every stepPause where nothing arrives, idleStep at a time (under 1 ms).
	stepPerFrame = 4
	idleStep     = 4096
	stepPause    = time.Millisecond

	expireLate  = drainTime              // attempts expire when what was there to answer them in time has been read
	expirePause = 100 * time.Millisecond // between looks whether attempts expire, where nothing arrives
	maxSkew     = time.Minute            // how far the time of a frame may be off the clock to be believed

	// idleCheckpoint is the time between checkpoints where nothing has changed but the time that is covered.
	idleCheckpoint = time.Minute

	lookAround  = 10 * time.Second        // at least so often the loop looks at the clocks
	statsPause  = time.Second             // between looks at the kernel's drop counter
	keeperPause = 100 * time.Millisecond  // between looks whether the last checkpoint is written
	drainTime   = capture.Latency * 3 / 2 // after it the kernel has handed over what arrived before
)

// loop is the state of the goroutine that owns source and table.
type loop struct {
	*Meter
	clock    clock
	table    *table.Table
	frames   []capture.Frame
	packet   packet.Packet
	sequence uint64

	total    flow.Accounting // since the start
	begun    flow.Accounting // total when the interval began
	statsAt  time.Duration   // when the drop counter was read last
	statsErr bool

	start    time.Time // of the monotonic clock
	wall0    int64     // wall clock then: base of a clock that never steps, for the table
	alarm    *time.Timer
	alarmAt  time.Duration
	pass     *table.Pass // under way, or nil
	passDone func(*table.Picture)
	expiring bool // attempts wait to expire

	remembering bool          // directions are to be written down
	memory      *table.Memory // what of them is, nil before it begins
	rememberAt  time.Duration // not before

	checkpointAt    time.Duration   // last checkpoint, be it needless, or start of the interval
	savedAt         time.Duration   // last checkpoint that was written
	checkpointTotal flow.Accounting // total at the last checkpoint
	checkpointed    uint64          // outcomes of attempts booked by then
	begunBooked     uint64          // and by the beginning of the interval
}

func newLoop(m *Meter) *loop {
	return &loop{Meter: m, clock: clock{interval: m.cfg.Interval}, table: table.New(m.cfg.Table),
		frames: make([]capture.Frame, batch), sequence: 1}
}

// now reads both clocks.
func (l *loop) now() (wall int64, mono time.Duration) {
	return max(l.deps.Now().UnixNano(), 0), time.Since(l.start)
}

// run reads until ctx is cancelled or the source ends, and hands the last interval over.
func (l *loop) run(ctx context.Context) error {
	l.start, l.wall0 = time.Now(), l.deps.Now().UnixNano()
	l.recall(l.wall0)
	l.clock.begin(l.now())
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
		l.rotate(wall, mono)
	}
	if err == nil {
		l.drainRing(wall, mono)
	}
	l.finish(wall, mono)
	return err
}

// handle counts the frames of a batch, 0 after a wake-up, and does what is due. An interval that is over ends first:
// what was read after its border belongs to the next one.
func (l *loop) handle(n int) {
	wall, mono := l.now()
	if l.clock.due(wall, mono) {
		l.rotate(wall, mono)
	}
	l.meterAll(l.frames[:n], wall, mono)
	l.expire(n, mono)
	l.readStats(mono, statsPause)
	l.begin(wall, mono)
	l.step(n)
	l.remember(n, wall, mono)
	l.publish()
	l.setAlarm(wall, mono)
}

// meterAll counts the frames of a live source, read at the given time.
func (l *loop) meterAll(frames []capture.Frame, wall int64, mono time.Duration) {
	steady := l.wall0 + int64(mono)
	for i := range frames {
		f := &frames[i]
		age := time.Duration(wall - f.Time)
		timed := f.Time != 0 && age.Abs() < maxSkew
		l.table.MeasureRoundTrips(timed)
		if timed {
			l.meter(f, steady-int64(age)) // on the clock that is not set
		} else {
			l.meter(f, steady)
		}
	}
}

// expire ends attempts to connect that nothing answers, after a batch of n frames.
func (l *loop) expire(n int, mono time.Duration) {
	limit := stepPerFrame * n
	if n == 0 {
		limit = idleStep
	}
	l.expiring = l.table.Expire(l.expiryTime(mono), limit)
}

// expiryTime is the time on the table's clock up to which everything has been read.
func (l *loop) expiryTime(mono time.Duration) int64 { return l.wall0 + int64(mono-expireLate) }

// untilExpiry is how long it is until the next attempt expires, false if none is open.
func (l *loop) untilExpiry(mono time.Duration) (time.Duration, bool) {
	if l.expiring {
		return stepPause, true
	}
	at, open := l.table.NextExpiry()
	return max(time.Duration(at-l.expiryTime(mono)), expirePause), open
}

// meter counts one frame.
func (l *loop) meter(f *capture.Frame, now int64) {
	l.total.Received++
	if issue := packet.Decode(f.Link, f.Data, f.Length, &l.packet); issue != flow.IssueNone {
		l.total.Issues[issue]++
		return
	}
	l.total.Metered++
	l.table.Add(&l.packet, f.Length, f.Sent, now)
}

// readStats reads the drop counter unless that was done not long ago.
func (l *loop) readStats(mono, pause time.Duration) {
	if mono-l.statsAt < pause {
		return
	}
	l.statsAt = mono
	stats, err := l.deps.Source.Stats()
	if err == nil {
		l.total.Dropped = max(l.total.Dropped, stats.Dropped)
	} else if !l.statsErr {
		l.log.Warn("cannot read the drop counter", "error", err)
	}
	l.statsErr = err != nil
}

// current describes the interval so far.
func (l *loop) current(mono time.Duration) flow.Interval {
	return flow.Interval{End: l.clock.stamp, Duration: l.clock.elapsed(mono), Boot: l.deps.Boot,
		Sequence: l.sequence, Accounting: l.total.Since(l.begun)}
}

// rotate ends the interval: from here on packets count for the next one, while a pass collects the rows.
func (l *loop) rotate(wall int64, mono time.Duration) {
	l.readStats(mono, 0)
	interval := l.current(mono)
	interval.End, interval.Duration = l.clock.close(wall, mono)
	l.handOver(interval)
	l.rememberSoon(mono)
	l.checkpointAt, l.checkpointTotal, l.checkpointed = mono, l.total, l.table.Booked()
}

// handOver starts the pass that brings an interval to the writer.
func (l *loop) handOver(interval flow.Interval) {
	l.sequence++
	l.begun, l.begunBooked = l.total, l.table.Booked()
	l.startPass(table.Drain, func(picture *table.Picture) {
		if l.keeper != nil {
			l.keeper.seal(interval)
		}
		l.writer.push(interval, picture)
	})
}

// finish hands over the last interval, cut short.
func (l *loop) finish(wall int64, mono time.Duration) {
	l.readStats(mono, 0)
	interval := l.current(mono)
	interval.End, interval.Duration = l.clock.cut(wall, mono)
	l.handOver(interval)
	l.completePass()
	l.rememberAll(wall, mono)
	l.publish()
}

// drainRing meters what arrived before the loop was told to stop: a live source hands it over up to capture.Latency
// later. The clocks stand still meanwhile, and the time is bounded whatever goes on arriving.
func (l *loop) drainRing(wall int64, mono time.Duration) {
	if l.cfg.Trace {
		return // what was not read stays in the file
	}
	begin := time.Now()
	late := time.AfterFunc(drainTime, l.deps.Source.Wake)
	defer late.Stop()
	for time.Since(begin) < drainTime {
		n, err := l.deps.Source.Read(l.frames)
		if err != nil {
			return
		}
		l.meterAll(l.frames[:n], wall, mono)
	}
}

// publish shows the loop's counters to Status.
func (l *loop) publish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown.started.IsZero() {
		l.shown.started = l.deps.Now()
	}
	l.shown.total, l.shown.current = l.total, l.total.Since(l.begun)
	l.shown.flows, l.shown.folded = l.table.Flows(), l.table.Folded()
}
