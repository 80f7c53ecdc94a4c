package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
)

// SourceName is the name under which the source stands on the wire: sip, or sip/N.
func (a *Attributes) SourceName() string { return addressName("sip", a.SourceBits) }

// DestinationName is the name under which the destination stands on the wire: dip, or dip/N.
func (a *Attributes) DestinationName() string { return addressName("dip", a.DestinationBits) }

func addressName(base string, bits uint8) string {
	if bits == 0 {
		return base
	}
	return base + "/" + strconv.Itoa(int(bits))
}

// SourceText is the source as it stands on the wire, a network if the query groups by sip/N; empty without one.
func (a *Attributes) SourceText() string { return string(appendNetwork(nil, a.Source, a.SourceBits)) }

// DestinationText is the destination as it stands on the wire, a network if the query groups by dip/N; empty without
// one.
func (a *Attributes) DestinationText() string {
	return string(appendNetwork(nil, a.Destination, a.DestinationBits))
}

// appendNetwork appends an address, and with bits its network's length, which is at most that of the family.
func appendNetwork(b []byte, a netip.Addr, bits uint8) []byte {
	if !a.IsValid() {
		return b
	}
	b = a.AppendTo(b)
	if bits > 0 {
		b = strconv.AppendUint(append(b, '/'), uint64(min(int(bits), a.BitLen())), 10)
	}
	return b
}

// Network is the first address of the network of so many bits that holds an address; IPv4 has no more than 32.
func Network(a netip.Addr, bits uint8) netip.Addr {
	if bits == 0 || !a.IsValid() {
		return a
	}
	p, err := a.WithZone("").Prefix(min(int(bits), a.BitLen()))
	if err != nil { // cannot be: the length is one of the family's
		return a
	}
	return p.Addr()
}

// appendMembers appends what stands between the braces of a JSON object that began at start.
func (a *Attributes) appendMembers(b []byte, start int) []byte {
	b = appendAddress(b, start, `"sip`, a.Source, a.SourceBits)
	b = appendAddress(b, start, `"dip`, a.Destination, a.DestinationBits)
	b = appendNumber(b, start, `"dport":`, uint64(a.DestinationPort))
	b = appendNumber(b, start, `"proto":`, uint64(a.Protocol))
	return appendText(b, start, `"verdict":`, a.Verdict)
}

// appendAddress expects the name with its opening quote only.
func appendAddress(b []byte, start int, name string, a netip.Addr, bits uint8) []byte {
	if !a.IsValid() {
		return b
	}
	b = appendName(b, start, name)
	if bits > 0 {
		b = strconv.AppendUint(append(b, '/'), uint64(bits), 10)
	}
	b = append(b, `":`...)
	if a.Zone() != "" {
		return appendString(b, string(appendNetwork(nil, a, bits)))
	}
	return append(appendNetwork(append(b, '"'), a, bits), '"')
}

// MarshalJSON writes the members that are not zero, addresses under the names that the query has for them.
func (a Attributes) MarshalJSON() ([]byte, error) {
	return append(a.appendMembers([]byte{'{'}, 1), '}'), nil
}

// UnmarshalJSON is the inverse of MarshalJSON. Members that are not known are ignored, as clients of goProbe do.
func (a *Attributes) UnmarshalJSON(data []byte) error {
	type plain Attributes // without methods
	*a = Attributes{}
	if err := json.Unmarshal(data, (*plain)(a)); err != nil {
		return err
	}
	if !bytes.Contains(data, []byte(`ip/`)) { // the common case: no networks
		return nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	for name, value := range all {
		base, bits, ok := strings.Cut(name, "/")
		if !ok || base != "sip" && base != "dip" {
			continue
		}
		n, err := strconv.ParseUint(bits, 10, 8)
		if err != nil || n < 1 || n > 128 {
			return fmt.Errorf("attribute %q: no number of bits from 1 to 128", clip(name))
		}
		network, err := parseNetwork(value)
		if err != nil {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
		if base == "sip" {
			a.Source, a.SourceBits = network, uint8(n)
		} else {
			a.Destination, a.DestinationBits = network, uint8(n)
		}
	}
	return nil
}

// parseNetwork reads the first address of a network, with or without its length, which the name says, too.
func parseNetwork(value json.RawMessage) (netip.Addr, error) {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return netip.Addr{}, err
	}
	base, _, _ := strings.Cut(text, "/")
	return netip.ParseAddr(base)
}

// prefixes are the numbers of bits by which a query groups addresses; 0: whole addresses.
func (q *Query) prefixes() (source, destination uint8) {
	for _, c := range q.Columns {
		if c.Field.Type == flow.TypeAddress && c.Prefix > 0 {
			if c.Field.Name == "sip" {
				source = c.Prefix
			} else {
				destination = c.Prefix
			}
		}
	}
	return source, destination
}
