package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/probe/packet"
)

// ring is a Source over a TPACKET_V3 ring: memory shared with the kernel, cut into blocks of frames
// (Documentation/networking/packet_mmap.rst). The kernel fills the blocks in turn and hands each over by its status
// word; Read walks them in the same turn and gives a block back with the Read after its last frame.
//
// A fault of the interface does not end the capture at once: what the kernel still holds is read first, for twice the
// ring's latency, and then it counts what has become of the interface. A short flap is none: the kernel goes on by
// itself.
type ring struct {
	socket, event int // AF_PACKET socket and the event counter of Wake
	index         int
	name          string
	latency       time.Duration

	memory    []byte // of all blocks, shared with the kernel
	blockSize int
	current   int         // offset of the block that is read, or is to come next
	held      bool        // it belongs to the reader
	block     ringBlock   // its frames
	link      packet.Link // how its frames start, as far as they have been read
	stale     int         // polls in a row that were for nothing

	pace    pace      // how fast blocks come
	waiter  *waiter   // for socket and event, once there was something to wait for
	lookAt  time.Time // when to look at the name again, at the earliest
	faultAt time.Time // when to look what has become of the interface; zero: it is well
	err     error     // what every later Read returns

	mu     sync.Mutex // guards what Wake and Stats share with Close
	closed bool
	total  Stats
}

// maxStale bounds how often in a row the kernel may end a poll for nothing.
const maxStale = 1000

var errOutOfStep = errors.New("the ring is out of step: the kernel has something to say, but not in the next block")

// Read hands over frames of one block.
func (r *ring) Read(frames []Frame) (int, error) {
	if r.err != nil || len(frames) == 0 {
		return 0, r.err
	}
	for r.block.left == 0 {
		r.giveBack()
		if r.block.link != r.link {
			if err := r.relink(); err != nil {
				return 0, r.fail(err)
			}
		}
		if !r.take() {
			if woken, err := r.wait(); woken || err != nil {
				return 0, r.fail(err)
			}
		} else if err := r.block.open(r.memory[r.current:][:r.blockSize]); err != nil {
			return 0, r.fail(err)
		}
	}
	n, err := r.block.read(frames)
	return n, r.fail(err)
}

// fail makes an error final.
func (r *ring) fail(err error) error {
	if err != nil {
		r.err = fmt.Errorf("capture on %s: %w", r.name, err)
	}
	return r.err
}

// status is the word that says who owns the current block. Loading it is an acquire, storing it a release: frames
// are read only behind a load that says so, and given back only behind the last look at them.
func (r *ring) status() *uint32 {
	return (*uint32)(unsafe.Pointer(&r.memory[r.current+blockStatus]))
}

// take takes the current block if the kernel has handed it over.
func (r *ring) take() bool {
	r.held = atomic.LoadUint32(r.status())&unix.TP_STATUS_USER != 0
	if r.held {
		r.stale = 0
		r.pace.blocks++
	}
	return r.held
}

// Behind says that half of the ring waits to be read.
func (r *ring) Behind() bool {
	blocks := len(r.memory) / max(r.blockSize, 1)
	if r.err != nil || blocks == 0 {
		return false
	}
	at := (r.current + blocks/2*r.blockSize) % len(r.memory)
	return atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.memory[at+blockStatus])))&unix.TP_STATUS_USER != 0
}

// giveBack gives the current block, if it is the reader's, to the kernel and goes on to the next.
func (r *ring) giveBack() {
	if !r.held {
		return
	}
	atomic.StoreUint32(r.status(), unix.TP_STATUS_KERNEL)
	r.held = false
	if r.current += r.blockSize; r.current == len(r.memory) {
		r.current = 0
	}
}

// relink takes note that the interface has another link type. The frames say so themselves, so reading goes on, unless
// they are not decoded any more, or the filter, which was made for the other type, does not fit them.
func (r *ring) relink() error {
	if r.block.hardware == 0 { // no frame was read yet
		return nil
	}
	before := r.link
	r.link = r.block.link
	r.mu.Lock()
	r.total.Link = r.link
	r.mu.Unlock()
	switch {
	case r.link == packet.LinkUnknown:
		return fmt.Errorf("%w from %s: %w: device type %d (linux/if_arp.h)", ErrLinkChanged, before, ErrUnsupportedLink, r.block.hardware)
	case r.block.filtered:
		return fmt.Errorf("%w from %s to %s: the filter does not fit any more", ErrLinkChanged, before, r.link)
	}
	return nil
}

