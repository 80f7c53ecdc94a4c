package reports

import (
	"net/netip"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// PathQuestion asks what went on between two ends.
type PathQuestion struct {
	Scope
	// A and B are each what stands behind "host =" in a condition: an address, a prefix, a range, a host name, "@LIST",
	// or several of them separated by commas.
	A, B string
}

// Sides says which of the two directions a view had packets of.
type Sides string

// The sides. One-sided views of a flow that is answered are what asymmetric routing looks like.
const (
	SidesBoth    Sides = "both"
	SidesAToB    Sides = "a to b"
	SidesBToA    Sides = "b to a"
	SidesUnknown Sides = "one" // one direction only, and nothing tells which
)

// PathAnswer is what all hosts saw between A and B.
type PathAnswer struct {
	A       string `json:"a"`
	B       string `json:"b"`
	Verdict string `json:"verdict"` // over all services: accepted, rejected, unanswered, n/a, or "not seen"
	// Text is the answer in a sentence.
	Text     string        `json:"text"`
	Services []PathService `json:"services"` // the largest first
	Views    []PathView    `json:"views"`    // by service, then host and interface
	// OneSided are sentences about views that lack a direction which others saw.
	OneSided  []string     `json:"one_sided,omitempty"`
	Coverage  Coverage     `json:"coverage"`
	Truncated *Truncation  `json:"truncated,omitempty"`
	Result    *wire.Result `json:"-"` // of the query behind it
}

// Service is what was talked to, and by whom.
type Service struct {
	Port      uint16        `json:"port"`
	Protocol  flow.Protocol `json:"protocol"`
	Initiator string        `json:"initiator"` // "a", "b", or "both" where the ends overlap
	// Text is the service as people read it: "tcp/443", "icmp echo request".
	Text string `json:"text"`
}

// PathService sums a service up over all views, flow by flow by the view that saw most of it.
type PathService struct {
	Service
	Outcome
	AToB  Amount `json:"a_to_b"` // where Split
	BToA  Amount `json:"b_to_a"`
	Total Amount `json:"total"`
	// Split says that the two directions could be told apart. Counters are relative to interfaces: which of received
	// and sent is A to B is known from attempts that one direction alone was seen of.
	Split     bool      `json:"split"`
	FirstSeen time.Time `json:"first_seen,omitzero"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
	Points    []Point   `json:"points"`
}

// PathView is what one interface of a host saw of a service.
type PathView struct {
	Point
	Labels map[string]string `json:"labels,omitempty"` // that an operator gave the host
	Service
	Outcome
	Received  Amount    `json:"received"` // by the interface
	Sent      Amount    `json:"sent"`
	Sides     Sides     `json:"sides"`
	Split     bool      `json:"split"`
	AToB      Amount    `json:"a_to_b"` // where Split
	BToA      Amount    `json:"b_to_a"`
	FirstSeen time.Time `json:"first_seen,omitzero"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
	// Flows is how many pairs of addresses stand behind it, Sources and Destinations the first few.
	Flows        int          `json:"flows"`
	Sources      []netip.Addr `json:"sources,omitempty"`
	Destinations []netip.Addr `json:"destinations,omitempty"`
}
