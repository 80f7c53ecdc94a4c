package capture

import (
	"io"
	"sync/atomic"
)

// Replay is a Source that hands out frames from memory, for tests and benchmarks. It allocates nothing in Read.
type Replay struct {
	frames   []Frame
	passes   int // still to come, the current one included; negative: without end
	next     int
	woken    atomic.Bool
	received atomic.Uint64
	closed   bool
}

// NewReplay hands out the frames, in order, loops times over; a negative number stands for without end. The
// frames are not copied and must not be changed meanwhile.
func NewReplay(frames []Frame, loops int) *Replay {
	if len(frames) == 0 {
		loops = 0
	}
	return &Replay{frames: frames, passes: loops}
}

// Read hands out as many frames as fit, at most up to the end of a pass.
func (r *Replay) Read(frames []Frame) (int, error) {
	if r.closed {
		return 0, ErrClosed
	}
	if r.woken.Load() && r.woken.Swap(false) {
		return 0, nil
	}
	if r.passes == 0 {
		return 0, io.EOF
	}
	n := copy(frames, r.frames[r.next:])
	r.next += n
	if r.next == len(r.frames) {
		r.next = 0
		if r.passes > 0 {
			r.passes--
		}
	}
	r.received.Add(uint64(n))
	return n, nil
}

// Wake makes the next Read return without frames.
func (r *Replay) Wake() { r.woken.Store(true) }

// Stats counts the frames handed out.
func (r *Replay) Stats() (Stats, error) { return Stats{Received: r.received.Load()}, nil }

// Close ends the replay.
func (r *Replay) Close() error {
	r.closed = true
	return nil
}
