package filter

import "net/netip"

// classes is a set of address classes, one bit each.
type classes uint16

// class is a named set of networks.
type class struct {
	name        string
	description string
	networks    []string // for public: what is not public
}

// classTable are the classes; the bit of a class is its index.
var classTable = [...]class{
	{"private", "RFC 1918 and unique local addresses (RFC 4193)", []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}},
	{"public", "globally reachable unicast: none of the other classes, nor reserved, documentation or benchmarking", notPublic},
	{"loopback", "127.0.0.0/8 and ::1", []string{"127.0.0.0/8", "::1/128"}},
	{"linklocal", "169.254.0.0/16 and fe80::/10", []string{"169.254.0.0/16", "fe80::/10"}},
	{"multicast", "224.0.0.0/4 and ff00::/8", []string{"224.0.0.0/4", "ff00::/8"}},
	{"broadcast", "255.255.255.255; the broadcast address of a network is not known to a flow", []string{"255.255.255.255/32"}},
	{"unspecified", "0.0.0.0 and ::", []string{"0.0.0.0/32", "::/128"}},
	{"shared", "carrier-grade NAT, 100.64.0.0/10 (RFC 6598)", []string{"100.64.0.0/10"}},
}

// notPublic is what IANA's registries of special-purpose addresses (RFC 6890) list as not globally reachable, and
// multicast. Of IPv6, only 2000::/3 and the well-known NAT64 prefix are public at all.
var notPublic = []string{
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"::/3", "2001:2::/48", "2001:10::/28", "2001:db8::/32", "3fff::/20", "4000::/2", "8000::/1",
}

var classByName = func() map[string]classes {
	byName := make(map[string]classes)
	for i, c := range classTable {
		byName[c.name] = 1 << i
	}
	return byName
}()

func classNames() []string {
	names := make([]string, len(classTable))
	for i, c := range classTable {
		names[i] = c.name
	}
	return names
}

// classRanges are the addresses of each class.
var classRanges = func() (sets [len(classTable)]addressSet) {
	for i, c := range classTable {
		for _, network := range c.networks {
			sets[i].addPrefix(netip.MustParsePrefix(network))
		}
		sets[i].merge()
		if c.name == "public" {
			sets[i] = sets[i].complement()
			sets[i].addPrefix(netip.MustParsePrefix("64:ff9b::/96")) // NAT64, RFC 6052
			sets[i].merge()
		}
	}
	return sets
}()

// complement is the set of all addresses that are not in the merged ranges of s.
func (s *addressSet) complement() (c addressSet) {
	next := uint64(0)
	for _, r := range s.v4 {
		if uint64(r.from()) > next {
			c.v4 = append(c.v4, makeRange4(uint32(next), r.from()-1))
		}
		next = uint64(r.to()) + 1
	}
	if next < 1<<32 {
		c.v4 = append(c.v4, makeRange4(uint32(next), ^uint32(0)))
	}
	from, done := addr6(address6{}), false
	for _, r := range s.v6 {
		if first := addr6(r.from); from.Less(first) {
			c.addRange(from, first.Prev())
		}
		from = addr6(r.to).Next()
		done = !from.IsValid()
	}
	if !done {
		c.addRange(from, addr6(address6{^uint64(0), ^uint64(0)}))
	}
	return c
}
