package reports

import (
	"net/netip"
	"time"

	"github.com/weirflow/weir/pkg/actors"
	"github.com/weirflow/weir/pkg/wire"
)

// ActorsQuestion asks what addresses of a list did. Exactly one of List and ListName is given.
type ActorsQuestion struct {
	Scope
	// List is sent to all who answer, once by its hash, where the Querier is an Uploader.
	List *actors.List
	// ListName is a list that all who answer know by that name. Its entries are not known here: actors are the addresses
	// that were seen.
	ListName string
	// CompanyLabel is the label of hosts that names the company; "": "company".
	CompanyLabel string
	Actors       int // shown at most; 0: 100
	Ports        int // shown of an actor at most; 0: 5
	Systems      int // shown of an actor at most; 0: 5
}

// ActorsAnswer is what the list's addresses did, those that were seen last first.
type ActorsAnswer struct {
	// Text is the answer in a sentence, which without hits says what it proves.
	Text string `json:"text"`
	List string `json:"list"` // name, or hash
	// Entries is the number of entries of the list, 0 where only a name is known; Hits of them were seen.
	Entries  int   `json:"entries"`
	Hits     int   `json:"hits"`
	Accepted int   `json:"accepted"` // hits with an accepted connection
	Hosts    int   `json:"hosts"`    // that saw a hit
	Actors   []Hit `json:"actors"`
	// Expired are entries that were not asked for, because they were valid at another time.
	Expired   int            `json:"expired,omitempty"`
	Health    *actors.Health `json:"health,omitempty"`
	Coverage  Coverage       `json:"coverage"`
	Truncated *Truncation    `json:"truncated,omitempty"`
	Result    *wire.Result   `json:"-"`
}

// Hit is an entry of the list that was seen.
type Hit struct {
	// Prefix is the entry, Addresses are the first few of its addresses that were seen.
	Prefix     netip.Prefix `json:"prefix"`
	Label      string       `json:"label,omitempty"`
	Source     string       `json:"source,omitempty"`
	Confidence int          `json:"confidence,omitempty"` // percent; 0: not said
	// ListedPorts are the services at which the list says that the entry does harm. They do not restrict what is asked:
	// OnListedPort of the flows that the actor answered were at one of them.
	ListedPorts  []string     `json:"listed_ports,omitempty"`
	OnListedPort int          `json:"on_listed_port,omitempty"`
	Addresses    []netip.Addr `json:"addresses"`
	AddressCount int          `json:"address_count"`
	FirstSeen    time.Time    `json:"first_seen,omitzero"`
	LastSeen     time.Time    `json:"last_seen,omitzero"`
	// AsInitiator and AsResponder say what began at the actor, and what began at us.
	AsInitiator Role `json:"as_initiator"`
	AsResponder Role `json:"as_responder"`
	Total       Role `json:"total"`
	// Points saw it; Hosts and Companies are theirs.
	Points    []Point  `json:"points"`
	Hosts     []string `json:"hosts"`
	Companies []string `json:"companies,omitempty"`
	// OneSided are points that saw one direction only.
	OneSided []Point      `json:"one_sided,omitempty"`
	Ports    []PortCount  `json:"ports"`
	Systems  []netip.Addr `json:"systems"` // the other ends, those with most bytes first
	// PortCount and SystemCount are all there are, shown or not.
	PortCount   int `json:"port_count"`
	SystemCount int `json:"system_count"`
	// AtLeast says that a limit cut flows off: ports, systems and counts are of the largest flows, while hosts, first
	// and last seen are of all.
	AtLeast bool `json:"at_least,omitempty"`
}

// Role is what an actor did as initiator, as responder, or as both.
type Role struct {
	Amount
	Outcome
	Flows int `json:"flows"`
}

// PortCount is a service at the responder's side.
type PortCount struct {
	Text    string `json:"text"` // "tcp/22"
	Flows   int    `json:"flows"`
	Bytes   uint64 `json:"bytes"`
	Packets uint64 `json:"packets"`
}
