package wire

import (
	"net/netip"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// Code is the outcome of a query, overall and by host. goProbe's clients know these five and no others.
type Code string

// The codes.
const (
	CodeOK              Code = "ok"
	CodeEmpty           Code = "empty"        // there was data, nothing matched
	CodeMissingData     Code = "missing data" // no data in the range
	CodeError           Code = "error"
	CodeTooManyRequests Code = "too many requests"
)

// State says more precisely than Code what a host did (extension).
type State string

// The states.
const (
	StateOK              State = "ok"
	StateEmpty           State = "empty"
	StateNoData          State = "no data"
	StatePartial         State = "partial"
	StateError           State = "error"
	StateTimeout         State = "timeout"
	StateSkipped         State = "skipped"
	StateOutsideCoverage State = "outside coverage"
)

// Status is the outcome of a query, overall or of one host.
type Status struct {
	Code    Code   `json:"code"`
	Message string `json:"message,omitempty"`
	State   State  `json:"state,omitempty"`
	// DurationNanoseconds, Rows and BytesScanned say what the host's part cost (extension, fleet only).
	DurationNanoseconds int64  `json:"duration_ns,omitempty"`
	Rows                int64  `json:"rows,omitempty"`
	BytesScanned        uint64 `json:"bytes_scanned,omitempty"`
	// Class says for programs why the host is not, or not wholly, part of the answer; empty where it is (extension,
	// fleet only).
	Class Class `json:"class,omitempty"`
	// HostID is the identity of the host's store, by which a host that is asked under two names is found (extension).
	HostID string `json:"host_id,omitempty"`
	// ClockSkewNanoseconds is by how much the host's clock is ahead of the asker's, where it is off by more than the
	// way there and back explains and a few seconds (extension, fleet only).
	ClockSkewNanoseconds int64 `json:"clock_skew_ns,omitempty"`
	// Cached says that the host's part was kept from an earlier answer, and is still the same (extension, fleet only).
	Cached bool `json:"cached,omitempty"`
	// First and Last bound the intervals that the host has of what was asked for (extension, fleet only).
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
}

// Class says why a host is not, or not wholly, part of an answer. It is a closed set.
type Class string

// The classes.
const (
	ClassUnreachable  Class = "unreachable"  // no such name, no route
	ClassRefused      Class = "refused"      // the machine answers, nothing listens
	ClassTimeout      Class = "timeout"      // no answer in time
	ClassTLS          Class = "tls"          // the two ends do not trust each other
	ClassUnauthorised Class = "unauthorised" // the asker is not known there, or may not ask
	ClassOverloaded   Class = "overloaded"   // the host has too much to do
	ClassServer       Class = "server"       // the host failed
	ClassProtocol     Class = "protocol"     // what answers does not keep to the contract
	ClassVersion      Class = "version"      // the host does not know what the question needs
	ClassQuery        Class = "query"        // the host refuses the question for another reason
	ClassCancelled    Class = "cancelled"    // the asker went away
	ClassBreaker      Class = "breaker"      // not asked, because it did not answer lately
	ClassDuplicate    Class = "duplicate"    // the same host as another one of the answer
	ClassLoop         Class = "loop"         // a gateway that asks whoever asks it
	ClassClock        Class = "clock"        // its times are not those of the others
	ClassTruncated    Class = "truncated"    // it has more than was asked of it
	ClassLabel        Class = "label"        // not asked, because its labels are not those of the condition
)

// Result is the answer to a Request.
type Result struct {
	Hostname      string            `json:"hostname,omitempty"`
	Status        Status            `json:"status"`
	HostsStatuses map[string]Status `json:"hosts_statuses"`
	Summary       Summary           `json:"summary"`
	Query         Echo              `json:"query"`
	Rows          []Row             `json:"rows"`
	// Unchanged says that the answer is the one that the asker has, by Request.IfVersion; there are no rows then (extension).
	Unchanged bool `json:"unchanged,omitempty"`
}

// Summary says what the rows are part of.
type Summary struct {
	Interfaces []string `json:"interfaces"`
	// TimeFirst is the start of the first covered interval, TimeLast the end of the last one.
	TimeFirst     time.Time `json:"time_first"`
	TimeLast      time.Time `json:"time_last"`
	Totals        Counters  `json:"totals"` // of all rows, cut off or not
	Timings       Timings   `json:"timings"`
	Hits          Hits      `json:"hits"`
	DataAvailable bool      `json:"data_available"`
	Stats         Stats     `json:"stats"`
	// Accounting of the capture over the range and interfaces (extension).
	Accounting *Accounting `json:"accounting,omitempty"`
	// Other is the sum of the groups that the limit cut off (extension, with Request.Other).
	Other *Other `json:"other,omitempty"`
	// Coverage says how much of each time bin is covered by intervals, whether or not a row matched; a bin without
	// data is absent. A rate divides by it, and an absent bin is a gap (extension, with Request.Series).
	Coverage []BinCoverage `json:"coverage,omitempty"`
	// Folded is what the intervals of the answer hold without addresses, because a flow table was full: an answer
	// about addresses may have missed so much (extension).
	Folded *Folded `json:"folded,omitempty"`
	// Bounded says by how much the answer may be wrong, because not all was fetched that is needed for an exact one
	// (extension, fleet only).
	Bounded *Bounded `json:"bounded,omitempty"`
	// Progress says how far an answer is that is still being made (extension, partial results only).
	Progress *Progress `json:"progress,omitempty"`
	// Explain says how the answer was found (extension, with Request.Explain).
	Explain *Explain `json:"explain,omitempty"`
	// Names are those of addresses in the rows, as far as they have one and it was found in time. They belong to
	// whoever owns the address: escape them for where they are shown (extension, with Request.DNSResolution).
	Names map[netip.Addr]string `json:"names,omitempty"`
	// Enrichment is where the addresses in the rows belong, as far as it is known (extension, with Request.Enrich).
	Enrichment map[netip.Addr]Origin `json:"enrichment,omitempty"`
	// DataVersion is another one whenever the answer to the same question may be; empty where that cannot be known, as
	// while data are still coming in (extension, of a single host).
	DataVersion string `json:"data_version,omitempty"`
	// TraceID finds the query in the server's log and, where traces are exported, its spans: 32 hexadecimal digits, those
	// of the asker's traceparent if it sent one (extension).
	TraceID string `json:"trace_id,omitempty"`
}

// Bounded is how far an answer may be from the exact one. Both numbers are of the sum by which rows are ranked.
type Bounded struct {
	// Missing is by how much the sum of a row may be too small.
	Missing uint64 `json:"missing"`
	// Unseen is the greatest sum of a group that has no row although it might deserve one; 0: there is none.
	Unseen uint64 `json:"unseen"`
	Reason string `json:"reason"`
}

// Progress is how far a fleet is with an answer. No number ever shrinks while one query is answered.
type Progress struct {
	Hosts     int    `json:"hosts"`      // that are asked
	HostsDone int    `json:"hosts_done"` // that answered, or failed
	Rounds    int    `json:"rounds"`     // begun
	Rows      int64  `json:"rows"`       // received
	Bytes     uint64 `json:"bytes"`      // read by the hosts
}

// Folded is the traffic of folded rows, whether or not the condition could match them.
type Folded struct {
	Packets   uint64 `json:"packets"`
	Bytes     uint64 `json:"bytes"`
	Intervals uint64 `json:"intervals"` // that hold such rows
}

// Explain is how an engine found its answer: one step for each part of the store that it looked at.
type Explain struct {
	Steps     []ExplainStep `json:"steps"`
	Omitted   int           `json:"omitted,omitempty"` // steps beyond those listed
	BytesRead uint64        `json:"bytes_read"`
}

// ExplainStep is what was done with one segment, log or live table.
type ExplainStep struct {
	Host   string `json:"host,omitempty"` // in an answer of several hosts
	Source string `json:"source"`         // "eth0/2026-11-21.wseg", or "eth0 live"
	// Method: "rollup" (answered from sums by service), "totals" (from sums by interval), "sources" (from sums by source), "sums" (from day sums of
	// tuples), "rows" (row by row), or "skipped".
	Method        string `json:"method"`
	Reason        string `json:"reason,omitempty"` // why this method, or why skipped
	Chunks        int    `json:"chunks,omitempty"` // of the source
	ChunksRead    int    `json:"chunks_read,omitempty"`
	Rows          int64  `json:"rows,omitempty"` // looked at
	BytesRead     uint64 `json:"bytes_read"`
	DurationNanos int64  `json:"duration_ns"`
}

// BinCoverage is the covered part of one time bin; across interfaces and hosts, the largest.
type BinCoverage struct {
	Timestamp time.Time `json:"timestamp"` // end of the bin, as in the rows
	Seconds   float64   `json:"seconds"`   // above 0, at most the bin's length
}

// Other is the remainder beyond the limit.
type Other struct {
	Counters Counters   `json:"counters"`
	Groups   int64      `json:"groups"`
	Bins     []OtherBin `json:"bins,omitempty"` // with Request.Series: by time bin, ascending
}

// OtherBin is one bin of the remainder.
type OtherBin struct {
	Timestamp time.Time `json:"timestamp"`
	Counters  Counters  `json:"counters"`
}

// Accounting says what capture saw and lost in the queried intervals (extension).
type Accounting struct {
	Received uint64            `json:"received"`
	Dropped  uint64            `json:"dropped"`
	Metered  uint64            `json:"metered"`
	Issues   map[string]uint64 `json:"issues,omitempty"`
}

// Timings are the query's own.
type Timings struct {
	QueryStart time.Time     `json:"query_start"`
	Duration   time.Duration `json:"query_duration_ns"`
	Resolution time.Duration `json:"resolution,omitempty"`
}

// Hits counts rows, with Request.Series groups: those of the answer and those before the limit.
type Hits struct {
	Displayed int64 `json:"displayed"`
	Total     int64 `json:"total"`
	// Bound says that Total is an upper bound (extension, fleet only).
	Bound bool `json:"bound,omitempty"`
}

// Stats is the cost of the query.
type Stats struct {
	BytesLoaded          uint64 `json:"bytes_loaded"`
	BytesDecompressed    uint64 `json:"bytes_decompressed"`
	BlocksProcessed      uint64 `json:"blocks_processed"`
	BlocksCorrupted      uint64 `json:"blocks_corrupted"`
	DirectoriesProcessed uint64 `json:"directories_processed"`
	Workloads            uint64 `json:"workloads"`
}

// Echo repeats what was asked, normalised.
type Echo struct {
	Attributes []string `json:"attributes"`
	Condition  string   `json:"condition,omitempty"`
	// Lookups are the addresses that stand in the condition for host names (extension).
	Lookups map[string][]netip.Addr `json:"lookups,omitempty"`
}

// Row is one group of flows.
type Row struct {
	Labels     Labels     `json:"labels"`
	Attributes Attributes `json:"attributes"`
	Counters   Counters   `json:"counters"`
	// Before is what the same group counted in the earlier span (extension, with Request.Compare).
	Before *Counters `json:"before,omitempty"`
	// FirstSeen and LastSeen are the ends of the first and of the last interval in which the group was counted
	// (extension, with Request.Seen).
	FirstSeen time.Time `json:"first_seen,omitzero"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
}

// Labels say where and when a row was counted. Empty members are not written.
type Labels struct {
	Timestamp time.Time `json:"timestamp,omitzero"`
	Iface     string    `json:"iface,omitempty"`
	Host      string    `json:"host,omitempty"`
	HostID    string    `json:"host_id,omitempty"`
	// HostLabels are those labels of the host that the query groups by (extension).
	HostLabels HostLabels `json:"host_labels,omitempty"`
}

// Attributes of a row; those that were not queried have their zero value. On the wire a zero value is left out,
// so that an absent member of a queried attribute means zero.
type Attributes struct {
	Source          netip.Addr    `json:"sip,omitzero"`
	Destination     netip.Addr    `json:"dip,omitzero"`
	DestinationPort uint16        `json:"dport,omitempty"`
	Protocol        flow.Protocol `json:"proto,omitempty"`
	Verdict         string        `json:"verdict,omitempty"` // extension
	// SourceBits and DestinationBits are above 0 where the query groups by sip/N and dip/N: they are the query's N, for
	// rows of both families. Source and Destination are then the first addresses of networks of so many bits, of 32
	// at most for IPv4, and stand as "10.1.0.0/16" under the names sip/N and dip/N on the wire (extension).
	SourceBits      uint8 `json:"-"`
	DestinationBits uint8 `json:"-"`
}

// Counters of a row. Zero members are not written.
type Counters struct {
	BytesReceived        uint64 `json:"br,omitempty"`
	BytesSent            uint64 `json:"bs,omitempty"`
	PacketsReceived      uint64 `json:"pr,omitempty"`
	PacketsSent          uint64 `json:"ps,omitempty"`
	Attempts             uint64 `json:"ca,omitempty"`
	Accepts              uint64 `json:"cc,omitempty"`
	Rejects              uint64 `json:"cr,omitempty"`
	RoundTripNanoseconds uint64 `json:"rtt_ns,omitempty"`
	RoundTrips           uint64 `json:"rtt_n,omitempty"`
}

// CountersFrom converts the vocabulary's counters; the two types have the same shape.
func CountersFrom(c flow.Counters) Counters { return Counters(c) }

// Flow is the inverse of CountersFrom.
func (c Counters) Flow() flow.Counters { return flow.Counters(c) }
