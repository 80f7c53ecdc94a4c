package capture

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	slimcap "github.com/fako1024/slimcap/capture"
	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/probe/packet"
)

// ring is a Source over slimcap's zero-copy interface. slimcap hands over one packet per call and may give its
// block back to the kernel with the next call, so a Read is one frame. It knows neither time stamps nor the VLAN
// tags that the kernel took out.
//
// Why errors are final: after a failed poll slimcap has forgotten that it does not own its current block; going on
// could give a block to the kernel twice and lose step with it.
type ring struct {
	source slimcap.SourceZeroCopy
	name   string
	link   packet.Link
	err    error // what every later Read returns

	mu      sync.Mutex // guards what Wake and Stats share with Close
	closed  bool
	total   Stats
	closers []io.Closer
}

// NewRing makes a Source of a slimcap source, which it owns from now on. name is the interface's, for messages;
// link is how the payload of its packets starts. The closers are closed behind the source.
func NewRing(source slimcap.SourceZeroCopy, name string, link packet.Link, closers ...io.Closer) Source {
	return &ring{source: source, name: name, link: link, closers: closers}
}

// Read hands over the next frame.
func (r *ring) Read(frames []Frame) (int, error) {
	if r.err != nil || len(frames) == 0 {
		return 0, r.err
	}
	data, kind, length, err := r.source.NextPayloadZeroCopy()
	if err != nil {
		return 0, r.failure(err)
	}
	frames[0] = Frame{Data: data, Length: length, Sent: kind == slimcap.PacketOutgoing, Link: r.link}
	return 1, nil
}

// failure turns an error of slimcap into one of ours; being woken is none.
func (r *ring) failure(err error) error {
	if errors.Is(err, slimcap.ErrCaptureUnblocked) {
		return nil
	}
	switch device, lookup := net.InterfaceByName(r.name); {
	case errors.Is(err, slimcap.ErrCaptureStopped):
		err = ErrClosed
	case lookup != nil && isAbsent(r.name):
		err = fmt.Errorf("%w any more", ErrNoInterface)
	case lookup == nil && device.Flags&net.FlagUp == 0:
		err = ErrInterfaceDown
	case errors.Is(err, unix.ECONNRESET):
		// slimcap's word for an error pending on the socket: the interface was down or absent for a moment.
		err = fmt.Errorf("%w, or was for a moment", ErrInterfaceDown)
	}
	r.err = fmt.Errorf("capture on %s: %w", r.name, err)
	return r.err
}

// Wake makes Read return. The kernel remembers it (an event counter that the poll looks at), so it holds for the
// next Read that would block if none does now.
func (r *ring) Wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		// It can only fail where 2^64 wakes are pending already.
		_ = r.source.Unblock()
	}
}

// Stats adds what the kernel counted since it was last asked. The kernel's counters start anew with every answer,
// and its number of packets includes those it dropped (packet_getsockopt in net/packet/af_packet.c).
func (r *ring) Stats() (Stats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return r.total, nil
	}
	return r.total, r.count()
}

func (r *ring) count() error {
	new, err := r.source.Stats()
	if err != nil {
		return fmt.Errorf("read capture counters of %s: %w", r.name, err)
	}
	r.total.Received += new.PacketsReceived - min(new.PacketsDropped, new.PacketsReceived)
	r.total.Dropped += new.PacketsDropped
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
	errs := []error{r.count(), r.source.Close()}
	for _, c := range r.closers {
		errs = append(errs, c.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close capture on %s: %w", r.name, err)
	}
	return nil
}

func isAbsent(name string) bool {
	existing, err := Interfaces()
	if err != nil {
		return false
	}
	for _, e := range existing {
		if e == name {
			return false
		}
	}
	return true
}
