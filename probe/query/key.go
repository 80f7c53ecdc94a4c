package query

import (
	"net/netip"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// key identifies a group. Parts that the query does not group by are zero. The struct has no gaps, so that it is
// hashed and compared as plain memory.
type key struct {
	source, destination flow.Address
	stamp               int64
	iface               uint16 // index into run.interfaces
	port                uint16
	verdict             uint16 // a flow.Verdict
	protocol            flow.Protocol
	family              flow.Family // 0 unless an address is grouped by
}

// shape says which parts a query groups by, and which labels its rows carry.
type shape struct {
	query                                              *wire.Query
	time, source, destination, port, protocol, verdict bool
	iface, host, hostID                                bool
	labels                                             []string // of the host
	sourceBits, destinationBits                        uint8    // 0: whole addresses
}

func shapeOf(q *wire.Query) shape {
	s := shape{
		query:       q,
		time:        q.Has("time"),
		source:      q.Has("sip"),
		destination: q.Has("dip"),
		port:        q.Has("dport"),
		protocol:    q.Has("proto"),
		verdict:     q.Has("verdict"),
		iface:       !q.Merge || q.Has("iface"),
		host:        !q.Merge || q.Has("host"),
		hostID:      !q.Merge || q.Has("hostid"),
		labels:      q.LabelNames(),
	}
	for _, c := range q.Columns {
		switch c.Field.Name {
		case "sip":
			s.sourceBits = c.Prefix
		case "dip":
			s.destinationBits = c.Prefix
		}
	}
	return s
}

// key returns the group of a record. stamp is the end of its bin.
func (s *shape) key(r *flow.Record, iface uint16, stamp int64) (k key) {
	if s.time {
		k.stamp = stamp
	}
	if s.iface {
		k.iface = iface
	}
	if s.source {
		k.source, k.family = maskAddress(r.Key.Source, r.Key.Family, s.sourceBits), r.Key.Family
	}
	if s.destination {
		k.destination, k.family = maskAddress(r.Key.Destination, r.Key.Family, s.destinationBits), r.Key.Family
	}
	if s.port {
		k.port = r.Key.DestinationPort
	}
	if s.protocol {
		k.protocol = r.Key.Protocol
	}
	if s.verdict {
		k.verdict = uint16(r.Counters.Verdict())
	}
	return k
}

// whole is the key of the group of a series that a bin belongs to.
func (k key) whole() key {
	k.stamp = 0
	return k
}

// row makes the row of a group.
func (r *run) row(s *shape, g *group) wire.Row {
	k := &g.key
	row := wire.Row{Counters: wire.CountersFrom(g.counters)}
	if s.time && k.stamp != 0 {
		row.Labels.Timestamp = moment(k.stamp)
	}
	if s.iface {
		row.Labels.Iface = r.interfaces[k.iface]
	}
	if s.host {
		row.Labels.Host = r.engine.deps.Host
	}
	if s.hostID {
		row.Labels.HostID = r.engine.deps.HostID
	}
	row.Labels.HostLabels = r.hostLabels
	a := &row.Attributes
	if s.source {
		a.Source, a.SourceBits = k.source.Netip(k.family), s.sourceBits
	}
	if s.destination {
		a.Destination, a.DestinationBits = k.destination.Netip(k.family), s.destinationBits
	}
	a.DestinationPort, a.Protocol = k.port, k.protocol
	if s.verdict {
		a.Verdict = flow.Verdict(k.verdict).String()
	}
	return row
}

// rows makes the rows of groups.
func (r *run) rows(s *shape, groups []group) []wire.Row {
	rows := make([]wire.Row, len(groups))
	for i := range groups {
		rows[i] = r.row(s, &groups[i])
	}
	return rows
}

// keyOf is the inverse of row, without the time.
func (r *run) keyOf(row *wire.Row, ifaces map[string]uint16) (k key) {
	address := func(a netip.Addr) (to flow.Address) {
		to, k.family = flow.AddressFrom(a)
		return to
	}
	if r.shape.source {
		k.source = address(row.Attributes.Source)
	}
	if r.shape.destination {
		k.destination = address(row.Attributes.Destination)
	}
	k.port, k.protocol = row.Attributes.DestinationPort, row.Attributes.Protocol
	k.iface = ifaces[row.Labels.Iface]
	verdict, _ := flow.ParseVerdict(row.Attributes.Verdict)
	k.verdict = uint16(verdict)
	return k
}
