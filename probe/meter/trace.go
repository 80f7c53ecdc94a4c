package meter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/table"
)

// traceClock cuts the time of a trace's frames into intervals, which are stamped with their nominal end.
//
// Gaps make no empty intervals. A frame that is late by up to one interval counts in the current one: captures from
// several queues are a little out of order. One that is later ends the current interval and begins a part of its
// own interval, under its own sequence, so that nothing is lost or put years away from its time. A frame without a
// time has that of the frame before.
type traceClock struct {
	length int64 // nanoseconds
	end    int64 // of the current interval, Unix nanoseconds; 0 before the first frame
	from   int64 // what of it is covered
	latest int64 // latest time in it
}

// maxTraceTime keeps times within what nanoseconds can count: the end of the year 2199.
const maxTraceTime = 7_258_118_399 * int64(time.Second)

// crosses says that a frame of this time does not belong to the current interval.
func (c *traceClock) crosses(at int64) bool {
	return c.end != 0 && (at >= c.end || at < c.end-2*c.length)
}

// begin begins the interval of a frame.
func (c *traceClock) begin(at int64) {
	first := c.end == 0
	c.end = (at/c.length + 1) * c.length
	c.from, c.latest = c.end-c.length, at
	if first {
		c.from = at
	}
}

// see notes the time of a frame of the current interval.
func (c *traceClock) see(at int64) {
	c.latest = max(c.latest, at)
	if at < c.from {
		c.from = max(at, c.end-c.length)
	}
}

// clip brings a time into the range that can be stamped.
func clip(at int64) int64 { return min(max(at, 0), maxTraceTime) }

// runTrace meters a trace. Every interval is stored before the next one goes on: a trace can wait.
func (m *Meter) runTrace(ctx context.Context) error {
	stop := context.AfterFunc(ctx, m.deps.Source.Wake)
	defer stop()
	defer close(m.stopped)
	l := newLoop(m)
	defer l.lanes.close()
	l.start = time.Now()
	c := &traceClock{length: int64(m.cfg.Interval)}
	err := l.readTrace(ctx, c)
	if ctx.Err() == nil {
		l.expireAll(math.MaxInt64) // nothing will answer any more
	}
	if errors.Is(err, io.EOF) {
		err = nil
	} else if err != nil {
		err = fmt.Errorf("replay on %s: %w", m.cfg.Interface, err)
	}
	if c.end == 0 {
		return err
	}
	covered := time.Duration(max(c.latest-c.from, int64(time.Second)))
	return errors.Join(err, l.storeTrace(context.WithoutCancel(ctx), c.end, covered))
}

// readTrace reads to the end of the trace, storing the intervals that end on the way.
func (l *loop) readTrace(ctx context.Context, c *traceClock) error {
	var at int64
	for ctx.Err() == nil {
		n, err := l.deps.Source.Read(l.frames)
		if err != nil {
			return err
		}
		for i := range l.frames[:n] {
			f := &l.frames[i]
			if f.Time != 0 {
				at = clip(f.Time)
			}
			if c.crosses(at) {
				l.expireAll(min(c.end, max(at, c.latest)))
				if err := l.storeTrace(ctx, c.end, time.Duration(c.end-c.from)); err != nil {
					c.end = 0 // nothing is left to store
					return err
				}
				c.begin(at)
			} else if c.end == 0 {
				c.begin(at)
			}
			c.see(at)
			l.expireAll(at)
			l.timed(f.Time != 0)
			l.meter(f, at)
			l.batch.Flush() // the next frame may end attempts that were open by then
		}
		l.answerTrace(c)
		l.publish()
	}
	return context.Cause(ctx)
}

// expireAll ends every attempt that nothing has answered in time.
func (l *loop) expireAll(at int64) {
	for _, n := range l.lanes.all {
		n.table.Expire(at, math.MaxInt)
	}
}

// traceInterval describes the current interval of the trace.
func (l *loop) traceInterval(n *lane, end int64, covered time.Duration) flow.Interval {
	return flow.Interval{End: end / int64(time.Second), Duration: covered, Boot: l.deps.Boot,
		Sequence: l.sequence, Accounting: n.total.Since(n.begun)}
}

// storeTrace ends the interval and stores it.
func (l *loop) storeTrace(ctx context.Context, end int64, covered time.Duration) error {
	for _, n := range l.lanes.all {
		b := Block{Interface: n.name, Interval: l.traceInterval(n, end, covered)}
		n.begun = n.total
		if err := l.deps.Sink.Append(ctx, n.name, b.Interval, n.table.Rotate(nil)); err != nil {
			return fmt.Errorf("store an interval of %s: %w", n.name, err)
		}
		l.writer.mu.Lock()
		l.writer.wrote(&b)
		l.writer.mu.Unlock()
	}
	l.sequence++
	l.publish()
	return nil
}

// answerTrace answers those who wait for a live view.
func (l *loop) answerTrace(c *traceClock) {
	requests := l.takeRequests()
	if len(requests) == 0 {
		return
	}
	shown := view{}
	for _, n := range l.lanes.all {
		pass := n.table.Begin(table.Copy)
		pass.Step(math.MaxInt)
		shown[n.name] = blockOf(n.name, l.traceInterval(n, c.end, time.Duration(c.latest-c.from)), pass.Picture())
	}
	answer(requests, shown)
}
