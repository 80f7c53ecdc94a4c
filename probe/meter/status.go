package meter

import (
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/capture"
	"github.com/weirflow/weir/probe/packet"
)

// Status is how a meter is doing. Reading it changes nothing.
type Status struct {
	Interface string
	Parent    string    // the interface it is derived from, empty if it is none; counters from Frozen on are the parent's
	Started   time.Time // when Run began to read; zero before
	Running   bool

	Total   flow.Accounting // since Started
	Current flow.Accounting // since the current interval began

	Flows  int    // conversations in memory, those at rest included
	Memory int    // bytes that the flow table takes
	Folded uint64 // packets since Started that had no room in the flow table and were counted by protocol alone

	// Unassigned counts packets since Started that belong to this worker and that others metered in its place, because
	// it had no room for them.
	Unassigned uint64

	Link     string  // how frames of the interface start, empty where the source does not say
	Frozen   uint64  // times the ring was full since Started
	RingFill float64 // part of the ring that waits to be read, 0 to 1; -1 where the source does not say

	Stored    uint64    // intervals the sink has acknowledged
	LastWrite time.Time // when it did last; zero: never
	Waiting   int       // intervals that wait for the sink
	// Condensed counts intervals reduced to sums by family and protocol because too many rows waited.
	Condensed    uint64
	SinkFailures uint64
	SinkError    string // why the sink takes nothing; empty while it does

	Checkpoint CheckpointStatus
}

// CheckpointStatus is how the checkpoints are doing.
type CheckpointStatus struct {
	Last     time.Time     // when the last one was durable; zero: none yet
	Period   time.Duration // time between them at present: longer than configured where they would write too much
	Bytes    uint64        // written since the meter started
	Failures uint64
	Error    string // why the last one failed; empty if it did not
}

// shown is the loop's part of the status.
type shown struct {
	started time.Time
	ring    capture.Stats
	stayed  uint64
	lanes   []shownLane
}

type shownLane struct {
	name           string
	total, current flow.Accounting
	flows, bytes   int
	folded         uint64
}

// Status returns the current state of the interface.
func (m *Meter) Status() Status { return m.Statuses()[0] }

// Statuses returns the current state of the interface and of those that are derived from it.
func (m *Meter) Statuses() []Status {
	m.mu.Lock()
	s := m.shown
	s.lanes = slices.Clone(s.lanes)
	m.mu.Unlock()
	status := Status{Interface: m.cfg.Interface, Started: s.started, Running: !s.started.IsZero(), Unassigned: s.stayed, Link: linkName(s.ring.Link), Frozen: s.ring.Frozen, RingFill: m.ringFill()}
	select {
	case <-m.stopped:
		status.Running = false
	default:
	}
	m.writer.status(&status)
	if m.keeper != nil {
		status.Checkpoint = m.keeper.status()
	}
	if len(s.lanes) == 0 {
		return []Status{status}
	}
	var all []Status
	for i, n := range s.lanes {
		one := status
		if i > 0 {
			one = Status{Interface: n.name, Parent: status.Interface, Started: status.Started, Running: status.Running}
		}
		one.Total, one.Current, one.Flows, one.Memory, one.Folded = n.total, n.current, n.flows, n.bytes, n.folded
		all = append(all, one)
	}
	return all
}

// ringFill asks the source, if it is one that knows.
func (m *Meter) ringFill() float64 {
	if source, ok := m.deps.Source.(interface{ Fill() float64 }); ok {
		return source.Fill()
	}
	return -1
}

func linkName(link packet.Link) string {
	if link == packet.LinkUnknown {
		return ""
	}
	return link.String()
}
