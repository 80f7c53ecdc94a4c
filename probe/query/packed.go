package query

import (
	"cmp"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/segment"
)

// packed is the key of a group in two words, for tables that are filled by the million. Addresses stand in it as
// numbers of the plan's space: an IPv4 address as itself, an IPv6 address as its place among all of the plan. Parts
// that are not grouped by are zero.
type packed struct {
	addresses uint64 // source<<32 | destination
	rest      uint64 // see the constants
}

// The parts of packed.rest.
const (
	packedProtocol  = 16 // port is below it
	packedSix       = 24 // one bit: the addresses are IPv6
	packedVerdict   = 25
	packedInterface = 27
	packedBin       = 43
	maxBins         = 1 << (64 - packedBin)
	binMask         = (1<<64 - 1) &^ (1<<packedBin - 1)
)

// packedService is a service as it stands in packed.rest.
func packedService(s segment.Service) uint64 {
	return uint64(s.Port) | uint64(s.Protocol)<<packedProtocol
}

// serviceMask is the parts of a service that are grouped by, as they stand in packed.rest.
func (s *shape) serviceMask() (mask uint64) {
	if s.port {
		mask |= 1<<packedProtocol - 1
	}
	if s.protocol {
		mask |= 1<<packedSix - 1<<packedProtocol
	}
	return mask
}

// whole is the key without its bin.
func (k packed) whole() packed { return packed{k.addresses, k.rest &^ binMask} }

func (k packed) bin() int { return int(k.rest >> packedBin) }

func (k packed) six() bool { return k.rest>>packedSix&1 != 0 }

// position is where a key stands in the order of sources and destinations.
func (k packed) position() position {
	return position{source: k.rest>>packedSix&1<<32 | k.addresses>>32, destination: uint32(k.addresses)}
}

// counterAt is one counter by its number in package segment.
func counterAt(c *flow.Counters, i int) *uint64 {
	switch i {
	case segment.BytesReceived:
		return &c.BytesReceived
	case segment.BytesSent:
		return &c.BytesSent
	case segment.PacketsReceived:
		return &c.PacketsReceived
	case segment.PacketsSent:
		return &c.PacketsSent
	case segment.Attempts:
		return &c.Attempts
	case segment.Accepts:
		return &c.Accepts
	case segment.Rejects:
		return &c.Rejects
	case segment.RoundTripNanoseconds:
		return &c.RoundTripNanoseconds
	}
	return &c.RoundTrips
}

// hasCounters says which counters are not zero.
func hasCounters(c *flow.Counters) (has uint16) {
	for i := range segment.CounterCount {
		if *counterAt(c, i) != 0 {
			has |= 1 << i
		}
	}
	return has
}

// position is a place in the order of sources, then destinations, IPv4 before IPv6.
type position struct {
	source      uint64 // family<<32 | number
	destination uint32
}

// lastPosition is behind all others.
var lastPosition = position{source: ^uint64(0)}

func (a position) compare(b position) int {
	if c := cmp.Compare(a.source, b.source); c != 0 {
		return c
	}
	return cmp.Compare(a.destination, b.destination)
}
