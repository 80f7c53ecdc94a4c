package capture

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
)

// Bounds of a filter's text, and of how deep it nests.
const (
	maxFilterText  = 4096
	maxFilterDepth = 64
)

// parseFilter reads tcpdump's language (pcap-filter(7)), as far as docs/CAPTURE.md says. "and" and "or" bind alike, from
// the left, as they do there.
func parseFilter(text string) (node, error) {
	if len(text) > maxFilterText {
		return nil, fmt.Errorf("is longer than %d bytes", maxFilterText)
	}
	p := &filterParser{}
	p.split(text)
	n, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if p.next < len(p.words) {
		return nil, p.fault("nothing more, or 'and' or 'or'")
	}
	return n, nil
}

// filterWord is a word or sign, and where it stands.
type filterWord struct {
	text string
	at   int
}

type filterParser struct {
	words []filterWord
	next  int
	end   int    // of the text
	last  prefix // what a value alone goes on with: port 22 or 80
}

// prefix is what stands in front of a value.
type prefix struct {
	protocol, kind string
	side           side
}

func (p *filterParser) split(text string) {
	p.end = len(text)
	for at := 0; at < len(text); {
		size := 1
		switch c := text[at]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			at++
			continue
		case strings.HasPrefix(text[at:], "&&"), strings.HasPrefix(text[at:], "||"):
			size = 2
		case strings.IndexByte("()!", c) < 0:
			if size = strings.IndexAny(text[at:], " \t\r\n()!&|"); size < 0 {
				size = len(text) - at
			}
			size = max(size, 1)
		}
		word := text[at : at+size]
		switch word {
		case "&&":
			word = "and"
		case "||":
			word = "or"
		case "!":
			word = "not"
		}
		p.words = append(p.words, filterWord{word, at})
		at += size
	}
}

// peek is the word so many behind the next one, "" behind the end.
func (p *filterParser) peek(ahead int) string {
	if p.next+ahead < len(p.words) {
		return p.words[p.next+ahead].text
	}
	return ""
}

func (p *filterParser) take(word string) bool {
	if p.peek(0) != word || p.next >= len(p.words) {
		return false
	}
	p.next++
	return true
}

// fault says what should stand at the next word.
func (p *filterParser) fault(wanted string) error {
	if p.next >= len(p.words) {
		return fmt.Errorf("column %d: the filter ends, %s is missing", p.end+1, wanted)
	}
	word := p.words[p.next]
	if strings.ContainsAny(word.text, "[]<>=&|+*") {
		return fmt.Errorf("column %d: %q: comparisons of packet data are not supported, use a filter program (bpf)", word.at+1, word.text)
	}
	hint := ""
	if nearest, ok := flow.Nearest(word.text, filterWords); ok && nearest != word.text {
		hint = fmt.Sprintf("; did you mean %q?", nearest)
	}
	return fmt.Errorf("column %d: %q: expected %s%s", word.at+1, word.text, wanted, hint)
}

func (p *filterParser) expression(depth int) (node, error) {
	left, err := p.term(depth)
	for err == nil {
		var right node
		switch {
		case p.take("and"):
			right, err = p.term(depth)
			left = both{left, right}
		case p.take("or"):
			right, err = p.term(depth)
			left = either{left, right}
		default:
			return left, nil
		}
	}
	return nil, err
}

func (p *filterParser) term(depth int) (node, error) {
	if depth > maxFilterDepth {
		return nil, fmt.Errorf("is nested more than %d deep", maxFilterDepth)
	}
	switch {
	case p.take("not"):
		n, err := p.term(depth + 1)
		return not{n}, err
	case p.take("("):
		n, err := p.expression(depth + 1)
		if err == nil && !p.take(")") {
			err = p.fault("')'")
		}
		return n, err
	}
	return p.primitive()
}

// The protocols of the language: those of IP, by number, and which families they are of.
type namedProtocol struct {
	number uint8
	family flow.Family // 0: both
}

var namedProtocols = map[string]namedProtocol{
	"icmp": {1, flow.IPv4}, "igmp": {2, flow.IPv4}, "tcp": {6, 0}, "udp": {17, 0}, "esp": {50, 0}, "ah": {51, 0},
	"icmp6": {58, flow.IPv6}, "pim": {103, 0}, "vrrp": {112, flow.IPv4}, "sctp": {132, 0},
}

