package meter

import (
	"strconv"
	"strings"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/packet"
	"github.com/weirflow/weir/probe/table"
)

// lane is an interface with flows of its own: the captured one, or one that is derived from it, for a VLAN or for what
// a tunnel carries. All lanes of a loop end their intervals together, under the same sequence.
type lane struct {
	name  string
	table *table.Table
	total flow.Accounting // since the start
	begun flow.Accounting // total when the interval began

	begunBooked uint64 // outcomes of attempts booked by then
	rested      int    // intervals in a row without a packet

	pass     *table.Pass // under way, or nil
	passPart func(*table.Picture)
	passDone func(*table.Picture)

	checkpointTotal flow.Accounting // total at the last checkpoint
	checkpointed    uint64          // outcomes of attempts booked by then
	savedAt         time.Duration   // when something was written last
}

// lanes are those of an interface. The derived ones are bounded in number: what is beyond goes to the lane of the rest.
// Names of derived interfaces are made so that those with a tilde hold what is in others already: VLANs part the
// interface's own packets, tunnels repeat what they carry.
type lanes struct {
	main    *lane
	all     []*lane // main first
	split   bool    // VLANs have lanes of their own
	only    map[uint16]bool
	inner   bool // what tunnels carry is metered, too
	most    int  // derived lanes of a kind
	vlans   *[maxVLAN + 1]*lane
	vlanned int
	tunnels map[packet.Tunnel]*lane
	rest    [2]*lane // of VLANs, of tunnels
}

const (
	maxVLAN = 4095
	// forgetLane is after how many intervals without a packet the place of a derived interface is free again.
	forgetLane = 12

	restOfVLANs   = ".more"
	restOfTunnels = "~more"
)

// Parent is the interface that one of this name would be derived from; the name itself where it is none.
func Parent(iface string) string {
	parent, _, _ := strings.Cut(iface, "~")
	if parent == iface {
		if i := strings.LastIndexByte(iface, '.'); i > 0 {
			parent = iface[:i]
		}
	}
	return parent
}

func newLanes(cfg *Config) *lanes {
	main := &lane{name: cfg.Interface, table: table.New(cfg.Table)}
	l := &lanes{main: main, all: []*lane{main}, split: cfg.VLAN.Mode == VLANSplit || cfg.VLAN.Mode == VLANOnly, inner: cfg.Tunnels == TunnelsBoth,
		most: cfg.Derived, tunnels: map[packet.Tunnel]*lane{}}
	if l.split {
		l.vlans = new([maxVLAN + 1]*lane)
	}
	if cfg.VLAN.Mode == VLANOnly {
		l.only = map[uint16]bool{}
		for _, id := range cfg.VLAN.IDs {
			l.only[id] = true
		}
	}
	return l
}

// derive makes a lane.
func (l *lanes) derive(suffix string) *lane {
	made := &lane{name: l.main.name + suffix, table: l.main.table.Sibling()}
	l.all = append(l.all, made)
	return made
}

// ofVLAN is the lane of a packet whose outermost VLAN is id.
func (l *lanes) ofVLAN(id uint16) *lane {
	if known := l.vlans[id&maxVLAN]; known != nil {
		return known
	}
	if l.vlanned >= l.most {
		return l.ofRest(0, restOfVLANs)
	}
	l.vlanned++
	made := l.derive("." + strconv.Itoa(int(id&maxVLAN)))
	l.vlans[id&maxVLAN] = made
	return made
}

// ofTunnel is the lane of what a tunnel carries.
func (l *lanes) ofTunnel(t packet.Tunnel) *lane {
	if known := l.tunnels[t]; known != nil {
		return known
	}
	if len(l.tunnels) >= l.most {
		return l.ofRest(1, restOfTunnels)
	}
	made := l.derive("~" + t.String())
	l.tunnels[t] = made
	return made
}

