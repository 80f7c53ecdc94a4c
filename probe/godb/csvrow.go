package godb

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"

	"github.com/weirflow/weir/pkg/flow"
)

// maxCached bounds the addresses that are remembered as text.
const maxCached = 1 << 16

// maxShown bounds how much of a field stands in a message.
const maxShown = 40

func shown(field []byte) string {
	if len(field) > maxShown {
		return fmt.Sprintf("%q…", field[:maxShown])
	}
	return fmt.Sprintf("%q", field)
}

// group reads what tells the interval of a line.
func (c *csvReader) group() (g csvGroup, err error) {
	end, err := number(c.values[csvTime], maxDay+secondsPerDay-1)
	if err != nil || end == 0 {
		return g, fmt.Errorf("time %s: expected Unix seconds", shown(c.values[csvTime]))
	}
	g = csvGroup{end: int64(end), iface: c.cfg.Interface}
	if c.named {
		text := c.values[csvInterface]
		name, known := c.names[string(text)]
		if !known {
			if len(text) == 0 {
				return g, errors.New("no interface")
			}
			if len(text) > maxName {
				return g, fmt.Errorf("interface %s: longer than %d bytes", shown(text), maxName)
			}
			name = string(text)
			if len(c.names) < maxCached {
				c.names[name] = name
			}
		}
		g.iface = name
	}
	return g, nil
}

// record reads the flow of a line.
func (c *csvReader) record() (r flow.Record, err error) {
	source, err := c.address(c.values[csvSource])
	if err != nil {
		return r, err
	}
	destination, err := c.address(c.values[csvDestination])
	if err != nil {
		return r, err
	}
	if source.family != destination.family {
		return r, errors.New("an IPv4 and an IPv6 address")
	}
	r.Key = flow.Key{Source: source.address, Destination: destination.address, Family: source.family}
	port, err := number(c.values[csvPort], math.MaxUint16)
	if err != nil {
		return r, fmt.Errorf("port %s: expected 0 to 65535", shown(c.values[csvPort]))
	}
	r.Key.DestinationPort = uint16(port)
	protocol, err := number(c.values[csvProtocol], math.MaxUint8)
	r.Key.Protocol = flow.Protocol(protocol)
	if err != nil {
		var ok bool
		if r.Key.Protocol, ok = flow.ParseProtocol(string(bytes.ToLower(c.values[csvProtocol]))); !ok {
			return r, fmt.Errorf("protocol %s: expected a name or 0 to 255", shown(c.values[csvProtocol]))
		}
	}
	n := &r.Counters
	for i, v := range [...]*uint64{&n.BytesReceived, &n.BytesSent, &n.PacketsReceived, &n.PacketsSent,
		&n.Attempts, &n.Accepts, &n.Rejects, &n.RoundTripNanoseconds, &n.RoundTrips} {
		if !c.present[csvCounters+i] {
			continue
		}
		if *v, err = number(c.values[csvCounters+i], math.MaxUint64); err != nil {
			return r, fmt.Errorf("%s %s: expected a number", csvNames[csvCounters+i], shown(c.values[csvCounters+i]))
		}
	}
	return r, nil
}

func (c *csvReader) address(text []byte) (csvAddress, error) {
	if a, ok := address4(text); ok {
		return csvAddress{a, flow.IPv4}, nil
	}
	if a, ok := c.addresses[string(text)]; ok {
		return a, nil
	}
	parsed, err := netip.ParseAddr(string(text))
	if err != nil || parsed.Zone() != "" {
		return csvAddress{}, fmt.Errorf("%s is no IP address", shown(text))
	}
	var a csvAddress
	a.address, a.family = flow.AddressFrom(parsed)
	if len(c.addresses) >= maxCached {
		clear(c.addresses)
	}
	c.addresses[string(text)] = a
	return a, nil
}

// address4 reads an IPv4 address in its usual form. False leaves it to package netip to say what the text is.
func address4(text []byte) (a flow.Address, ok bool) {
	part, digits, value := 0, 0, 0
	for _, c := range text {
		switch {
		case c >= '0' && c <= '9' && digits < 3 && (digits == 0 || value > 0):
			value = 10*value + int(c-'0')
			digits++
		case c == '.' && digits > 0 && part < 3 && value <= 255:
			a[part] = byte(value)
			part, digits, value = part+1, 0, 0
		default:
			return a, false
		}
	}
	a[3] = byte(value)
	return a, part == 3 && digits > 0 && value <= 255
}

var errNumber = errors.New("no number")

// number reads a decimal number up to a greatest one.
func number(text []byte, greatest uint64) (v uint64, err error) {
	if len(text) == 0 {
		return 0, errNumber
	}
	for _, digit := range text {
		digit -= '0'
		if digit > 9 || v > (greatest-uint64(digit))/10 {
			return 0, errNumber
		}
		v = v*10 + uint64(digit)
	}
	return v, nil
}
