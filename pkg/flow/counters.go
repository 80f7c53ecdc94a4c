package flow

import (
	"math"
	"time"
)

// Counters is what is counted for a flow in an interval. Bytes are link-layer frame lengths without the frame
// check sequence, as the kernel reports them. All fields are sums; adding saturates instead of wrapping.
type Counters struct {
	BytesReceived   uint64
	BytesSent       uint64
	PacketsReceived uint64
	PacketsSent     uint64

	// Attempts are connection attempts whose outcome became known in the interval; Accepts and Rejects are
	// those that were answered, and those refused by a TCP RST or by an ICMP error that quotes the flow.
	Attempts uint64
	Accepts  uint64
	Rejects  uint64

	// RoundTripNanoseconds is the sum of the handshake round-trip times of RoundTrips handshakes.
	RoundTripNanoseconds uint64
	RoundTrips           uint64
}

// Add adds o to c. A sum that does not fit saturates at the largest value.
func (c *Counters) Add(o Counters) {
	c.BytesReceived = add(c.BytesReceived, o.BytesReceived)
	c.BytesSent = add(c.BytesSent, o.BytesSent)
	c.PacketsReceived = add(c.PacketsReceived, o.PacketsReceived)
	c.PacketsSent = add(c.PacketsSent, o.PacketsSent)
	c.Attempts = add(c.Attempts, o.Attempts)
	c.Accepts = add(c.Accepts, o.Accepts)
	c.Rejects = add(c.Rejects, o.Rejects)
	c.RoundTripNanoseconds = add(c.RoundTripNanoseconds, o.RoundTripNanoseconds)
	c.RoundTrips = add(c.RoundTrips, o.RoundTrips)
}

func add(a, b uint64) uint64 {
	if s := a + b; s >= a {
		return s
	}
	return math.MaxUint64
}

// Bytes is the number of bytes in both directions.
func (c Counters) Bytes() uint64 { return add(c.BytesReceived, c.BytesSent) }

// Packets is the number of packets in both directions.
func (c Counters) Packets() uint64 { return add(c.PacketsReceived, c.PacketsSent) }

// IsZero says that nothing was counted.
func (c Counters) IsZero() bool { return c == Counters{} }

// RoundTrip is the mean handshake round-trip time, false where none was measured.
func (c Counters) RoundTrip() (time.Duration, bool) {
	if c.RoundTrips == 0 {
		return 0, false
	}
	return time.Duration(min(c.RoundTripNanoseconds/c.RoundTrips, math.MaxInt64)), true
}

// Verdict is what became of the connection attempts of a row or of a group of rows.
type Verdict uint8

// The verdicts, derived from summed counters and never stored.
const (
	VerdictNone       Verdict = iota // no attempt was seen
	VerdictUnanswered                // attempts, none accepted or rejected
	VerdictRejected                  // at least one rejected, none accepted
	VerdictAccepted                  // at least one accepted
)

var verdictNames = [...]string{"n/a", "unanswered", "rejected", "accepted"}

// String is the verdict's name in the query language and on the wire.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return "invalid"
}

// ParseVerdict is the inverse of String.
func ParseVerdict(name string) (Verdict, bool) {
	for i, n := range verdictNames {
		if n == name {
			return Verdict(i), true
		}
	}
	return 0, false
}

// VerdictNames lists the names of all verdicts.
func VerdictNames() []string { return append([]string(nil), verdictNames[:]...) }

// Verdict of the summed counters: accepted before rejected before unanswered.
func (c Counters) Verdict() Verdict {
	switch {
	case c.Accepts > 0:
		return VerdictAccepted
	case c.Rejects > 0:
		return VerdictRejected
	case c.Attempts > 0:
		return VerdictUnanswered
	}
	return VerdictNone
}
