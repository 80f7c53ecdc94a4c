package client

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
)

// errLocal says that a name leads to where it may not.
var errLocal = errors.New("addresses of this machine and of its links are refused")

// refuseLocal is a net.Dialer's ControlContext: it sees the address that is connected to, after all lookups.
func refuseLocal(_ context.Context, _, address string, _ syscall.RawConn) error {
	where, err := netip.ParseAddrPort(address)
	if err != nil || IsLocal(where.Addr()) {
		return errLocal
	}
	return nil
}

// IsLocal says that an address is one of this machine or its links, by its form: loopback, link-local, multicast or
// unspecified.
func IsLocal(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified()
}
