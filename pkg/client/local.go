package client

import (
	"context"
	"errors"
	"net"

	"github.com/weirflow/weir/pkg/resolve"
)

// errLocal says that a name leads to where it may not.
var errLocal = errors.New("addresses of this machine and of its links are refused")

// elsewhere connects as the dialer does, but never to this machine or its links: the name is looked up first, and what
// is connected to is the address that was looked at.
func elsewhere(dialer *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, err
		}
		err = errLocal
		for _, a := range found {
			if resolve.IsLocal(a) {
				continue
			}
			var c net.Conn
			if c, err = dialer.DialContext(ctx, network, net.JoinHostPort(a.Unmap().String(), port)); err == nil {
				return c, nil
			}
		}
		return nil, err
	}
}
