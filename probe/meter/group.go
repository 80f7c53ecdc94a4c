package meter

import (
	"sync"
	"time"

	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/packet"
)

// Group is the workers of one interface, a meter each, which share its frames (capture.OpenGroup): both directions of
// a conversation come to the same worker. What the kernel cannot assign is handed over here: fragments, of which only the
// first has ports, errors that quote a fragment, and what tunnels carry. The queues are bounded: what finds no room is
// metered where it is, and counted as such.
type Group struct {
	start time.Time // of the monotonic clock, for all: times are handed over, too
	wall  int64
	desks []desk
}

// desk is where a worker finds what was handed over to it.
type desk struct {
	wake func()

	mu       sync.Mutex
	handed   []handed
	overflow uint64 // found no room
	closed   bool
	drained  bool // the worker has read the last of its ring
}

// handed is a packet that belongs to another worker.
type handed struct {
	packet packet.Packet
	tunnel packet.Tunnel // that carried it, or none
	vlan   uint16        // its outermost VLAN, 0 for none
	length uint32
	sent   bool
	at     int64
}

// maxHanded bounds what waits for a worker: some 200 KiB.
const maxHanded = 1024

// NewGroup makes a group of so many workers.
func NewGroup(workers int, now func() time.Time) *Group {
	if now == nil {
		now = time.Now
	}
	return &Group{start: time.Now(), wall: now().UnixNano(), desks: make([]desk, workers)}
}

// give hands a packet to another worker; false says that it has no room.
func (g *Group) give(worker int, h *handed) bool {
	d := &g.desks[worker]
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || len(d.handed) >= maxHanded {
		d.overflow++
		return false
	}
	d.handed = append(d.handed, *h)
	if len(d.handed) == 1 && d.wake != nil {
		d.wake()
	}
	return true
}

// take appends what was handed over to dst.
func (d *desk) take(dst []handed) []handed {
	d.mu.Lock()
	defer d.mu.Unlock()
	dst = append(dst, d.handed...)
	d.handed = d.handed[:0]
	return dst
}

func (d *desk) open(wake func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wake = wake
}

// lost is how many packets found no room.
func (d *desk) lost() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.overflow
}

// leave says that the worker has read everything, waits for the others to say so, up to a bound, and closes the desk.
func (g *Group) leave(worker int, patience time.Duration) {
	g.desks[worker].set(func(d *desk) { d.drained = true })
	for end := time.Now().Add(patience); time.Now().Before(end) && !g.allDrained(); {
		time.Sleep(time.Millisecond)
	}
	g.desks[worker].set(func(d *desk) { d.closed, d.wake = true, nil })
}

func (d *desk) set(change func(*desk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (g *Group) allDrained() bool {
	for i := range g.desks {
		all := true
		g.desks[i].set(func(d *desk) { all = d.drained })
		if !all {
			return false
		}
	}
	return true
}

// mine says whether a packet is for this worker, and which one it is for.
func (l *loop) mine(p *packet.Packet) (worker int, yes bool) {
	if p.Quoted {
		q := &p.Quote
		p = &packet.Packet{Source: q.Source, Destination: q.Destination, HasPorts: q.HasPorts, SourcePort: q.SourcePort, DestinationPort: q.DestinationPort}
	}
	worker = capture.Share(p, l.cfg.Workers)
	return worker, worker == l.cfg.Worker
}

// isMine says whether a conversation is for this worker.
func (l *loop) isMine(p *packet.Packet) bool {
	if l.deps.Group == nil {
		return true
	}
	_, yes := l.mine(p)
	return yes
}

// handOn hands the frame's packet, or one that a tunnel in it carries, to the worker that it is for; false says that it
// stays here.
func (l *loop) handOn(p *packet.Packet, t packet.Tunnel, f *capture.Frame, length uint32, now int64) bool {
	worker, mine := l.mine(p)
	if mine {
		return false
	}
	l.giving = handed{packet: *p, tunnel: t, length: length, sent: f.Sent, at: now}
	if l.lanes.split && p.Tags > 0 {
		l.giving.vlan = p.VLAN[0]
	}
	return l.deps.Group.give(worker, &l.giving)
}

// takeHanded meters what others have handed over.
func (l *loop) takeHanded() {
	if l.deps.Group == nil {
		return
	}
	l.taken = l.deps.Group.desks[l.cfg.Worker].take(l.taken[:0])
	for i := range l.taken {
		h := &l.taken[i]
		into := l.lanes.main
		switch {
		case h.tunnel.Kind != packet.TunnelNone:
			into = l.lanes.ofTunnel(h.tunnel)
		case h.vlan != 0:
			into = l.lanes.ofVLAN(h.vlan)
		}
		into.total.Received++
		into.total.Metered++
		into.table.Add(&h.packet, h.length, h.sent, h.at)
	}
}
