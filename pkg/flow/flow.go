// Package flow is the vocabulary every other package speaks: the key of a flow, its counters, the interval it
// was counted in, and the one table of attributes, labels and counters (fields.go). It is floor 0: it imports
// nothing of this module and does no I/O.
//
// Invariants: a Key holds IPv4 addresses in the first four bytes of an Address, the rest zero, and says so in
// Family; the source is the initiator and the destination the responder of a conversation; counters are relative
// to the capturing interface (received = the interface took the packet in, sent = it gave the packet out).
package flow

import (
	"bytes"
	"cmp"
	"net/netip"
)

// Family is the IP version of a key. The zero value is invalid on purpose.
type Family uint8

// The two families a key can have.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// Address is an IP address in network byte order; an IPv4 address stands in the first four bytes, the other
// twelve are zero. It says nothing about its family: the Key that holds it does.
type Address [16]byte

// AddressFrom converts an address of package netip; zones are dropped and IPv4-mapped IPv6 addresses stay IPv6.
func AddressFrom(address netip.Addr) (Address, Family) {
	if address.Is4() {
		var a Address
		b := address.As4()
		copy(a[:], b[:])
		return a, IPv4
	}
	return address.As16(), IPv6
}

// Netip returns the address as package netip knows it; the zero netip.Addr for an invalid family.
func (a Address) Netip(family Family) netip.Addr {
	switch family {
	case IPv4:
		return netip.AddrFrom4([4]byte(a[:4]))
	case IPv6:
		return netip.AddrFrom16(a)
	}
	return netip.Addr{}
}

// Key identifies a flow in the store: source (initiator), destination (responder), the responder's port and the
// IP protocol. For ICMP and ICMPv6 the port holds type × 256 + code of the initiator's message; for protocols
// without ports it is 0. A Key is comparable and holds no pointers.
type Key struct {
	Source          Address
	Destination     Address
	DestinationPort uint16
	Protocol        Protocol
	Family          Family
}

// SourceAddr returns the initiator's address.
func (k Key) SourceAddr() netip.Addr { return k.Source.Netip(k.Family) }

// DestinationAddr returns the responder's address.
func (k Key) DestinationAddr() netip.Addr { return k.Destination.Netip(k.Family) }

// Folded says that the key is that of a folded row: packets whose conversations had no room in a full flow table,
// summed by family and protocol, without addresses. Such a row matches no term on an address.
func (k Key) Folded() bool {
	return k.Source == Address{} && k.Destination == Address{} && k.DestinationPort == 0
}

// Compare orders keys: IPv4 before IPv6, then source, destination, port and protocol.
func (k Key) Compare(o Key) int {
	if c := cmp.Compare(k.Family, o.Family); c != 0 {
		return c
	}
	if c := bytes.Compare(k.Source[:], o.Source[:]); c != 0 {
		return c
	}
	if c := bytes.Compare(k.Destination[:], o.Destination[:]); c != 0 {
		return c
	}
	if c := cmp.Compare(k.DestinationPort, o.DestinationPort); c != 0 {
		return c
	}
	return cmp.Compare(k.Protocol, o.Protocol)
}

// Record is one row of an interval: a flow and what was counted for it.
type Record struct {
	Key      Key
	Counters Counters
}
