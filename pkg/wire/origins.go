package wire

import (
	"maps"
	"net/netip"
)

// FeatureEnrich is the feature of servers that know where addresses belong: Request.Enrich.
const FeatureEnrich = "enrich"

// maxEnriched bounds the addresses of an answer whose origin is looked up. A look-up takes about a microsecond.
const maxEnriched = 10_000

// Origin says where an address belongs. What is not known is empty.
type Origin struct {
	// Country is the code of ISO 3166-1, two letters.
	Country string `json:"country,omitempty"`
	// ASN is the number of the autonomous system that announces the address.
	ASN uint32 `json:"asn,omitempty"`
	// Organisation is whose autonomous system it is, in the words of whoever made the file: escape it for where it is
	// shown.
	Organisation string `json:"organisation,omitempty"`
}

// Enriched are the addresses of the result whose origin is wanted: those of the first rows, none twice. Networks have
// none: they may be larger than an origin.
func (q *Query) Enriched(r *Result) []netip.Addr {
	if q.Request == nil || !q.Request.Enrich {
		return nil
	}
	return firstAddresses(r, len(r.Rows), maxEnriched)
}

// firstAddresses are the addresses of the first rows, so many at most and none twice.
func firstAddresses(r *Result, rows, most int) []netip.Addr {
	var list []netip.Addr
	seen := make(map[netip.Addr]bool)
	add := func(a netip.Addr, bits uint8) {
		if a.IsValid() && bits == 0 && !seen[a] && len(list) < most {
			seen[a] = true
			list = append(list, a)
		}
	}
	for i := range r.Rows[:min(rows, len(r.Rows))] {
		if len(list) == most {
			break
		}
		a := &r.Rows[i].Attributes
		add(a.Source, a.SourceBits)
		add(a.Destination, a.DestinationBits)
	}
	return list
}

// addOrigins merges what a server knows of addresses in. What it says first stays: servers may have files of other days.
func (m *Merger) addOrigins(origins map[netip.Addr]Origin) {
	if m.origins == nil && len(origins) > 0 {
		m.origins = maps.Clone(origins)
		return
	}
	for a, o := range origins {
		if _, known := m.origins[a]; !known && len(m.origins) < maxMergedOrigins {
			m.origins[a] = o
		}
	}
}

// maxMergedOrigins bounds the origins that are kept of all servers.
const maxMergedOrigins = 20 * maxEnriched

// originsOf are those of the addresses in the rows that are left.
func (m *Merger) originsOf(r *Result) map[netip.Addr]Origin {
	if len(m.origins) == 0 {
		return nil
	}
	origins := make(map[netip.Addr]Origin)
	for _, a := range m.query.Enriched(r) {
		if o, known := m.origins[a]; known {
			origins[a] = o
		}
	}
	return origins
}
