package flow

import "time"

// Interval describes one stored block: the flows of one interface between two moments.
type Interval struct {
	// End is the moment the interval ends, in Unix seconds; it is the time stamp of all its rows.
	End int64
	// Duration is the covered time before End; shorter than the configured interval for the first and last
	// part of a probe's life.
	Duration time.Duration
	// Boot identifies the run of the probe that counted, Sequence the block within that run and interface.
	// The same pair again is a replay and is dropped; another pair with the same End is a part and is summed.
	Boot     [16]byte
	Sequence uint64
	// Accounting says what became of every packet of the interval.
	Accounting Accounting
}

// Issue is a reason why a packet was not metered. The zero value means that it was.
type Issue uint8

// The reasons. Their numbers are stored: append, never reorder.
const (
	IssueNone          Issue = iota
	IssueNotIP               // no IP header found: ARP, LLDP, spanning tree and the like
	IssueTruncated           // the frame ends before the header that is due
	IssueInvalidHeader       // version, header length or total length contradict each other
	IssueUnknownLink         // a link type or encapsulation that is not decoded
	IssueTooDeep             // more nested headers than the decoder follows
	IssueFiltered            // the interface's capture filter leaves it out
	IssueCount               // the number of reasons, not a reason
)

var issueNames = [IssueCount]string{"none", "not_ip", "truncated", "invalid_header", "unknown_link", "too_deep", "filtered"}

// String is the reason's name in status, metrics and reports.
func (i Issue) String() string {
	if i < IssueCount {
		return issueNames[i]
	}
	return "unknown"
}

// Accounting says where the packets of an interface went: Received + Dropped seen by the kernel, and
// Received = Metered + the sum of Issues. Nothing disappears silently.
type Accounting struct {
	Received uint64             // packets the source handed over
	Dropped  uint64             // packets the kernel dropped because the ring was full
	Metered  uint64             // packets counted in flows
	Issues   [IssueCount]uint64 // packets not metered, by reason; Issues[IssueNone] stays 0
}

// Add adds o to a.
func (a *Accounting) Add(o Accounting) {
	a.Received += o.Received
	a.Dropped += o.Dropped
	a.Metered += o.Metered
	for i := range a.Issues {
		a.Issues[i] += o.Issues[i]
	}
}

// Since returns what was added to a since the earlier state o.
func (a Accounting) Since(o Accounting) Accounting {
	a.Received -= o.Received
	a.Dropped -= o.Dropped
	a.Metered -= o.Metered
	for i := range a.Issues {
		a.Issues[i] -= o.Issues[i]
	}
	return a
}