// wait blocks until the current block may have been handed over, or Wake was called.
func (r *ring) wait() (woken bool, err error) {
	now := time.Now()
	timeout, err := r.look(now)
	if err != nil {
		return false, err
	}
	if r.waiter == nil {
		if r.waiter, err = newWaiter(r.socket, r.event); err != nil {
			return false, fmt.Errorf("wait for frames: %w", err)
		}
	}
	if pause, lasts := r.pace.pause(now, len(r.memory)/r.blockSize, r.blockSize); pause > 0 && timeout < 0 {
		called, err := r.waiter.pause(pause, lasts < aloneBelow)
		if err != nil {
			return false, fmt.Errorf("wait for frames: %w", err)
		}
		if called {
			return true, r.forgetWake()
		}
		return false, nil
	}
	events, called, err := r.waiter.wait(timeout)
	switch {
	case err != nil:
		return false, fmt.Errorf("wait for frames: %w", err)
	case called != 0:
		return true, r.forgetWake()
	case events&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0:
		return false, r.fault()
	case events != 0: // the next look at the block finds it handed over
		return false, r.idle()
	}
	return false, nil
}

// idle counts a poll that ended without a reason that was seen yet. A block or an error that is found starts anew.
func (r *ring) idle() error {
	if r.stale++; r.stale > maxStale {
		return errOutOfStep
	}
	return nil
}

// look looks at the interface before the reader blocks, and says for how many milliseconds that may be at most; -1
// for ever. That the interface has another name the socket never says by itself; asking costs a system call, so under load
// it is not done before every block.
func (r *ring) look(now time.Time) (timeout int, err error) {
	if r.faultAt.IsZero() {
		if now.Before(r.lookAt) {
			return -1, nil
		}
		r.lookAt = now.Add(r.latency)
		if !r.renamed() {
			return -1, nil
		}
		r.faultAt = time.Now().Add(2 * r.latency)
	}
	if left := time.Until(r.faultAt); left > 0 {
		return int(left/time.Millisecond) + 1, nil
	}
	r.faultAt = time.Time{}
	return -1, presence(r.socket, r.index, r.name)
}

func (r *ring) renamed() bool {
	now, err := nameOf(r.socket, r.index)
	return err == nil && now != r.name
}

// fault takes the error off the socket, so that polling goes on, and sets the time to look into it.
func (r *ring) fault() error {
	number, err := unix.GetsockoptInt(r.socket, unix.SOL_SOCKET, unix.SO_ERROR)
	switch cause := unix.Errno(number); {
	case err != nil:
		return fmt.Errorf("wait for frames: %w", err)
	case cause == 0:
		return r.idle()
	case cause != unix.ENETDOWN:
		return fmt.Errorf("wait for frames: %w", cause)
	}
	r.stale = 0
	if r.faultAt.IsZero() {
		r.faultAt = time.Now().Add(2 * r.latency)
	}
	return nil
}

// Wake makes Read return. The event counter remembers it, so it holds for the next Read that would block if none
// does now.
func (r *ring) Wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	// It can only fail where 2^64 - 2 wakes are pending already.
	_, _ = unix.Write(r.event, one[:])
}

func (r *ring) forgetWake() error {
	r.lookAt = time.Time{} // who calls the reader may know of another name
	var count [8]byte
	if _, err := unix.Read(r.event, count[:]); err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for frames: %w", err)
	}
	return nil
}

// Stats adds what the kernel counted since it was last asked. Frames count as received when they enter the ring.
func (r *ring) Stats() (Stats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return r.total, nil
	}
	return r.total, r.count()
}

// count reads the kernel's counters. They start anew with every answer, and the number of packets includes those that
// were dropped (packet_getsockopt in net/packet/af_packet.c).
func (r *ring) count() error {
	fresh, err := unix.GetsockoptTpacketStatsV3(r.socket, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return fmt.Errorf("read capture counters of %s: %w", r.name, err)
	}
	r.total.Received += uint64(fresh.Packets - min(fresh.Drops, fresh.Packets))
	r.total.Dropped += uint64(fresh.Drops)
	r.total.Frozen += uint64(fresh.Freeze_q_cnt)
	return nil
}

// Close gives the ring back to the kernel, after a last look at the counters.
func (r *ring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	r.err = fmt.Errorf("capture on %s: %w", r.name, ErrClosed)
	if err := errors.Join(r.count(), r.release()); err != nil {
		return fmt.Errorf("close capture on %s: %w", r.name, err)
	}
	return nil
}

// release closes what is open.
func (r *ring) release() error {
	var faults []error
	if r.memory != nil {
		faults = append(faults, unix.Munmap(r.memory))
	}
	if r.waiter != nil {
		faults = append(faults, r.waiter.close())
		r.waiter = nil
	}
	for _, fd := range []int{r.socket, r.event} {
		if fd >= 0 {
			faults = append(faults, unix.Close(fd))
		}
	}
	r.memory, r.socket, r.event, r.block = nil, -1, -1, ringBlock{}
	return errors.Join(faults...)
}
