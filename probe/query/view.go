package query

import (
	"context"

	"github.com/weirflow/weir/probe/segment"
)

// Viewer is a StoredSource that keeps some of its rows in columns.
type Viewer interface {
	StoredSource
	// Open takes a snapshot of an interface: every block with first <= End <= last is in exactly one segment or is
	// visited by Scan, whatever is compacted or removed in the meantime.
	Open(ctx context.Context, iface string, first, last int64) (View, error)
}

// View is a snapshot of an interface. It is for one goroutine, save for its segments.
type View interface {
	// Segments may hold blocks outside the span that the view was opened for.
	Segments() []*segment.Reader
	// Scan visits the blocks of the span that are in no segment, and says what of the span is lost.
	Scan(ctx context.Context, visit Visit) (ScanStats, error)
	Close()
}
