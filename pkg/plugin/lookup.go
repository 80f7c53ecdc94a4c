package plugin

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
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
	if !q.looksUp() || result == nil {
		return result
	}
	named := *result
	named.Summary.Names = q.namesOf(ctx, addressesOf(result))
	return &named
}

// looksUp says whether names are wanted, and may be looked up.
func (q *question) looksUp() bool { return q.query.Resolve && q.source.settings.Lookup && !q.alert }

// namesOf are the names of addresses, as far as they are known in time; nil where they are not wanted.
func (q *question) namesOf(ctx context.Context, addresses []netip.Addr) map[netip.Addr]string {
	if !q.looksUp() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	names, _ := q.source.resolver.Names(ctx, addresses[:min(len(addresses), lookupAddresses)])
	return names
}

// nameServer connects to one name server, whatever the machine's configuration says; nil without one.
func nameServer(address string) func(context.Context, string, string) (net.Conn, error) {
	if address == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), "53")
	}
	dialer := &net.Dialer{Timeout: lookupTime}
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, address)
	}
}

// addresses finds those of a host that a condition names. Its errors do not name the name server: that is nobody's
// business.
func (d *DataSource) addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	found, err := d.resolver.Addresses(ctx, name)
	var dns *net.DNSError
	switch {
	case err == nil:
		return found, nil
	case errors.As(err, &dns) && dns.IsNotFound:
		return nil, errors.New("no such host")
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &dns) && dns.IsTimeout:
		return nil, errors.New("the name server did not answer in time")
	}
	return nil, errors.New("the name server could not be asked")
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
