package flow

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestProtocolNamesAreReadBack(t *testing.T) {
	for n := range 256 {
		p := Protocol(n)
		if got, ok := ParseProtocol(p.String()); !ok || got != p {
			t.Errorf("ParseProtocol(%q) = %d, %t; want %d", p, got, ok, p)
		}
		if got, ok := ParseProtocol(strconv.Itoa(n)); !ok || got != p {
			t.Errorf("ParseProtocol(%d) = %d, %t", n, got, ok)
		}
	}
}

func TestProtocolNamesAreUniqueLowerCaseAndNoNumbers(t *testing.T) {
	seen := make(map[string]bool)
	names := ProtocolNames()
	for name := range otherProtocolNames {
		names = append(names, name)
	}
	for _, name := range names {
		if seen[name] {
			t.Errorf("%q names two protocols", name)
		}
		seen[name] = true
		if name != strings.ToLower(name) || strings.ContainsAny(name, " \t\"'") {
			t.Errorf("%q is not lower case without white space", name)
		}
		if _, err := strconv.Atoi(name); err == nil {
			t.Errorf("%q is a number", name)
		}
	}
	if len(ProtocolNames()) != 143 {
		t.Errorf("%d names; a change of the registry changes this number", len(ProtocolNames()))
	}
}

func TestParseProtocol(t *testing.T) {
	for _, test := range []struct {
		name string
		want Protocol
		ok   bool
	}{
		{"tcp", TCP, true}, {"udp", UDP, true}, {"icmp", ICMP, true}, {"sctp", SCTP, true}, {"udplite", UDPLite, true},
		{"ipv6-icmp", ICMPv6, true}, {"icmpv6", ICMPv6, true}, {"icmp6", ICMPv6, true},
		{"ospf", 89, true}, {"ospfigp", 89, true}, {"esp", 50, true}, {"gre", 47, true}, {"hopopt", 0, true},
		{"0", 0, true}, {"255", 255, true},
		{"256", 0, false}, {"-1", 0, false}, {"", 0, false}, {"TCP", 0, false}, {"tcp ", 0, false},
	} {
		if got, ok := ParseProtocol(test.name); ok != test.ok || ok && got != test.want {
			t.Errorf("ParseProtocol(%q) = %d, %t; want %d, %t", test.name, got, ok, test.want, test.ok)
		}
	}
}

// The system's own table is an independent witness; where it says something else on purpose, we read its name, too.
func TestProtocolsOfTheSystem(t *testing.T) {
	file, err := os.Open("/etc/protocols")
	if err != nil {
		t.Skipf("%s: no /etc/protocols here", t.Name())
	}
	defer file.Close()
	renamed := map[string]bool{
		"ip":   true, // IPv6 hop-by-hop options share its number 0
		"rspf": true, // 73 is CPHB now
	}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		columns := strings.Fields(line)
		if len(columns) < 2 || renamed[columns[0]] {
			continue
		}
		number, err := strconv.Atoi(columns[1])
		if err != nil || number > 255 {
			continue
		}
		if p, ok := ParseProtocol(strings.ToLower(columns[0])); !ok || int(p) != number {
			t.Errorf("ParseProtocol(%q) = %d, %t; the system says %d", columns[0], p, ok, number)
		}
	}
}
