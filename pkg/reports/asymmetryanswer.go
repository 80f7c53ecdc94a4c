package reports

import (
	"net/netip"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// AsymmetryQuestion asks for pairs of addresses whose two directions went different ways.
type AsymmetryQuestion struct {
	Scope
	Pairs int // shown at most; 0: 25
}

// PairKind says what is asymmetric about a pair.
type PairKind string

// The kinds.
const (
	// PairSplit: each direction was seen where the other was not.
	PairSplit PairKind = "split"
	// PairReverseUnseen: one direction was seen, and the other nowhere, though there must have been one.
	PairReverseUnseen PairKind = "reverse unseen"
	// PairPartial: some interface saw one direction only, and others saw both.
	PairPartial PairKind = "partial"
)

// AsymmetryAnswer are the pairs, the one with most bytes first.
type AsymmetryAnswer struct {
	Text  string          `json:"text"`
	Pairs []AsymmetryPair `json:"pairs"`
	// OneWay is how many pairs were left out because nothing shows that there was an answer at all: attempts without
	// one, and protocols that need none.
	OneWay    int          `json:"one_way"`
	Coverage  Coverage     `json:"coverage"`
	Truncated *Truncation  `json:"truncated,omitempty"`
	Result    *wire.Result `json:"-"`
}

// AsymmetryPair is a pair of addresses. Forward is from Source to Destination, who initiated most of it.
type AsymmetryPair struct {
	Source      netip.Addr `json:"source"`
	Destination netip.Addr `json:"destination"`
	Kind        PairKind   `json:"kind"`
	// HalvesKnown says that it is known which half is which; else Forward is that of the first point by name.
	HalvesKnown bool      `json:"halves_known"`
	Forward     Half      `json:"forward"`
	Backward    Half      `json:"backward"`
	Both        []Point   `json:"both,omitempty"` // that saw both directions
	FirstSeen   time.Time `json:"first_seen,omitzero"`
	LastSeen    time.Time `json:"last_seen,omitzero"`
	Text        string    `json:"text"`
}

// Half is one direction of a pair: its amount at the point that saw most of it, and all points that saw only it.
type Half struct {
	Amount
	Points []Point `json:"points"`
}
