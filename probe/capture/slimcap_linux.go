package capture

import (
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"sync"
	"sync/atomic"

	gotools "github.com/fako1024/gotools/link"
	slimcap "github.com/fako1024/slimcap/capture"
	"github.com/fako1024/slimcap/capture/afpacket/afring"
	"github.com/fako1024/slimcap/filter"
	"golang.org/x/sys/unix"

	"github.com/weirflow/weir/probe/packet"
)

// slimcapSource is a Source over slimcap's zero-copy interface. slimcap hands over one packet per call and may give its
// block back to the kernel with the next call, so a Read is one frame. It knows neither time stamps nor the VLAN
// tags that the kernel took out.
//
// Why errors are final: after a failed poll slimcap has forgotten that it does not own its current block; going on
// could give a block to the kernel twice and lose step with it.
type slimcapSource struct {
	source slimcap.SourceZeroCopy
	name   string
	link   packet.Link
	err    error // what every later Read returns
	handed atomic.Uint64

	mu      sync.Mutex // guards what Wake and Stats share with Close
	closed  bool
	total   Stats
	closers []io.Closer
}

// openSlimcap opens slimcap's AF_PACKET ring.
func openSlimcap(cfg LiveConfig, on device) (Source, error) {
	opened, err := gotools.New(cfg.Interface)
	if err != nil {
		return nil, err
	}
	if on.link == packet.LinkRawIP {
		// slimcap panics on those of these types that it does not know; it treats all that it knows alike.
		opened.Type = gotools.TypeNone
	}
	var closers []io.Closer
	if cfg.Promiscuous {
		mode, err := promiscuous(on.index)
		if err != nil {
			return nil, err
		}
		closers = append(closers, mode)
	}
	source, err := afring.NewSourceFromLink(opened,
		afring.CaptureLength(filter.CaptureLengthFixed(cfg.SnapLength)),
		afring.BufferSize(cfg.BlockSize, cfg.Blocks))
	if err != nil {
		closeAll(closers)
		return nil, err
	}
	if event, ok := eventDescriptor(source); ok {
		closers = append(closers, event)
	}
	return NewSlimcap(source, cfg.Interface, on.link, closers...), nil
}

// NewSlimcap makes a Source of a slimcap source, which it owns from now on. name is the interface's, for messages;
// link is how the payload of its packets starts. The closers are closed behind the source.
func NewSlimcap(source slimcap.SourceZeroCopy, name string, link packet.Link, closers ...io.Closer) Source {
	return &slimcapSource{source: source, name: name, link: link, closers: closers}
}

// Read hands over the next frame.
func (r *slimcapSource) Read(frames []Frame) (int, error) {
	if r.err != nil || len(frames) == 0 {
		return 0, r.err
	}
	data, kind, length, err := r.source.NextPayloadZeroCopy()
	if err != nil {
		return 0, r.failure(err)
	}
	r.handed.Add(1)
	frames[0] = Frame{Data: data, Length: length, Sent: kind == slimcap.PacketOutgoing, Link: r.link}
	return 1, nil
}

// failure turns an error of slimcap into one of ours; being woken is none.
func (r *slimcapSource) failure(err error) error {
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
func (r *slimcapSource) Wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		// It can only fail where 2^64 wakes are pending already.
		_ = r.source.Unblock()
	}
}

// Stats adds what the kernel counted since it was last asked. The kernel's counters start anew with every answer,
// and its number of packets includes those it dropped (packet_getsockopt in net/packet/af_packet.c). slimcap starts them
// anew when it has opened the ring, too: what came before then is handed over all the same, and so was received.
func (r *slimcapSource) Stats() (Stats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if !r.closed {
		err = r.count()
	}
	total := r.total
	total.Received = max(total.Received, r.handed.Load())
	return total, err
}

func (r *slimcapSource) count() error {
	new, err := r.source.Stats()
	if err != nil {
		return fmt.Errorf("read capture counters of %s: %w", r.name, err)
	}
	r.total.Received += new.PacketsReceived - min(new.PacketsDropped, new.PacketsReceived)
	r.total.Dropped += new.PacketsDropped
	return nil
}

// Close gives the ring back to the kernel, after a last look at the counters.
func (r *slimcapSource) Close() error {
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

// descriptor is a file descriptor that is only closed.
type descriptor int

func (d descriptor) Close() error { return unix.Close(int(d)) }

// promiscuous takes an interface into promiscuous mode until the result is closed. The mode belongs to the
// interface, so a socket of its own, which receives nothing, can hold it: slimcap v1.0.9 sets it on the wrong
// socket level.
func promiscuous(index int) (io.Closer, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	request := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &request); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("set promiscuous mode: %w", err)
	}
	return descriptor(fd), nil
}

// eventDescriptor finds the event descriptor that slimcap v1.0.9 opens with every source and never closes, so that
// interfaces that come and go do not use up the descriptors. A test holds that it is found.
func eventDescriptor(source *afring.Source) (io.Closer, bool) {
	handler := reflect.ValueOf(source).Elem().FieldByName("eventHandler")
	if !handler.IsValid() || handler.Kind() != reflect.Pointer || handler.IsNil() {
		return nil, false
	}
	fd := handler.Elem().FieldByName("Efd")
	if !fd.IsValid() || !fd.CanInt() || fd.Int() <= 0 {
		return nil, false
	}
	return descriptor(fd.Int()), true
}

func closeAll(closers []io.Closer) {
	for _, c := range closers {
		_ = c.Close()
	}
}
