package flow

import (
	"fmt"
	"strconv"
)

// PortName is a destination port for people: for ICMP and ICMPv6, where it holds type × 256 + code, the message's name,
// or type and code where it has none. Type and code 0 stay a number: goProbe's sensors store it for every message.
func PortName(port uint16, protocol Protocol) string {
	names, anyCode := icmpNames, icmpTypes
	switch protocol {
	case ICMP:
	case ICMPv6:
		names, anyCode = icmp6Names, icmp6Types
	default:
		return strconv.Itoa(int(port))
	}
	if port == 0 {
		return "0"
	}
	if name := names[port]; name != "" {
		return name
	}
	kind, code := port>>8, port&0xff
	if name := anyCode[kind]; name != "" {
		if code == 0 {
			return name
		}
		return fmt.Sprintf("%s/%d", name, code)
	}
	return fmt.Sprintf("type %d/%d", kind, code)
}

// The names follow IANA's registries of ICMP and ICMPv6 parameters, in the short form that packet filters use.
var icmpTypes = map[uint16]string{
	0: "echo-reply", 3: "unreachable", 4: "source-quench", 5: "redirect", 8: "echo-request", 9: "router-advertisement",
	10: "router-solicitation", 11: "time-exceeded", 12: "parameter-problem", 13: "timestamp-request",
	14: "timestamp-reply", 15: "information-request", 16: "information-reply", 17: "mask-request", 18: "mask-reply",
	42: "extended-echo-request", 43: "extended-echo-reply",
}

var icmpNames = map[uint16]string{
	3 << 8: "net-unreachable", 3<<8 | 1: "host-unreachable", 3<<8 | 2: "protocol-unreachable",
	3<<8 | 3: "port-unreachable", 3<<8 | 4: "fragmentation-needed", 3<<8 | 5: "source-route-failed",
	3<<8 | 9: "net-prohibited", 3<<8 | 10: "host-prohibited", 3<<8 | 13: "admin-prohibited",
	11 << 8: "ttl-exceeded", 11<<8 | 1: "reassembly-timeout",
}

var icmp6Types = map[uint16]string{
	1: "unreachable", 2: "packet-too-big", 3: "time-exceeded", 4: "parameter-problem", 128: "echo-request",
	129: "echo-reply", 130: "mld-query", 131: "mld-report", 132: "mld-done", 133: "router-solicitation",
	134: "router-advertisement", 135: "neighbor-solicitation", 136: "neighbor-advertisement", 137: "redirect",
	138: "router-renumbering", 143: "mld2-report", 160: "extended-echo-request", 161: "extended-echo-reply",
}

var icmp6Names = map[uint16]string{
	1 << 8: "no-route", 1<<8 | 1: "admin-prohibited", 1<<8 | 2: "beyond-scope", 1<<8 | 3: "address-unreachable",
	1<<8 | 4: "port-unreachable", 1<<8 | 5: "failed-policy", 1<<8 | 6: "reject-route",
	3 << 8: "hop-limit-exceeded", 3<<8 | 1: "reassembly-timeout",
}
