package godb

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// flush hands over the oldest groups until no more than so many rows are held; if settled says so, only those that
// are complete as far as the order of the rows tells. What it does depends on the rows so far alone, those of interfaces that
// were not asked for included, so that a file that is read again gives the same groups, however far it was read before, and
// whichever interfaces.
func (c *csvReader) flush(hold int, settled bool) error {
	groups := make([]csvGroup, 0, len(c.groups))
	for g := range c.groups {
		if latest := c.latest[g.iface]; !settled || !latest.unordered && g.end < latest.end {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b csvGroup) int {
		if a.end != b.end {
			return int(min(max(a.end-b.end, -1), 1))
		}
		return strings.Compare(a.iface, b.iface)
	})
	for _, g := range groups {
		if c.held <= hold {
			return nil
		}
		rows := c.groups[g]
		if rows.passed == 0 {
			if err := c.deliver(g, rows.records); err != nil {
				return err
			}
		}
		c.held -= rows.count()
		delete(c.groups, g)
		if len(c.spare) < maxSpare {
			rows.records, rows.passed = rows.records[:0], 0
			c.spare = append(c.spare, rows)
		}
	}
	return nil
}

// deliver hands over the rows of an interval.
func (c *csvReader) deliver(g csvGroup, records []flow.Record) error {
	c.sorter.Sort(records)
	interval := flow.Interval{End: g.end, Boot: contentID(g, records), Sequence: c.parts[g]}
	if interval.Sequence == 0 {
		interval.Duration = nominalSeconds * time.Second
	}
	var sum flow.Counters
	for i := range records {
		sum.Add(records[i].Counters)
	}
	interval.Accounting.Metered = sum.Packets()
	interval.Accounting.Received = interval.Accounting.Metered
	c.parts[g]++
	return c.emit(g.iface, interval, records)
}

// contentID identifies rows of an interval by what they are.
func contentID(g csvGroup, records []flow.Record) (id [16]byte) {
	h := sha256.New()
	b := binary.BigEndian.AppendUint64(append([]byte("csv:"), g.iface...), uint64(g.end))
	for i := range records {
		k, c := &records[i].Key, &records[i].Counters
		b = append(append(b, k.Source[:]...), k.Destination[:]...)
		b = append(binary.BigEndian.AppendUint16(b, k.DestinationPort), byte(k.Protocol), byte(k.Family))
		for _, v := range [...]uint64{c.BytesReceived, c.BytesSent, c.PacketsReceived, c.PacketsSent} {
			b = binary.BigEndian.AppendUint64(b, v)
		}
		h.Write(b)
		b = b[:0]
	}
	h.Write(b)
	copy(id[:], h.Sum(nil))
	return id
}
