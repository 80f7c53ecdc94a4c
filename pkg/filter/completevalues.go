package filter

import (
	"strings"

	"github.com/weirflow/weir/pkg/flow"
)

// values proposes values of the attribute, and in a list what ends it.
func (c *completer) values(w want) {
	a := w.attribute
	switch {
	case w.operator == in || w.operator == notIn:
		if !w.list && c.prefix == "" {
			c.add(CompleteValue, "(", "opens a list")
		}
	case w.operator == is && !w.list:
		c.add(CompleteOperator, "not", operatorDescriptions[isNot])
	}
	switch a.kind {
	case kindAddress:
		c.addressValues(a, w)
	case kindText:
		c.textValues(a, w)
	case kindDirection:
		for i, description := range directionDescriptions {
			c.add(CompleteValue, directionNames[i], description)
		}
	case kindOrdinal, kindName:
		c.numberValues(a.domain())
	}
	if w.items > 0 && c.prefix == "" {
		c.add(CompleteConnective, ")", "closes the list")
	}
}

var directionDescriptions = [...]string{
	directionIn: "packets were received only", directionOut: "packets were sent only",
	directionUni: "packets in one direction only", directionBi: "packets in both directions",
}

func (c *completer) addressValues(a *attribute, w want) {
	if !a.networks {
		for _, class := range classTable {
			c.add(CompleteValue, class.name, class.description)
		}
	}
	if w.operator == is || w.operator == isNot {
		return
	}
	for _, name := range c.known.Lists {
		if ValidListName(name) {
			c.add(CompleteValue, "@"+name, "list of addresses")
		}
	}
}

func (c *completer) textValues(a *attribute, w want) {
	var values []string
	switch a.terms[0] {
	case Interface:
		values = c.known.Interfaces
	case HostName:
		values = c.known.Hosts
	case HostID:
		values = c.known.HostIDs
	case Label:
		values = c.known.Labels[w.key]
	}
	// Within an open quotation mark only quoted values fit.
	quoted := strings.HasPrefix(c.prefix, `"`)
	for _, value := range values {
		if text := Quote(value); quoted && text == value {
			c.add(CompleteValue, `"`+value+`"`, "")
		} else {
			c.add(CompleteValue, text, "")
		}
	}
}

func (c *completer) numberValues(d *domain) {
	switch d {
	case portDomain:
		for _, s := range services {
			c.add(CompleteValue, s.port, s.description)
		}
	case versionDomain:
		for _, version := range d.values {
			c.add(CompleteValue, version, "IPv"+version)
		}
	case protocolDomain:
		for _, p := range []flow.Protocol{flow.TCP, flow.UDP, flow.ICMP, flow.ICMPv6} {
			c.add(CompleteValue, Quote(p.String()), "")
		}
		for _, name := range d.names() {
			if p, _ := flow.ParseProtocol(name); p != flow.TCP && p != flow.UDP && p != flow.ICMP && p != flow.ICMPv6 {
				c.add(CompleteValue, Quote(name), "")
			}
		}
	default:
		for _, name := range d.names() {
			c.add(CompleteValue, name, "")
		}
	}
}

// services are the ports that are proposed: those people ask for most.
var services = []struct{ port, description string }{
	{"22", "SSH"}, {"25", "SMTP"}, {"53", "DNS"}, {"67", "DHCP"}, {"80", "HTTP"}, {"88", "Kerberos"}, {"110", "POP3"},
	{"123", "NTP"}, {"135", "RPC endpoint mapper"}, {"139", "NetBIOS"}, {"143", "IMAP"}, {"161", "SNMP"}, {"179", "BGP"},
	{"389", "LDAP"}, {"443", "HTTPS, QUIC"}, {"445", "SMB"}, {"500", "IKE"}, {"514", "syslog"}, {"587", "mail submission"},
	{"636", "LDAPS"}, {"853", "DNS over TLS"}, {"993", "IMAPS"}, {"1194", "OpenVPN"}, {"1433", "SQL Server"}, {"1521", "Oracle"},
	{"1812", "RADIUS"}, {"2049", "NFS"}, {"3306", "MySQL"}, {"3389", "RDP"}, {"4500", "IPsec NAT traversal"},
	{"4789", "VXLAN"}, {"5060", "SIP"}, {"5201", "iperf3"}, {"5432", "PostgreSQL"}, {"5900", "VNC"}, {"6379", "Redis"},
	{"6443", "Kubernetes API"}, {"8080", "HTTP"}, {"8145", "Weir, goProbe"}, {"8443", "HTTPS"}, {"9090", "Prometheus"},
	{"9092", "Kafka"}, {"9100", "node exporter"}, {"9200", "Elasticsearch"}, {"27017", "MongoDB"}, {"51820", "WireGuard"},
}
