package wire

import (
	"slices"
	"time"

	"github.com/weirflow/weir/pkg/actors"
)

// Catalog is the answer of GET /_catalog: what an editor or a fleet needs to know of a server (extension).
type Catalog struct {
	Kind       string             `json:"kind"` // "probe" or "gateway"
	Version    string             `json:"version"`
	Host       string             `json:"host"`
	HostID     string             `json:"host_id"`
	Labels     map[string]string  `json:"labels,omitempty"`
	Now        time.Time          `json:"now"` // the server's clock
	Interval   time.Duration      `json:"interval_ns"`
	Interfaces []CatalogInterface `json:"interfaces"`
	Fields     []CatalogField     `json:"fields"`
	Shorthands []CatalogShorthand `json:"shorthands"`
	Features   []string           `json:"features"`
	Limits     CatalogLimits      `json:"limits"`
	// Hosts are those behind a gateway, in the order of their names.
	Hosts []CatalogHost `json:"hosts,omitempty"`
	// Lists are the lists of addresses that conditions can name here.
	Lists []actors.Health `json:"lists,omitempty"`
}

// Abilities are what a fleet has to know of a server before it asks (extension, part of GET /-/info).
type Abilities struct {
	// Features are those of the catalog.
	Features []string `json:"features,omitempty"`
	// Interval is the length of the intervals by which the server counts; at a gateway the longest of its hosts', if it
	// is known.
	Interval time.Duration `json:"interval_ns,omitempty"`
}

// Features that a fleet asks servers for.
const (
	FeatureThreshold = "threshold" // Request.Threshold
	FeatureGroups    = "groups"    // Request.Groups
	FeatureDedupe    = "dedupe"    // Request.Dedupe
	FeatureLabels    = "labels"    // columns label.KEY
)

// Can says whether the server has all of some features.
func (a *Abilities) Can(features ...string) bool {
	for _, f := range features {
		if !slices.Contains(a.Features, f) {
			return false
		}
	}
	return true
}

// CatalogHost is a host behind a gateway. What it did not say is empty.
type CatalogHost struct {
	Name       string            `json:"name"`
	ID         string            `json:"id,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Groups     []string          `json:"groups,omitempty"`
	State      State             `json:"state"`
	Class      Class             `json:"class,omitempty"` // of the error
	Error      string            `json:"error,omitempty"`
	Kind       string            `json:"kind,omitempty"` // "probe", "gateway" or "goprobe"
	Version    string            `json:"version,omitempty"`
	Interfaces []string          `json:"interfaces,omitempty"`
	First      time.Time         `json:"first,omitzero"` // of what is stored
	Last       time.Time         `json:"last,omitzero"`
	// ClockSkewNanoseconds is by how much its clock is ahead of the gateway's, where that is worth a note.
	ClockSkewNanoseconds int64 `json:"clock_skew_ns,omitempty"`
	// Gateway is the member of the inventory that the host is behind, if it is not one itself.
	Gateway string `json:"gateway,omitempty"`
}

// CatalogInterface is an interface the server has data of, or captures now.
type CatalogInterface struct {
	Name      string    `json:"name"`
	First     time.Time `json:"first,omitzero"` // start of the first stored interval
	Last      time.Time `json:"last,omitzero"`  // end of the last stored interval
	Capturing bool      `json:"capturing"`
}

// CatalogField is an attribute, label or counter.
type CatalogField struct {
	Name        string   `json:"name"`
	Aliases     []string `json:"aliases,omitempty"`
	Kind        string   `json:"kind"`
	Type        string   `json:"type"`
	Wire        string   `json:"wire"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Query       bool     `json:"query"`
	Filter      bool     `json:"filter"`
}

// CatalogShorthand is a name that stands for several fields in a query.
type CatalogShorthand struct {
	Name   string   `json:"name"`
	Fields []string `json:"fields"`
}

// CatalogLimits are the limits the server enforces; 0 means none.
type CatalogLimits struct {
	Rows       int64         `json:"rows"`
	Concurrent int           `json:"concurrent"`
	Timeout    time.Duration `json:"timeout_ns"`
}