// again makes the lane that had this suffix in the run before, if it may be there still.
func (l *lanes) again(suffix string) {
	switch rest, tunnel := strings.CutPrefix(suffix, "~"); {
	case suffix == restOfVLANs && l.split:
		l.ofRest(0, suffix)
	case suffix == restOfTunnels && l.inner:
		l.ofRest(1, suffix)
	case tunnel && l.inner:
		if t, ok := packet.ParseTunnel(rest); ok && len(l.tunnels) < l.most {
			l.ofTunnel(t)
		}
	case strings.HasPrefix(suffix, ".") && l.split:
		id, err := strconv.ParseUint(suffix[1:], 10, 16)
		if err == nil && id <= maxVLAN && l.vlanned < l.most && (l.only == nil || l.only[uint16(id)]) {
			l.ofVLAN(uint16(id))
		}
	}
}

func (l *lanes) ofRest(kind int, suffix string) *lane {
	if l.rest[kind] == nil {
		l.rest[kind] = l.derive(suffix)
	}
	return l.rest[kind]
}

// forget drops derived lanes that have nothing to tell any more. No pass is under way.
func (l *lanes) forget() {
	kept := l.all[:1]
	for _, n := range l.all[1:] {
		if n.rested < forgetLane {
			kept = append(kept, n)
			continue
		}
		n.table.Close()
		for id := range maxVLAN + 1 {
			if l.vlans != nil && l.vlans[id] == n {
				l.vlans[id] = nil
				l.vlanned--
			}
		}
		for t, of := range l.tunnels {
			if of == n {
				delete(l.tunnels, t)
			}
		}
		for kind := range l.rest {
			if l.rest[kind] == n {
				l.rest[kind] = nil
			}
		}
	}
	clear(l.all[len(kept):])
	l.all = kept
}

func (l *lanes) close() {
	for _, n := range l.all {
		n.table.Close()
	}
}

// meter counts one frame, at now on the tables' clock. Its packet is in the table after the next Flush of the batch.
func (l *loop) meter(f *capture.Frame, now int64) {
	arrival := l.batch.Next()
	p := &arrival.Packet
	issue := packet.Decode(f.Link, f.Data, f.Length, p)
	into := l.lanes.main
	if l.lanes.split {
		p.PushVLAN(f.VLAN)
		switch {
		case p.Tags > 0 && (l.lanes.only == nil || l.lanes.only[p.VLAN[0]]):
			into = l.lanes.ofVLAN(p.VLAN[0])
		case l.lanes.only != nil:
			issue = flow.IssueFiltered
		}
	}
	if issue != flow.IssueNone {
		into.total.Received++
		into.total.Issues[issue]++
		return
	}
	if p.Fragment || p.FirstFragment {
		l.fragments.Join(p, now)
	}
	shared := l.deps.Group != nil && (p.Fragment || p.FirstFragment || p.Quoted)
	if !shared || !l.handOn(p, packet.Tunnel{}, f, f.Length, now) {
		into.total.Received++
		into.total.Metered++
		arrival.Into, arrival.Length, arrival.Sent, arrival.Time = into.table, f.Length, f.Sent, now
		l.batch.Take()
	}
	if l.lanes.inner {
		l.meterInner(p, f, now)
	}
}

// meterInner counts what the packet carries, if it is of a tunnel: each in the lane of the innermost tunnel around it.
func (l *loop) meterInner(outer *packet.Packet, f *capture.Frame, now int64) {
	for depth := range packet.MaxTunnels {
		inner := &l.carried[depth%len(l.carried)]
		tunnel, length, issue := outer.Inner(f.Data, inner)
		if tunnel.Kind == packet.TunnelNone {
			return
		}
		if issue != flow.IssueNone {
			into := l.lanes.ofTunnel(tunnel)
			into.total.Received++
			into.total.Issues[issue]++
			return
		}
		if inner.Fragment || inner.FirstFragment {
			l.innerFragments.Join(inner, now)
		}
		if l.deps.Group == nil || !l.handOn(inner, tunnel, f, length, now) {
			into := l.lanes.ofTunnel(tunnel)
			into.total.Received++
			into.total.Metered++
			into.table.Add(inner, length, f.Sent, now)
		}
		outer = inner
	}
}
