package query

import (
	"context"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
)

// Viewer is a StoredSource that keeps some of its rows in columns.
type Viewer interface {
	StoredSource
	// Open takes a snapshot of an interface: every block with first <= End <= last is in exactly one segment or is
	// visited by Scan, whatever is compacted or removed in the meantime.
	Open(ctx context.Context, iface string, first, last int64) (View, error)
}

// View is a snapshot of an interface. Its methods but Close are safe for concurrent use.
type View interface {
	// Segments may hold blocks outside the span that the view was opened for.
	Segments() []Segment
	// Scan visits the blocks of the span that are in no segment, and says what of the span is lost.
	Scan(ctx context.Context, visit Visit) (ScanStats, error)
	Close()
}

// Segment is a part of an interface in columns: *segment.Reader, or one that says the same.
type Segment interface {
	Name() string
	// Blocks are the intervals whose rows the segment holds.
	Blocks() ([]flow.Interval, error)
	// Stamps are the ends of intervals, ascending, to which rows refer; StampTotals are the sums by stamp.
	Stamps() ([]int64, error)
	StampTotals() ([]flow.Counters, error)
	HasCounter() uint16
	// Services are numbered by rank. The sums of a service by stamp are nil where the segment does not keep them.
	Services() ([]segment.Service, error)
	ServiceTotals() ([]flow.Counters, error)
	ServiceRollup(rank int) ([]flow.Counters, error)
	// Codes of addresses are 0 to ipv4-1 for IPv4, then up to ipv4+ipv6-1 for IPv6, both in the order of addresses.
	AddressCounts() (ipv4, ipv6 uint32)
	IPv4Values(to []uint32, from, until uint32) ([]uint32, error)
	IPv6Values(to []Number6, from, until uint32) ([]Number6, error)
	// IPv4Range and IPv6Range return the codes of a range of addresses, without until.
	IPv4Range(first, last uint32) (from, until uint32, err error)
	IPv6Range(first, last Number6) (from, until uint32, err error)
	// Chunks is the directory; DestinationChunks are the chunks that hold a destination, ascending, false where the
	// segment does not know.
	Chunks() ([]segment.Chunk, error)
	DestinationChunks(code uint32) ([]uint32, bool, error)
	// Load decodes columns of a chunk and returns how many bytes were read for it.
	Load(chunk int, want segment.Columns, into *segment.Tuples) (int64, error)
}
