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
	return firstAddresses(r, rows, maxNamed)
}

// LookupTime bounds the lookups of a query: those of its condition before it runs, and those of its result after that.
func (r *Request) LookupTime() time.Duration {
	if dns := r.DNSResolution; dns != nil && dns.Timeout > 0 {
		return min(dns.Timeout, maxLookup)
	}
	return defaultLookup
}
