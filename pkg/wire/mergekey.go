package wire

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// groupKey is what rows have in common that are summed, in numbers, so that it is compared and hashed as plain memory.
// What a query does not group by is zero.
type groupKey struct {
	source, destination [2]uint64 // high and low half
	stamp               int64     // end of the bin, Unix seconds: equal moments in different zones are different values of time.Time
	iface, origin       uint32    // numbers of names
	verdict             uint32    // number of a name
	port                uint16
	protocol            flow.Protocol
	flags               uint8 // families of source and destination, and whether there is a stamp
}

// The parts of groupKey.flags. An address that is not there has the family 0, IPv4 1 and IPv6 2.
const (
	flagDestination = 2 // shift; the source is below it
	flagFamily      = 3
	flagStamped     = 1 << 4
)

// equal is ==, which compares longer.
func (k *groupKey) equal(o *groupKey) bool {
	return k.source[1]^o.source[1]|k.destination[1]^o.destination[1]|k.source[0]^o.source[0]|k.destination[0]^o.destination[0]|
		uint64(k.stamp^o.stamp)|uint64(k.iface^o.iface|k.origin^o.origin|k.verdict^o.verdict)|
		uint64(k.port^o.port)|uint64(k.protocol^o.protocol)|uint64(k.flags^o.flags) == 0
}

// whole is the key of the group of a series that a bin belongs to.
func (k groupKey) whole() groupKey {
	k.stamp, k.flags = 0, k.flags&^flagStamped
	return k
}

// keyShape says what a query groups by.
type keyShape struct {
	time, source, destination, port, protocol, verdict bool
	iface, host, hostID                                bool
	labels                                             []string
	sourceBits, destinationBits                        uint8
	sourceMasks, destinationMasks                      [3][2]uint64 // by family
}

func keyShapeOf(q *Query) keyShape {
	s := keyShape{
		time: q.Has("time"), source: q.Has("sip"), destination: q.Has("dip"), port: q.Has("dport"), protocol: q.Has("proto"),
		verdict: q.Has("verdict"), iface: !q.Merge || q.Has("iface"), host: !q.Merge || q.Has("host"), hostID: !q.Merge || q.Has("hostid"),
		labels: q.LabelNames(),
	}
	s.sourceBits, s.destinationBits = q.prefixes()
	s.sourceMasks, s.destinationMasks = masksOf(s.sourceBits), masksOf(s.destinationBits)
	return s
}

// masksOf are the masks of networks of so many bits by family; 0: whole addresses.
func masksOf(bits uint8) [3][2]uint64 {
	if bits == 0 {
		bits = 128
	}
	four := min(bits, 32)
	return [3][2]uint64{1: {0, 0xffffffff << (32 - four) & 0xffffffff}, 2: {^uint64(0) << (64 - min(bits, 64)), ^uint64(0) << (64 - (max(bits, 64) - 64))}}
}

// numbers are the two halves of an address, and its family. Zones are dropped: a flow has none.
func numbers(a netip.Addr, masks *[3][2]uint64) (halves [2]uint64, family uint8) {
	switch {
	case a.Is4():
		b := a.As4()
		return [2]uint64{0, uint64(binary.BigEndian.Uint32(b[:])) & masks[1][1]}, 1
	case a.IsValid():
		b := a.As16()
		return [2]uint64{binary.BigEndian.Uint64(b[:8]) & masks[2][0], binary.BigEndian.Uint64(b[8:]) & masks[2][1]}, 2
	}
	return halves, 0
}

// addressOf is the inverse of numbers.
func addressOf(halves [2]uint64, family uint8) netip.Addr {
	switch family {
	case 1:
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(halves[1]))
		return netip.AddrFrom4(b)
	case 2:
		var b [16]byte
		binary.BigEndian.PutUint64(b[:8], halves[0])
		binary.BigEndian.PutUint64(b[8:], halves[1])
		return netip.AddrFrom16(b)
	}
	return netip.Addr{}
}

// origin is the host that a row is from, as far as the query tells hosts apart.
type origin struct {
	host, id string
	labels   HostLabels
}

// numbered numbers the texts of keys in the order in which they come. Neighbours are often equal, which is checked first.
type numbered[T comparable] struct {
	list   []T
	number map[T]uint32
	last   uint32
}

func (n *numbered[T]) of(text T) uint32 {
	if len(n.list) > 0 && n.list[n.last] == text {
		return n.last
	}
	if i, ok := n.number[text]; ok {
		n.last = i
		return i
	}
	if n.number == nil {
		n.number = make(map[T]uint32)
	}
	n.last = uint32(len(n.list))
	n.number[text], n.list = n.last, append(n.list, text)
	return n.last
}

