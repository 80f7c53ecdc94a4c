package resolve

import "net/netip"

// IsLocal says that an address is one of this machine or its links, by its form: loopback, link-local, multicast or
// unspecified. What comes from elsewhere must not make us connect there.
func IsLocal(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified()
}
