// Package segment is the immutable columnar file of the store: the flows of one interface over an hour or a day,
// sorted by source, destination and service. A Writer makes one of sorted input without holding it in memory; a
// Reader answers from it without reading more than it is asked for.
package segment

import (
	"github.com/weirflow/weir/pkg/flow"
)

// Counters are numbered as they stand in flow.Counters.
const (
	BytesReceived = iota
	BytesSent
	PacketsReceived
	PacketsSent
	Attempts
	Accepts
	Rejects
	RoundTripNanoseconds
	RoundTrips
	CounterCount
)

// Service is a protocol and a destination port. Segments number the services they hold by frequency, the most
// frequent is 0.
type Service struct {
	Protocol flow.Protocol
	Port     uint16
}

// Row is one input of a Writer: what a flow counted in one interval. Rows come in the order of Key and, within a
// key, of Stamp; several rows of one key and stamp are added up.
type Row struct {
	Key      flow.Key
	Stamp    int64 // end of the interval
	Counters flow.Counters
}

// Chunk is what the directory says about a chunk: up to some thousand tuples, whole tuples only. Codes are those of
// the segment's dictionaries: IPv4 addresses from 0 on, then IPv6 addresses, both in the order of addresses.
type Chunk struct {
	Tuples, Rows                            int
	FirstSource, LastSource                 uint32 // both included
	LeastDestination, MostDestination       uint32 // both included
	FirstStamp, LastStamp                   uint32 // indices into Stamps, both included
	HasCounter                              uint16 // bit i: counter i is not zero everywhere
	MixedFamily                             bool
	BytesOfTuples, BytesOfSums, BytesOfRows int64
}

// Columns says which columns Load decodes.
type Columns uint32

// The columns. Sums and rows of counter i are Sum<<i and Value<<i.
const (
	Sources      Columns = 1 << iota // source code of each tuple
	Destinations                     // destination code of each tuple
	Services                         // service of each tuple
	RowCounts                        // number of rows of each tuple, and which is its first
	StampIndices                     // index of the stamp of each row
	Sum          Columns = 1 << 8    // sum of a counter over the rows of each tuple
	Value        Columns = 1 << 20   // counter of each row
)

// Tuples is a decoded chunk, in columns; those not asked for are empty. Its buffers are reused by Load. Rows of a
// tuple stand together, ascending by stamp. A counter that the chunk has not stays nil.
type Tuples struct {
	Count, Rows int
	Source      []uint32
	Destination []uint32
	Service     []uint32
	RowCount    []uint32
	FirstRow    []uint32 // among those of Stamp and Value
	Sum         [CounterCount][]uint64
	Stamp       []uint32 // a row
	Value       [CounterCount][]uint64

	loader loader
}