var etherTypes = map[string]uint16{"ip": 0x0800, "arp": 0x0806, "rarp": 0x8035, "ip6": 0x86dd}

var filterWords = []string{"ah", "and", "arp", "broadcast", "dst", "esp", "ether", "greater", "host", "icmp", "icmp6", "igmp", "inbound", "ip", "ip6",
	"less", "multicast", "net", "not", "or", "outbound", "pim", "port", "portrange", "proto", "rarp", "sctp", "src", "tcp", "udp", "vlan", "vrrp"}

// primitive reads one term without an operator.
func (p *filterParser) primitive() (node, error) {
	switch word := p.peek(0); word {
	case "less", "greater":
		p.next++
		n, err := p.number(1 << 24)
		return lengthIs{n, word == "less"}, err
	case "inbound", "outbound":
		p.next++
		return sentIs(word == "outbound"), nil
	case "vlan":
		p.next++
		if c := p.peek(0); c == "" || c[0] < '0' || c[0] > '9' {
			return vlanIs(anyVLAN), nil
		}
		n, err := p.number(4095)
		return vlanIs(n), err
	case "broadcast", "multicast":
		p.next++
		return groupIs{broadcast: word == "broadcast"}, nil
	}
	q, given := p.prefix()
	if !given {
		if p.last.kind == "" {
			return nil, p.fault("a term such as host, net, port or a protocol")
		}
		return p.value(p.last)
	}
	if q.kind == "" && q.side == 0 && (p.next == len(p.words) || slices.Contains([]string{"and", "or", ")"}, p.peek(0))) {
		return p.protocol(q.protocol)
	}
	if p.peek(0) == "multicast" || p.peek(0) == "broadcast" && q.protocol == "ether" {
		return p.group(q)
	}
	if q.kind == "" {
		q.kind = "host"
	}
	p.last = q
	return p.value(q)
}

// prefix reads what stands in front of a value; given says that something did.
func (p *filterParser) prefix() (q prefix, given bool) {
	begin := p.next
	word := p.peek(0)
	_, isNamed := namedProtocols[word]
	_, isEther := etherTypes[word]
	if isNamed || isEther || word == "ether" {
		q.protocol = word
		p.next++
	}
	switch {
	case (p.peek(0) == "src" || p.peek(0) == "dst") && (p.peek(1) == "or" || p.peek(1) == "and") && (p.peek(2) == "src" || p.peek(2) == "dst"):
		q.side = eitherSide
		if p.peek(1) == "and" {
			q.side = bothSides
		}
		p.next += 3
	case p.take("src"):
		q.side = sourceSide
	case p.take("dst"):
		q.side = destinationSide
	}
	if slices.Contains([]string{"host", "net", "port", "portrange", "proto"}, p.peek(0)) {
		q.kind = p.peek(0)
		p.next++
	}
	return q, p.next > begin
}

// protocol is a protocol without a value.
func (p *filterParser) protocol(name string) (node, error) {
	if etherType, ok := etherTypes[name]; ok {
		return etherTypeIs(etherType), nil
	}
	if named, ok := namedProtocols[name]; ok {
		return protocolIs(named), nil
	}
	return nil, p.fault("what the word in front speaks of")
}

func (p *filterParser) group(q prefix) (node, error) {
	broadcast := p.peek(0) == "broadcast"
	p.next++
	switch q.protocol {
	case "ether":
		return groupIs{broadcast: broadcast}, nil
	case "ip":
		return addressIn{netip.MustParsePrefix("224.0.0.0/4"), destinationSide}, nil
	case "ip6":
		return addressIn{netip.MustParsePrefix("ff00::/8"), destinationSide}, nil
	}
	p.next--
	return nil, p.fault("a value")
}

