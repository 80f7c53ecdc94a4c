package frames

import (
	"strconv"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// otherText stands in the dimensions of what the limit cut off.
const otherText = "Other"

func port(number uint16) string { return strconv.Itoa(int(number)) }

// cutPrefix splits the name of an address column that groups by networks.
func cutPrefix(column wire.Column) (base, bits string, ok bool) {
	if column.Prefix == 0 {
		return column.Name, "", false
	}
	return strings.Cut(column.Name, "/")
}

// columnNames are the names of the fields that the columns make.
func columnNames(columns []wire.Column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return names
}

// service is port and protocol, or protocol and message of ICMP: "443/tcp", "icmp echo-request".
func service(port, protocol string) string {
	number, err := strconv.ParseUint(port, 10, 16)
	known, ok := flow.ParseProtocol(protocol)
	if err == nil && ok && (known == flow.ICMP || known == flow.ICMPv6) {
		return protocol + " " + flow.PortName(uint16(number), known)
	}
	return port + "/" + protocol
}

// title is how a person would write a group: "10.0.0.1 → 10.0.0.2 443/tcp", and the rest as it comes. It is
// empty where nothing is grouped by.
func title(columns []wire.Column, texts []string) string {
	var words []string
	for i := 0; i < len(columns); i++ {
		word := texts[i]
		if i+1 < len(columns) {
			switch columns[i].Field.Name + " " + columns[i+1].Field.Name {
			case "sip dip":
				word += " → " + texts[i+1]
				i++
			case "dport proto":
				word = service(word, texts[i+1])
				i++
			}
		}
		if word != "" {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}
