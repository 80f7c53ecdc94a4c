package actors

import (
	"fmt"
	"net/netip"
	"strings"
)

// IPv4 addresses written as IPv6 ones are IPv4 addresses: a range of IPv6 that holds them is not meant so.
var firstMapped, lastMapped = netip.MustParseAddr("::ffff:0:0"), netip.MustParseAddr("::ffff:ffff:ffff")

// parseRange reads a range of addresses, which is taken apart into prefixes.
func parseRange(text string) ([]netip.Prefix, error) {
	from, to, _ := strings.Cut(text, "-")
	first, err := netip.ParseAddr(strings.TrimSpace(from))
	if err != nil {
		return nil, fmt.Errorf("%q is no range of addresses", clip(text))
	}
	last, err := netip.ParseAddr(strings.TrimSpace(to))
	if err != nil || first.Zone() != "" || last.Zone() != "" {
		return nil, fmt.Errorf("%q is no range of addresses", clip(text))
	}
	first, last = first.Unmap(), last.Unmap()
	if first.BitLen() != last.BitLen() || last.Less(first) {
		return nil, fmt.Errorf("%q ends before it begins, or in another family", clip(text))
	}
	if first.Is6() && !lastMapped.Less(first) && !last.Less(firstMapped) {
		return nil, fmt.Errorf("%q covers all of IPv4, as mapped addresses", clip(text))
	}
	return cover(first, last), nil
}

// cover are the prefixes that make up a range: two for each bit at most.
func cover(first, last netip.Addr) (list []netip.Prefix) {
	for first.IsValid() && !last.Less(first) {
		p := netip.PrefixFrom(first, first.BitLen())
		for p.Bits() > 0 {
			wider := netip.PrefixFrom(first, p.Bits()-1).Masked()
			if wider.Addr() != first || last.Less(lastOf(wider)) {
				break
			}
			p = wider
		}
		list = append(list, p)
		first = lastOf(p).Next()
	}
	return list
}

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		switch kept := p.Bits() - 8*i; {
		case kept <= 0:
			b[i] = 0xff
		case kept < 8:
			b[i] |= 0xff >> kept
		}
	}
	a, _ := netip.AddrFromSlice(b) // never fails: the length is that of an address
	return a
}