// value reads a value of the kind that the prefix names.
func (p *filterParser) value(q prefix) (node, error) {
	switch q.kind {
	case "host", "net":
		return p.address(q)
	case "port", "portrange":
		return p.ports(q)
	}
	if q.side != 0 {
		p.next--
		return nil, p.fault("proto without src or dst")
	}
	if named, ok := namedProtocols[strings.TrimPrefix(p.peek(0), `\`)]; ok && q.protocol != "ether" {
		p.next++
		return protocolIs{named.number, familyOf(q.protocol)}, nil
	}
	switch q.protocol {
	case "", "ip", "ip6":
		n, err := p.number(255)
		return protocolIs{uint8(n), familyOf(q.protocol)}, err
	case "ether":
		n, err := p.number(0xffff)
		return etherTypeIs(n), err
	}
	p.next--
	return nil, p.fault("proto behind ip, ip6 or ether")
}

func familyOf(protocol string) flow.Family {
	return map[string]flow.Family{"ip": flow.IPv4, "ip6": flow.IPv6}[protocol]
}

func (p *filterParser) address(q prefix) (node, error) {
	word := p.peek(0)
	if q.protocol == "ether" && q.kind == "host" {
		mac, err := net.ParseMAC(word)
		if err != nil || len(mac) != 6 {
			return nil, p.fault("an Ethernet address")
		}
		p.next++
		return hardwareIs{[6]byte(mac), q.side}, nil
	}
	family := familyOf(q.protocol)
	if q.protocol != "" && family == 0 {
		return nil, p.fault("an address behind ip, ip6 or ether")
	}
	network, err := parseNetwork(word, q.kind == "net")
	if err != nil || family != 0 && (family == flow.IPv4) != network.Addr().Is4() {
		return nil, p.fault(map[bool]string{true: "a network such as 192.0.2.0/24", false: "an address (names are not looked up)"}[q.kind == "net"])
	}
	p.next++
	return addressIn{network, q.side}, nil
}

// parseNetwork reads an address, or a network: with its length, or IPv4 with trailing zeros left out.
func parseNetwork(text string, network bool) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		prefix, err := netip.ParsePrefix(text)
		if err == nil && (!network || prefix.Masked() != prefix) {
			err = fmt.Errorf("%q is no network", text)
		}
		return prefix, err
	}
	if parts := strings.Count(text, ".") + 1; network && parts < 4 && !strings.Contains(text, ":") {
		text += strings.Repeat(".0", 4-parts)
		address, err := netip.ParseAddr(text)
		return netip.PrefixFrom(address, 8*parts), err
	}
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is no address", text)
	}
	return netip.PrefixFrom(address, address.BitLen()), nil
}

func (p *filterParser) ports(q prefix) (node, error) {
	protocols := []uint8{6, 17, 132}
	switch named, ok := namedProtocols[q.protocol]; {
	case ok && slices.Contains(protocols, named.number):
		protocols = []uint8{named.number}
	case q.protocol != "":
		return nil, p.fault("a port behind tcp, udp or sctp")
	}
	low, high, isRange := strings.Cut(p.peek(0), "-")
	if isRange != (q.kind == "portrange") {
		return nil, p.fault(map[bool]string{true: "a port", false: "two ports, as 8000-8080"}[isRange])
	}
	first, err := portNumber(low, q.protocol)
	last := first
	if err == nil && isRange {
		last, err = portNumber(high, q.protocol)
	}
	if err != nil || first > last {
		return nil, p.fault("a port from 0 to 65535")
	}
	p.next++
	return portIn{protocols, first, last, q.side}, nil
}

// portNumber is a number or the name of a service of this machine.
func portNumber(text, protocol string) (uint16, error) {
	if n, err := strconv.ParseUint(text, 10, 16); err == nil {
		return uint16(n), nil
	}
	for _, network := range []string{"tcp", "udp"} {
		if protocol == "" || protocol == network {
			if n, err := (&net.Resolver{PreferGo: true}).LookupPort(context.Background(), network, text); err == nil && text != "" {
				return uint16(n), nil
			}
		}
	}
	return 0, fmt.Errorf("%q is no port", text)
}

func (p *filterParser) number(most uint64) (uint32, error) {
	n, err := strconv.ParseUint(p.peek(0), 0, 32)
	if err != nil || n > most {
		return 0, p.fault(fmt.Sprintf("a number up to %d", most))
	}
	p.next++
	return uint32(n), nil
}
