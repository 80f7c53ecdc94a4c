package meter

import (
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// Status is how a meter is doing. Reading it changes nothing.
type Status struct {
	Interface string
	Started   time.Time // when Run began to read; zero before
	Running   bool

	Total   flow.Accounting // since Started
	Current flow.Accounting // since the current interval began

	Flows  int    // conversations in memory, those at rest included
	Folded uint64 // packets since Started that had no room in the flow table and were counted by protocol alone

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
	started        time.Time
	total, current flow.Accounting
	flows          int
	folded         uint64
}

// Status returns the current state.
func (m *Meter) Status() Status {
	m.mu.Lock()
	s := m.shown
	m.mu.Unlock()
	status := Status{Interface: m.cfg.Interface, Started: s.started, Total: s.total, Current: s.current,
		Flows: s.flows, Folded: s.folded, Running: !s.started.IsZero()}
	select {
	case <-m.stopped:
		status.Running = false
	default:
	}
	m.writer.status(&status)
	if m.keeper != nil {
		status.Checkpoint = m.keeper.status()
	}
	return status
}
