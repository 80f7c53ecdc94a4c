package filter

import "github.com/weirflow/weir/pkg/flow"

// counter is something counted that a term can compare.
type counter struct {
	name        string
	description string // empty where flow's table has one
	unit        flow.Type
	// value of a group's sums; false where there is none to compare.
	value func(*flow.Counters) (uint64, bool)
}

// counters are the fields of flow.Counters and what is derived from them.
var counters = []counter{
	{"bytes", "bytes received and sent", flow.TypeBytes, func(c *flow.Counters) (uint64, bool) { return c.Bytes(), true }},
	{"packets", "packets received and sent", flow.TypePackets, func(c *flow.Counters) (uint64, bool) { return c.Packets(), true }},
	{"bytes_received", "", flow.TypeBytes, func(c *flow.Counters) (uint64, bool) { return c.BytesReceived, true }},
	{"bytes_sent", "", flow.TypeBytes, func(c *flow.Counters) (uint64, bool) { return c.BytesSent, true }},
	{"packets_received", "", flow.TypePackets, func(c *flow.Counters) (uint64, bool) { return c.PacketsReceived, true }},
	{"packets_sent", "", flow.TypePackets, func(c *flow.Counters) (uint64, bool) { return c.PacketsSent, true }},
	{"attempts", "", flow.TypeCount, func(c *flow.Counters) (uint64, bool) { return c.Attempts, true }},
	{"accepts", "", flow.TypeCount, func(c *flow.Counters) (uint64, bool) { return c.Accepts, true }},
	{"rejects", "", flow.TypeCount, func(c *flow.Counters) (uint64, bool) { return c.Rejects, true }},
	{"rtt", "mean handshake round-trip time", flow.TypeDuration, meanRoundTrip},
	{"rtt_sum", "", flow.TypeDuration, func(c *flow.Counters) (uint64, bool) { return c.RoundTripNanoseconds, true }},
	{"rtt_count", "", flow.TypeCount, func(c *flow.Counters) (uint64, bool) { return c.RoundTrips, true }},
}

// meanRoundTrip is the one counter that can be missing.
func meanRoundTrip(c *flow.Counters) (uint64, bool) {
	d, ok := c.RoundTrip()
	return uint64(d), ok
}

// optional says that a group may have no value to compare.
func (c *counter) optional() bool { return c.name == "rtt" }

// direction is a predicate on the packets of a group.
type direction uint8

const (
	directionIn direction = iota
	directionOut
	directionUni
	directionBi
)

var directionNames = [...]string{"in", "out", "uni", "bi"}

var directionByName = map[string]direction{
	"in": directionIn, "inbound": directionIn,
	"out": directionOut, "outbound": directionOut,
	"uni": directionUni, "unidirectional": directionUni,
	"bi": directionBi, "bidirectional": directionBi,
}

func (d direction) holds(c *flow.Counters) bool {
	received, sent := c.PacketsReceived > 0, c.PacketsSent > 0
	switch d {
	case directionIn:
		return received && !sent
	case directionOut:
		return sent && !received
	case directionUni:
		return received != sent
	}
	return received && sent
}
