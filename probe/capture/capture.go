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
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/net/bpf"

	"github.com/weirflow/weir/probe/packet"
)

// Frame is one captured frame.
type Frame struct {
	Data   []byte      // captured bytes, cut at the snap length; valid until the next Read or Close
	Length uint32      // length on the link in bytes, at least len(Data)
	Time   int64       // when it was captured, Unix nanoseconds; 0 where the source does not say
	Sent   bool        // the interface sent it, else it received it
	Link   packet.Link // how Data starts

	// VLAN and VLANType are the id and the EtherType (0x8100, 0x88a8) of the VLAN tag that the kernel took out of the
	// frame: the outermost one, whose four bytes are neither in Data nor in Length. VLANType is 0 where it took none
	// out; VLAN alone is 0 in a tag that carries only a priority, too.
	VLAN, VLANType uint16
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

// Backlog is what a Source may offer besides: whether so much waits to be read that frames may soon be dropped. Who calls
// Read calls it.
type Backlog interface{ Behind() bool }

// Stats counts since a source was opened.
type Stats struct {
	Received uint64 // frames handed over, or waiting in the ring to be; without those dropped
	Dropped  uint64 // frames the kernel dropped because the ring was full
	Frozen   uint64 // times the ring became full; 0 from a source that does not count them

	// Link is how the frames of the interface start, LinkUnknown where the source does not say. It can change under a
	// source of BackendRing, whose frames say it for themselves.
	Link packet.Link
}

// What callers may want to branch on.
var (
	ErrNoInterface     = errors.New("no such interface")
	ErrInterfaceDown   = errors.New("interface is down")
	ErrNoPermission    = errors.New("no permission to capture")
	ErrUnsupportedLink = errors.New("link type is not decoded")
	ErrLinkChanged     = errors.New("link type of the interface has changed")
	ErrClosed          = errors.New("capture source is closed")
)

// SpareProcessors is how many of the runtime's processors (GOMAXPROCS) readers of busy rings leave to the rest of the
// program while they wait. A probe that sets it so much higher than there are processors lets as many readers wait by
// themselves as can run.
const SpareProcessors = 2

// Backend is an implementation of live capture.
type Backend string

const (
	// BackendRing is this package's own ring: it hands over every frame, whatever it carries, with the kernel's time
	// stamp and the VLAN tag the kernel took out, a block of the ring at a time.
	BackendRing Backend = "ring"
	// BackendSlimcap is the library slimcap: IPv4, IPv6 and PPPoE session frames only, others are filtered in the
	// kernel and not counted; no time stamps and no VLAN tags that the kernel took out.
	BackendSlimcap Backend = "slimcap"
)

// Validate says what is wrong with the backend's name; the empty one is BackendRing.
func (b Backend) Validate() error {
	switch b {
	case "", BackendRing, BackendSlimcap:
		return nil
	}
	return fmt.Errorf("backend %q is neither %s nor %s", string(b), BackendRing, BackendSlimcap)
}

// LiveConfig says how to capture on an interface. Zero values stand for the defaults.
type LiveConfig struct {
	Interface   string
	Backend     Backend       // "": BackendRing
	Promiscuous bool          // take in frames that are addressed to others, too
	BlockSize   int           // bytes of one block of the ring: a power of two from a memory page to MaxBlockSize; 0: DefaultBlockSize
	Blocks      int           // number of blocks, MinBlocks to MaxBlocks; 0: DefaultBlocks
	SnapLength  int           // bytes of a frame that are captured, MinSnapLength to MaxSnapLength; 0: DefaultSnapLength
	Latency     time.Duration // a block is handed over so long after its first frame, 1 ms to Latency; 0: Latency; BackendRing only

	// Filter says in tcpdump's language (docs/CAPTURE.md) which frames are metered, "" all. BPF is a program for the
	// kernel's packet filter that says it, as goProbe's extra_bpf_filters: a frame whose program returns 0 is left out,
	// one whose program returns something else or comes to its end is not. With both, a frame has to pass both. A
	// frame that is left out is handed over all the same, as packet.LinkFiltered and nearly without data, so that it
	// is counted as such. BackendRing only.
	Filter string
	BPF    []bpf.RawInstruction
}

// The ring's measures. A block is handed over when it is full or Latency after its first frame, so a live source's
// last frames are there Latency after they arrived: who stops waits that long first. It also means that a ring is
// full after Blocks times Latency without a reader, however little came: hence more and smaller blocks than the
// fastest reading alone would ask for.
const (
	DefaultBlockSize = 256 << 10
	DefaultBlocks    = 32
	MaxBlockSize     = 64 << 20
	MinBlocks        = 2
	MaxBlocks        = 4096
	MaxRingSize      = 1 << 30
	Latency          = 100 * time.Millisecond
)

// How much of a frame is captured. The default holds two VLAN tags, PPPoE, an IPv6 header with a chain of
// extensions and a TCP header, and the head of a packet that an ICMP error quotes behind them; more would only be
// copied. A ring block of a page still takes twelve such frames.
const (
	DefaultSnapLength = 256
	MinSnapLength     = 96
	MaxSnapLength     = 65535
)

// TraceOptions says how to read a trace.
type TraceOptions struct {
	// Local are the prefixes of the capturing side: a frame whose source address is inside one was sent. They
	// count only where the trace itself does not say (Linux cooked captures and pcapng flags do).
	Local []netip.Prefix
}