// keys makes keys of rows, and rows of keys.
type keys struct {
	query    *Query
	shape    keyShape
	ifaces   numbered[string]
	origins  numbered[origin]
	verdicts numbered[string]
}

func newKeys(q *Query) *keys {
	k := &keys{query: q, shape: keyShapeOf(q)}
	k.ifaces.of("") // number 0
	k.origins.of(origin{})
	k.verdicts.of("")
	return k
}

// of makes the key of a row. Without Merge, rows of different interfaces or hosts stay apart.
func (k *keys) of(row *Row, key *groupKey) {
	s := &k.shape
	*key = groupKey{}
	a := &row.Attributes
	if s.source {
		key.source, key.flags = numbers(a.Source, &s.sourceMasks)
	}
	if s.destination {
		var family uint8
		key.destination, family = numbers(a.Destination, &s.destinationMasks)
		key.flags |= family << flagDestination
	}
	if s.port {
		key.port = a.DestinationPort
	}
	if s.protocol {
		key.protocol = a.Protocol
	}
	if s.verdict {
		key.verdict = k.verdicts.of(a.Verdict)
	}
	if t := &row.Labels.Timestamp; s.time && !t.IsZero() {
		key.stamp = k.query.BinEnd(t.Unix())
		key.flags |= flagStamped
	}
	if s.iface {
		key.iface = k.ifaces.of(row.Labels.Iface)
	}
	if s.host || s.hostID || len(s.labels) > 0 {
		key.origin = k.origin(&row.Labels)
	}
}

func (k *keys) origin(l *Labels) uint32 {
	var o origin
	if k.shape.host {
		o.host = l.Host
	}
	if k.shape.hostID {
		o.id = l.HostID
	}
	if len(k.shape.labels) > 0 {
		if last := &k.origins.list[k.origins.last]; last.labels != l.HostLabels {
			o.labels = l.HostLabels.Only(k.shape.labels)
		} else {
			o.labels = last.labels
		}
	}
	return k.origins.of(o)
}

// row makes the row of a key.
func (k *keys) row(key *groupKey) Row {
	o := &k.origins.list[key.origin]
	row := Row{
		Labels: Labels{Iface: k.ifaces.list[key.iface], Host: o.host, HostID: o.id, HostLabels: o.labels},
		Attributes: Attributes{DestinationPort: key.port, Protocol: key.protocol, Verdict: k.verdicts.list[key.verdict],
			SourceBits: k.shape.sourceBits, DestinationBits: k.shape.destinationBits},
	}
	row.Attributes.Source = addressOf(key.source, key.flags&flagFamily)
	row.Attributes.Destination = addressOf(key.destination, key.flags>>flagDestination&flagFamily)
	if key.flags&flagStamped != 0 {
		row.Labels.Timestamp = time.Unix(key.stamp, 0).UTC()
	}
	return row
}

// compare is the order of compareKeys.
func (k *keys) compare(a, b *groupKey) int {
	if c := cmp.Or(cmp.Compare(a.flags&flagFamily, b.flags&flagFamily), compareHalves(&a.source, &b.source),
		cmp.Compare(a.flags>>flagDestination&flagFamily, b.flags>>flagDestination&flagFamily), compareHalves(&a.destination, &b.destination),
		cmp.Compare(a.port, b.port), cmp.Compare(a.protocol, b.protocol)); c != 0 {
		return c
	}
	if a.verdict != b.verdict {
		return strings.Compare(k.verdicts.list[a.verdict], k.verdicts.list[b.verdict])
	}
	if c := compareStamps(a, b); c != 0 || a.iface == b.iface && a.origin == b.origin {
		return c
	}
	x, y := &k.origins.list[a.origin], &k.origins.list[b.origin]
	return cmp.Or(strings.Compare(k.ifaces.list[a.iface], k.ifaces.list[b.iface]), strings.Compare(x.host, y.host),
		strings.Compare(x.id, y.id), cmp.Compare(x.labels, y.labels))
}

// compareStamps puts keys without a time stamp first.
func compareStamps(a, b *groupKey) int {
	return cmp.Or(cmp.Compare(a.flags&flagStamped, b.flags&flagStamped), cmp.Compare(a.stamp, b.stamp))
}

func compareHalves(a, b *[2]uint64) int {
	return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
}
