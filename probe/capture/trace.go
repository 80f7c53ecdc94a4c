package capture

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync/atomic"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// DamageError says where a trace is damaged. All frames before the damage were read.
type DamageError struct {
	Path   string
	Offset int64  // where the damaged record or block starts, in bytes of the (unpacked) trace
	Frames uint64 // how many frames were read before it
	Packed bool   // the file is compressed, and Offset counts unpacked bytes
	Cause  error
}

// Error names the file, the place and the way out.
func (e *DamageError) Error() string {
	intact := fmt.Sprintf("head -c %d %s", e.Offset, e.Path)
	if e.Packed {
		intact = fmt.Sprintf("gzip -dc %s | head -c %d", e.Path, e.Offset)
	}
	return fmt.Sprintf("trace %s is damaged at byte %d: %v; the %d frames before it were read; `%s` gives the intact part",
		e.Path, e.Offset, e.Cause, e.Frames, intact)
}

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Cause }

// format reads the records of a kind of trace file.
type format interface {
	// next reads records up to and including the next frame. It takes nothing from the window until it has
	// checked the record, so that a failure stands at the record's offset. io.EOF is the end of the trace.
	next(w *window, frame *Frame) error
}

// trace is a Source that reads a file.
type trace struct {
	path     string
	file     io.Closer
	packed   bool
	window   window
	format   format
	local    []netip.Prefix
	woken    atomic.Bool
	received atomic.Uint64
	err      error // what every later Read returns
}

// OpenTrace opens a pcap or pcapng file, plain or compressed with gzip. Its Read does not block but on the file
// itself; it ends with io.EOF, or with a *DamageError behind everything that could be read.
func OpenTrace(path string, options TraceOptions) (Source, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open trace: %w", err)
	}
	t, err := newTrace(path, file, options)
	if err != nil {
		file.Close()
		return nil, err
	}
	t.file = file
	return t, nil
}

// newTrace reads the start of a trace.
func newTrace(path string, r io.Reader, options TraceOptions) (*trace, error) {
	t := &trace{path: path, local: options.Local}
	buffered := bufio.NewReader(r)
	t.window.reader = buffered
	if magic, _ := buffered.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("open trace %s: %w", path, err)
		}
		t.packed = true
		t.window.reader = unpacked
	}
	magic, err := t.window.peek(4)
	if err != nil {
		return nil, fmt.Errorf("open trace %s: too short for a trace: %w", path, err)
	}
	if binary.BigEndian.Uint32(magic) == blockSection {
		t.format = &pcapng{}
		return t, nil
	}
	if t.format, err = openPcap(&t.window); err != nil {
		return nil, fmt.Errorf("open trace %s: %w", path, err)
	}
	return t, nil
}

// Read gives the frames that are in memory, after reading on in the file where there are none.
func (t *trace) Read(frames []Frame) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	if t.woken.Swap(false) {
		return 0, nil
	}
	t.window.pinned = false
	for n := range frames {
		err := t.format.next(&t.window, &frames[n])
		if errors.Is(err, errPinned) {
			return t.deliver(n), nil
		}
		if err != nil {
			t.received.Add(uint64(n))
			t.err = t.failure(err)
			if n == 0 {
				return 0, t.err
			}
			return n, nil
		}
		if len(t.local) > 0 {
			t.direct(&frames[n])
		}
		t.window.pinned = true
	}
	return t.deliver(len(frames)), nil
}

func (t *trace) deliver(n int) int {
	t.received.Add(uint64(n))
	return n
}

// failure turns what ended the trace into what Read returns.
func (t *trace) failure(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	var pathError *os.PathError
	if errors.As(err, &pathError) { // the disk, not the trace
		return fmt.Errorf("read trace %s at byte %d: %w", t.path, t.window.offset(), err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("it ends within a record: %w", io.ErrUnexpectedEOF)
	}
	return &DamageError{Path: t.path, Offset: t.window.offset(), Frames: t.received.Load(), Packed: t.packed, Cause: err}
}

// direct decides by address whether the frame was sent, where the trace does not say.
func (t *trace) direct(frame *Frame) {
	if frame.Sent || saysDirection(frame.Link) {
		return
	}
	var p packet.Packet
	if packet.Decode(frame.Link, frame.Data, frame.Length, &p) != flow.IssueNone {
		return
	}
	source := p.Source.Netip(p.Family)
	for _, prefix := range t.local {
		if prefix.Contains(source) {
			frame.Sent = true
			return
		}
	}
}

// Wake makes the next Read return without frames.
func (t *trace) Wake() { t.woken.Store(true) }

// Stats counts the frames that were read; nothing is dropped.
func (t *trace) Stats() (Stats, error) { return Stats{Received: t.received.Load()}, nil }

// Close closes the file.
func (t *trace) Close() error {
	if errors.Is(t.err, ErrClosed) {
		return nil
	}
	t.err = ErrClosed
	return t.file.Close()
}

// saysDirection says that frames of the link tell whether they were sent.
func saysDirection(link packet.Link) bool { return link == packet.LinkSLL || link == packet.LinkSLL2 }

// outgoing reads the packet type of Linux cooked captures (4 is PACKET_OUTGOING in linux/if_packet.h).
func outgoing(link packet.Link, data []byte) bool {
	switch {
	case link == packet.LinkSLL && len(data) >= 2:
		return binary.BigEndian.Uint16(data) == 4
	case link == packet.LinkSLL2 && len(data) >= 11:
		return data[10] == 4
	}
	return false
}
