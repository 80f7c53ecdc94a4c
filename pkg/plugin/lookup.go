package plugin

import (
	"context"
	"net/netip"
	"time"

	"github.com/weirflow/weir/pkg/wire"
)

// Bounds of the lookup of names: addresses of the first rows of an answer, and how long they are waited for. What
// comes later is there the next time.
const (
	lookupAddresses = 500
	lookupTime      = 2 * time.Second
)

// looked is a result with the names of its addresses, if the query wants them. The result that is given stays.
func (q *question) looked(ctx context.Context, result *wire.Result) *wire.Result {
	if !q.query.Resolve || q.alert || result == nil {
		return result
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	named := *result
	named.Summary.Names, _ = q.source.resolver.Names(ctx, addressesOf(result))
	return &named
}

// addressesOf are the addresses of the first rows, none twice. Networks have no names.
func addressesOf(result *wire.Result) []netip.Addr {
	var list []netip.Addr
	seen := make(map[netip.Addr]bool)
	add := func(a netip.Addr, bits uint8) {
		if a.IsValid() && bits == 0 && !seen[a] && len(list) < lookupAddresses {
			seen[a] = true
			list = append(list, a)
		}
	}
	for i := range result.Rows {
		add(result.Rows[i].Attributes.Source, result.Rows[i].Attributes.SourceBits)
		add(result.Rows[i].Attributes.Destination, result.Rows[i].Attributes.DestinationBits)
	}
	return list
}
