// Package reports answers the questions that people have about two ends, about routes and about lists of addresses,
// by a few queries over whatever answers queries: a probe, a fleet, a gateway, the plugin's fan-out.
//
// Invariants: a report holds nothing that its queries did not say, and says what they did not: how many hosts
// answered, from when to when they have data, what was folded, what a limit cut off. What several probes saw of the
// same flow counts once, by the one that saw most of it; what was seen of one direction only is called so. Reports are
// values; their functions keep nothing and open nothing.
//
// Neighbours: wire has requests and results, actors the lists; the command line, the plugin and the demo show reports.
package reports

import (
	"context"
	"time"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/wire"
)

// Querier answers queries; *fleet.Fleet and serve's probe do.
type Querier interface {
	Query(ctx context.Context, q *wire.Query, progress func(*wire.Result)) (*wire.Result, error)
}

// Uploader is a Querier that can give all who answer a list of addresses, each of them once by its content hash.
// A Querier that is none is expected to know the lists that it is asked about.
type Uploader interface {
	Querier
	Upload(ctx context.Context, list *actors.List) error
}

// Bounds of reports.
const (
	DefaultLimit = 10_000  // rows asked of the queries behind a report
	MaxLimit     = 250_000 // of a Scope's Limit
)

// Scope is where, when and about what a report is, as in a request.
type Scope struct {
	Ifaces string // as wire.Request.Ifaces; "": any
	Hosts  string // as wire.Request.QueryHosts; "": all
	// Condition restricts the flows beside what the question itself says; "": all.
	Condition   string
	First, Last string // as in wire.Request
	Live        bool
	// Labels are names of labels of hosts that Path tells of each view.
	Labels []string
	// Limit is the greatest number of rows that each query behind the report may give; 0: DefaultLimit.
	Limit int64
	// Names finds host names and lists that the question refers to. Without Names.List every list is taken to be known
	// where the query is answered.
	Names wire.Names
	Now   time.Time // what relative times refer to; zero: time.Now()
}

// Coverage says what an answer rests on, and so what the absence of something in it proves.
type Coverage struct {
	Hosts    int `json:"hosts"`     // that were asked
	Answered int `json:"answered"`  // of these, with data or without
	WithData int `json:"with_data"` // of these, with data in the span
	Full     int `json:"full"`      // of these, with data from First to Last
	// First and Last are the span of the question, cut to what there is data of on any host.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// Missing are the hosts that did not answer in full, and why, in the order of their names.
	Missing []MissingHost `json:"missing,omitempty"`
	// Folded is traffic without addresses, in which anything may be hidden.
	Folded *wire.Folded `json:"folded,omitempty"`
	// Text says all of it in one line.
	Text string `json:"text"`
}

// MissingHost is a host of which an answer lacks something.
type MissingHost struct {
	Host   string     `json:"host"`
	State  wire.State `json:"state"`
	Reason string     `json:"reason"`
}

// Truncation says what a limit cut off; nil in an answer that is whole.
type Truncation struct {
	Shown int64  `json:"shown"`
	Total int64  `json:"total"`
	Bound bool   `json:"bound,omitempty"` // Total is an upper bound
	What  string `json:"what"`            // such as "rows"
	Text  string `json:"text"`            // what it means for the answer
}

// Amount is what was counted of packets that went one way, or of both together.
type Amount struct {
	Bytes   uint64 `json:"bytes"`
	Packets uint64 `json:"packets"`
}

// Outcome is what became of connection attempts.
type Outcome struct {
	Attempts   uint64 `json:"attempts"`
	Accepted   uint64 `json:"accepted"`
	Rejected   uint64 `json:"rejected"`
	Unanswered uint64 `json:"unanswered"`
	Verdict    string `json:"verdict"` // accepted, rejected, unanswered or n/a, as of a row
}

// Point is an interface of a host.
type Point struct {
	Host  string `json:"host"`
	Iface string `json:"iface"`
}
