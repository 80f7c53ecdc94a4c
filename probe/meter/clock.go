package meter

import "time"

// clock cuts time into intervals for live capture. It is told the wall clock (Unix nanoseconds) and the monotonic
// clock, which neither steps nor runs while the machine sleeps, and decides:
//
//   - An interval ends when the wall clock reaches its border, the next multiple of the interval's length, and is
//     stamped with the border. If the loop comes late, the interval still lasted until its border.
//   - If the clocks have drifted apart by a second or more, even if only for a while, the wall clock was set or the
//     machine slept. The interval then lasted as long as the monotonic clock says, and the next one begins now: steps
//     forwards and sleep leave a gap in the stamps, which is the truth, and no empty intervals.
//   - After a step backwards the border is far; the interval ends once it lasted its length and a tenth. Stamps do
//     not go back: the following intervals get the last stamp again, as parts of that interval, until the wall clock
//     has passed it.
//   - A clock that was set back by more than maxStepBack was wrong before: stamps follow it.
type clock struct {
	interval time.Duration

	border    int64 // wall clock when the interval ends
	stamp     int64 // its stamp, Unix seconds
	startWall int64
	startMono time.Duration
	stepped   bool  // the clocks were seen apart since the start; they may have come together again
	last      int64 // stamp of the interval before, 0 for none
}

const (
	maxStepBack = time.Hour
	maxDrift    = time.Second
)

// begin begins an interval.
func (c *clock) begin(wall int64, mono time.Duration) {
	length := int64(c.interval)
	c.startWall, c.startMono, c.stepped = wall, mono, false
	c.border = (wall/length + 1) * length
	c.stamp = c.notBack(c.border / int64(time.Second))
}

// notBack returns the stamp, or the last one if that is a little later.
func (c *clock) notBack(stamp int64) int64 {
	if c.last > stamp && c.last-stamp <= int64(maxStepBack/time.Second) {
		return c.last
	}
	return stamp
}

// longest is how long an interval may last by the monotonic clock; the margin keeps a clock that is slewed from
// cutting intervals in two.
func (c *clock) longest() time.Duration { return c.interval + max(c.interval/10, 2*maxDrift) }

// due says that the interval is over.
func (c *clock) due(wall int64, mono time.Duration) bool {
	c.stepped = c.stepped || c.drift(wall, mono).Abs() >= maxDrift
	return wall >= c.border || mono-c.startMono >= c.longest()
}

// drift is by how much more the wall clock has moved than the monotonic clock since the interval began.
func (c *clock) drift(wall int64, mono time.Duration) time.Duration {
	return time.Duration(wall-c.startWall) - (mono - c.startMono)
}

// until is how long to wait for the interval's end, if no clock is set meanwhile.
func (c *clock) until(wall int64, mono time.Duration) time.Duration {
	return min(time.Duration(c.border-wall), c.startMono+c.longest()-mono)
}

// elapsed is how much of the interval has been covered.
func (c *clock) elapsed(mono time.Duration) time.Duration { return max(mono-c.startMono, 0) }

// close ends the interval, which is due, and begins the next one; it returns what the ended one gets.
func (c *clock) close(wall int64, mono time.Duration) (stamp int64, covered time.Duration) {
	stamp, covered = c.stamp, c.elapsed(mono)
	c.last = stamp
	if c.stepped || c.drift(wall, mono).Abs() >= maxDrift || wall < c.border {
		c.begin(wall, mono)
		return stamp, covered
	}
	covered = time.Duration(c.border - c.startWall)
	start := max(c.border, wall/int64(c.interval)*int64(c.interval))
	c.begin(start, mono-time.Duration(wall-start))
	return stamp, covered
}

// cut ends the interval before its time: it is stamped with the next full second.
func (c *clock) cut(wall int64, mono time.Duration) (stamp int64, covered time.Duration) {
	stamp = min((wall+int64(time.Second)-1)/int64(time.Second), c.stamp)
	return c.notBack(stamp), c.elapsed(mono)
}
