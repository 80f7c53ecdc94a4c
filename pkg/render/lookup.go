package render

import (
	"net/netip"
	"strconv"
)

// lookUp is something that is looked up of an address and stands in a column beside it, never instead of it.
type lookUp string

const (
	lookUpName         lookUp = "name"
	lookUpCountry      lookUp = "country"
	lookUpASN          lookUp = "asn"
	lookUpOrganisation lookUp = "organisation"
)

// lookUps are those that were asked for.
func (v View) lookUps() []lookUp {
	var list []lookUp
	r := v.Query.Request
	if r != nil && r.DNSResolution != nil && r.DNSResolution.Enabled {
		list = append(list, lookUpName)
	}
	if r != nil && r.Enrich {
		list = append(list, lookUpCountry, lookUpASN, lookUpOrganisation)
	}
	return list
}

// lookUp is what was found of an address; empty if nothing was.
func (c cells) lookUp(what lookUp, a netip.Addr) string {
	switch what {
	case lookUpName:
		return c.names[a]
	case lookUpCountry:
		return c.origin[a].Country
	case lookUpASN:
		if n := c.origin[a].ASN; n != 0 {
			return strconv.FormatUint(uint64(n), 10)
		}
	case lookUpOrganisation:
		return c.origin[a].Organisation
	}
	return ""
}
