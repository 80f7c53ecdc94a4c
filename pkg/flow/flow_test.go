package flow

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func key(source, destination string, port uint16, protocol Protocol) Key {
	k := Key{DestinationPort: port, Protocol: protocol}
	k.Source, k.Family = AddressFrom(netip.MustParseAddr(source))
	k.Destination, _ = AddressFrom(netip.MustParseAddr(destination))
	return k
}

func TestKeyCompareOrder(t *testing.T) {
	ordered := []Key{
		key("0.0.0.0", "0.0.0.0", 0, 0),
		key("9.255.255.255", "1.1.1.1", 80, TCP),
		key("10.0.0.1", "1.1.1.1", 79, UDP),
		key("10.0.0.1", "1.1.1.1", 80, TCP),
		key("10.0.0.1", "1.1.1.1", 80, UDP),
		key("10.0.0.1", "1.1.1.1", 256, TCP), // a port is compared as a number, not by its bytes
		key("10.0.0.1", "200.0.0.1", 1, TCP),
		key("::", "::", 0, 0), // every IPv4 key before every IPv6 key
		key("2001:db8::1", "::", 0, 0),
		key("2001:db8::1", "::1", 65535, 255),
	}
	for i, a := range ordered {
		for j, b := range ordered {
			if got, want := a.Compare(b), cmp.Compare(i, j); got != want {
				t.Errorf("(%v).Compare(%v) = %d, want %d", a, b, got, want)
			}
		}
	}
}

// The order is total, and agrees with the order of the addresses in package netip.
func TestKeyCompareProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	few := func(n int) byte { return byte(random.IntN(n)) } // small, so that keys share parts
	draw := func() Key {
		k := Key{Family: [...]Family{IPv4, IPv6}[random.IntN(2)], DestinationPort: uint16(few(3)), Protocol: Protocol(few(3))}
		k.Source[random.IntN(4)], k.Destination[random.IntN(4)] = few(3), few(3)
		return k
	}
	reference := func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), a.SourceAddr().Compare(b.SourceAddr()),
			a.DestinationAddr().Compare(b.DestinationAddr()), cmp.Compare(a.DestinationPort, b.DestinationPort),
			cmp.Compare(a.Protocol, b.Protocol))
	}
	for range 20_000 {
		a, b := draw(), draw()
		switch got := a.Compare(b); {
		case got != reference(a, b):
			t.Fatalf("(%v).Compare(%v) = %d, by the addresses %d", a, b, got, reference(a, b))
		case got != -b.Compare(a):
			t.Fatalf("%v and %v: not antisymmetric", a, b)
		case (got == 0) != (a == b):
			t.Fatalf("%v and %v: equal in order, not in value", a, b)
		}
	}
	keys := make([]Key, 1000)
	for i := range keys {
		keys[i] = draw()
	}
	slices.SortFunc(keys, Key.Compare)
	if !slices.IsSortedFunc(keys, reference) {
		t.Error("sorting by Compare does not sort by the addresses")
	}
}

func TestAddressRoundTrip(t *testing.T) {
	for _, text := range []string{"0.0.0.0", "10.1.2.3", "255.255.255.255", "::", "::1", "2001:db8::1", "::ffff:10.1.2.3"} {
		want := netip.MustParseAddr(text)
		address, family := AddressFrom(want)
		if got := address.Netip(family); got != want {
			t.Errorf("%s comes back as %s", want, got)
		}
		if (family == IPv4) != want.Is4() {
			t.Errorf("%s is of family %d", want, family)
		}
	}
	zoned, family := AddressFrom(netip.MustParseAddr("fe80::1%eth0"))
	if got := zoned.Netip(family); got != netip.MustParseAddr("fe80::1") {
		t.Errorf("the zone was kept: %s", got)
	}
	four, _ := AddressFrom(netip.MustParseAddr("1.2.3.4"))
	if four != (Address{1, 2, 3, 4}) {
		t.Errorf("an IPv4 address is not in the first four bytes: %v", four)
	}
	if got := four.Netip(0); got.IsValid() {
		t.Errorf("an address without a family is %s", got)
	}
}
