// Package capture hands over frames: from a live interface (OpenLive), from a trace file (OpenTrace) or from
// memory (NewReplay). It is floor 2, above package packet and below the meter; it neither decodes nor counts by
// flow, it says what arrived, when, how long it was and in which direction.
//
// Invariants: Read and Close belong to one goroutine, the reader; Wake and Stats may be called by any other at
// any time, also after Close. The bytes of a Frame belong to the source and are valid until the next Read or
// Close. Every failure of Read is final: it is returned again by every later Read.
package capture

import (
	"errors"
	"net/netip"
	"time"

	"github.com/weirflow/weir/probe/packet"
)

// Frame is one captured frame.
type Frame struct {
	Data   []byte      // captured bytes, cut at the snap length; valid until the next Read or Close
	Length uint32      // length on the link in bytes, at least len(Data)
	Time   int64       // when it was captured, Unix nanoseconds; 0 where the source does not say
	Sent   bool        // the interface sent it, else it received it
	Link   packet.Link // how Data starts
	VLAN   uint16      // VLAN id the kernel took out of the frame, 0 for none
}

// Source hands over frames in blocks.
type Source interface {
	// Read fills frames with at least one frame and says with how many. It blocks until there is one. It returns
	// (0, nil) after Wake, io.EOF at the end of a trace, an error that wraps one of the Err values below where a
	// caller may want to branch. Frames come with n > 0 only together with a nil error.
	Read(frames []Frame) (n int, err error)
	// Wake makes a Read that blocks return (0, nil), else a later Read, at the latest the next that would block: it
	// is never lost. Several calls may be taken as one. A Read that has frames at hand may return those first:
	// callers look at what they were woken for after every Read, not only after an empty one.
	Wake()
	// Stats says what arrived since the source was opened.
	Stats() (Stats, error)
	// Close ends the capture. The data of all frames is invalid afterwards.
	Close() error
}

// Stats counts since a source was opened.
type Stats struct {
	Received uint64 // frames handed over, or waiting in the ring to be; without those dropped
	Dropped  uint64 // frames the kernel dropped because the ring was full
}

// What callers may want to branch on.
var (
	ErrNoInterface     = errors.New("no such interface")
	ErrInterfaceDown   = errors.New("interface is down")
	ErrNoPermission    = errors.New("no permission to capture")
	ErrUnsupportedLink = errors.New("link type is not decoded")
	ErrClosed          = errors.New("capture source is closed")
)

// LiveConfig says how to capture on an interface.
type LiveConfig struct {
	Interface   string
	Promiscuous bool // take in frames that are addressed to others, too
	BlockSize   int  // bytes of one block of the ring: a power of two from a memory page to MaxBlockSize; 0: DefaultBlockSize
	Blocks      int  // number of blocks, MinBlocks to MaxBlocks; 0: DefaultBlocks
}

// The ring's measures. A block is handed over when it is full or Latency after its first frame, so a live source's
// last frames are there Latency after they arrived: who stops waits that long first. The kernel hands a block over by
// that time even if it holds one frame only, so a reader that is kept from reading, by a busy host or a paused virtual
// machine, loses nothing for at most Blocks × Latency: many small blocks bear more than a few large ones, and cost more
// wake-ups where much arrives.
const (
	DefaultBlockSize = 256 << 10
	DefaultBlocks    = 16
	MaxBlockSize     = 64 << 20
	MinBlocks        = 2
	MaxBlocks        = 4096
	MaxRingSize      = 1 << 30
	Latency          = 100 * time.Millisecond
)

// TraceOptions says how to read a trace.
type TraceOptions struct {
	// Local are the prefixes of the capturing side: a frame whose source address is inside one was sent. They
	// count only where the trace itself does not say (Linux cooked captures and pcapng flags do).
	Local []netip.Prefix
}
