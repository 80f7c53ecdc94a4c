package capture

import "time"

// pace is how fast a reader gets blocks of a ring. Whoever wakes for each block of a busy one spends as much on waking, and on
// memory and code that went cold meanwhile, as on its frames. So the reader of a busy ring lets some blocks gather.
type pace struct {
	since  time.Time // of the last pause or wait
	blocks int       // that were handed over since then
}

const (
	// gathered is the part of a ring that is let fill; the rest is for when the reader comes late.
	gathered = 4
	// maxPause bounds how much later than by the ring's latency frames are read.
	maxPause = 40 * time.Millisecond
	// burst is how many bytes a second are to fill half a ring at most while its reader pauses, whatever came before: traffic
	// sets in at once. The other half is for a reader that comes late. It is 1.6 million of the smallest frames.
	burst = 256 << 20
	// busyBlock is the time for a block below which blocks come because they are full, not because of their age.
	busyBlock = 25 * time.Millisecond
	// aloneBelow is how long a ring lasts that is not left to the runtime's poller, which may be late (see waiter).
	aloneBelow = 100 * time.Millisecond
)

// pause says how long to let blocks gather in a ring of so many blocks of a size in bytes, 0 where they are few, and how long
// the ring lasts at their pace.
func (p *pace) pause(now time.Time, ring, blockSize int) (pause, lasts time.Duration) {
	passed, blocks := now.Sub(p.since), p.blocks
	p.since, p.blocks = now, 0
	if blocks == 0 || passed > time.Duration(blocks)*busyBlock {
		return 0, 0
	}
	lasts = passed / time.Duration(blocks) * time.Duration(ring)
	most := time.Duration(float64(ring) * float64(blockSize) / 2 / burst * float64(time.Second))
	return min(lasts/gathered, most, maxPause), lasts
}
