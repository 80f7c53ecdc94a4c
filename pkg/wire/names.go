package wire

import (
	"net/netip"
	"time"
)

// What reverse lookup does where the request does not say.
const (
	DefaultNamedRows = 25
	maxNamed         = 1000 // addresses, whatever is asked
)

// Named are the addresses of the result that want a name: those of the first rows, none twice. Networks have none.
func (q *Query) Named(r *Result) []netip.Addr {
	if q.Request == nil || q.Request.DNSResolution == nil || !q.Request.DNSResolution.Enabled {
		return nil
	}
	rows := q.Request.DNSResolution.MaxRows
	if rows <= 0 {
		rows = DefaultNamedRows
	}
	var list []netip.Addr
	seen := make(map[netip.Addr]bool)
	add := func(a netip.Addr, bits uint8) {
		if a.IsValid() && bits == 0 && !seen[a] && len(list) < maxNamed {
			seen[a] = true
			list = append(list, a)
		}
	}
	for i := range r.Rows[:min(rows, len(r.Rows))] {
		a := &r.Rows[i].Attributes
		add(a.Source, a.SourceBits)
		add(a.Destination, a.DestinationBits)
	}
	return list
}

// LookupTime bounds the lookups of a query: those of its condition before it runs, and those of its result after that.
func (r *Request) LookupTime() time.Duration {
	if dns := r.DNSResolution; dns != nil && dns.Timeout > 0 {
		return min(dns.Timeout, maxLookup)
	}
	return defaultLookup
}
