package store

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weirflow/weir/pkg/flow"
)

// decodeColumns is the inverse of appendColumns: it fills all records. Every byte of b must be used.
func decodeColumns(b []byte, records []flow.Record) error {
	n4, n := binary.Uvarint(b)
	if n <= 0 || n4 > uint64(len(records)) || len(b) < n+2 {
		return fmt.Errorf("%w: row counts", errChunk)
	}
	present := binary.LittleEndian.Uint16(b[n:])
	if present>>counterColumns != 0 {
		return fmt.Errorf("%w: unknown counter column", errChunk)
	}
	clear(records)
	c := cursor{rest: b[n+2:]}
	v4, v6 := records[:n4], records[n4:]
	c.addresses4(v4)
	c.addresses6(v6, func(r *flow.Record) *flow.Address { return &r.Key.Source })
	c.addresses6(v6, func(r *flow.Record) *flow.Address { return &r.Key.Destination })
	c.services(records)
	for column := range counterColumns {
		if present&(1<<column) != 0 {
			c.counters(records, column)
		}
	}
	if c.bad || len(c.rest) != 0 {
		return fmt.Errorf("%w: columns do not fit their %d bytes", errChunk, len(b))
	}
	for i := range v4 {
		v4[i].Key.Family = flow.IPv4
	}
	for i := range v6 {
		v6[i].Key.Family = flow.IPv6
	}
	return nil
}

// cursor reads columns from the front of a slice. Once something does not fit it is bad and stays so.
type cursor struct {
	rest []byte
	bad  bool
}

// take returns the next n bytes, nil if there are fewer.
func (c *cursor) take(n int) []byte {
	if c.bad || n > len(c.rest) {
		c.bad = true
		return nil
	}
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) uvarint() uint64 {
	if len(c.rest) > 0 && c.rest[0] < 0x80 { // most are one byte
		v := c.rest[0]
		c.rest = c.rest[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(c.rest)
	if n <= 0 {
		c.bad, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cursor) addresses4(records []flow.Record) {
	source := uint64(0)
	for i := range records {
		source += c.uvarint()
		if source > math.MaxUint32 {
			c.bad = true
			return
		}
		binary.BigEndian.PutUint32(records[i].Key.Source[:4], uint32(source))
	}
	b := c.take(4 * len(records))
	if c.bad {
		return
	}
	for i := range records {
		copy(records[i].Key.Destination[:4], b[4*i:4*i+4])
	}
}

func (c *cursor) addresses6(records []flow.Record, of func(*flow.Record) *flow.Address) {
	lengths := c.take(len(records))
	if c.bad {
		return
	}
	var address flow.Address
	for i := range records {
		shared := int(lengths[i])
		if shared > len(address) {
			c.bad = true
			return
		}
		copy(address[shared:], c.take(len(address)-shared))
		*of(&records[i]) = address
	}
}

func (c *cursor) services(records []flow.Record) {
	ports, protocols := c.take(2*len(records)), c.take(len(records))
	if c.bad {
		return
	}
	for i := range records {
		records[i].Key.DestinationPort = binary.LittleEndian.Uint16(ports[2*i:])
		records[i].Key.Protocol = flow.Protocol(protocols[i])
	}
}

// counters fills one counter of all records; the order is that of counterValues.
func (c *cursor) counters(records []flow.Record, column int) {
	for i := range records {
		v, to := c.uvarint(), &records[i].Counters
		switch column {
		case 0:
			to.BytesReceived = v
		case 1:
			to.BytesSent = v
		case 2:
			to.PacketsReceived = v
		case 3:
			to.PacketsSent = v
		case 4:
			to.Attempts = v
		case 5:
			to.Accepts = v
		case 6:
			to.Rejects = v
		case 7:
			to.RoundTripNanoseconds = v
		case 8:
			to.RoundTrips = v
		}
	}
}
