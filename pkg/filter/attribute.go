package filter

import (
	"slices"
	"strings"

	"github.com/weirflow/weir/pkg/flow"
)

// Attribute is what a term looks at. The zero value is invalid on purpose.
type Attribute uint8

// The attributes. Direction and Counter look at the sums of a whole group of rows, the others at one row.
const (
	_           Attribute = iota
	Source                // initiator's address
	Destination           // responder's address
	Port                  // responder's port, or ICMP type × 256 + code
	Protocol              // IP protocol
	Version               // IP version
	Verdict               // what became of the connection attempts
	Interface             // interface that captured
	HostName              // name of the host that captured
	HostID                // identity of the host that captured
	Label                 // operator's label of the host; Term.Key says which
	Direction             // in, out, uni or bi
	Counter               // a counter; Term.Key says which
)

var attributeNames = [...]string{"invalid", "sip", "dip", "dport", "proto", "ipversion", "verdict", "iface", "hostname",
	"hostid", "label", "dir", "counter"}

// String is the attribute's name in the language.
func (a Attribute) String() string {
	if int(a) < len(attributeNames) {
		return attributeNames[a]
	}
	return attributeNames[0]
}

// group says that the attribute is of a group, not of a row.
func (a Attribute) group() bool { return a == Direction || a == Counter }

// kind is a class of attributes that share operators and the syntax of values.
type kind uint8

const (
	kindAddress   kind = iota // addresses, networks, ranges, classes, host names, lists
	kindOrdinal               // numbers with an order: ports, protocols
	kindName                  // a few named values: IP version, verdict
	kindText                  // text with wildcards
	kindDirection             // in, out, uni, bi
	kindAmount                // counters
)

// operators of each kind.
var kindOperators = [...][]operator{
	kindAddress:   {equal, notEqual, in, notIn, is, isNot},
	kindOrdinal:   {equal, notEqual, less, lessEqual, greater, greaterEqual, in, notIn},
	kindName:      {equal, notEqual, in, notIn},
	kindText:      {equal, notEqual, in, notIn},
	kindDirection: {equal, notEqual},
	kindAmount:    {equal, notEqual, less, lessEqual, greater, greaterEqual},
}

// attribute is a word that can start a comparison.
type attribute struct {
	name        string
	aliases     []string
	description string
	kind        kind
	terms       []Attribute // what it stands for; host and net stand for two joined by OR
	networks    bool        // takes networks and lists of them only
	counter     *counter    // kindAmount
}

// attributes is the table of the language's attributes. What flow's table of fields knows (name, aliases,
// description) is taken from there.
var attributes = func() []attribute {
	both := []Attribute{Source, Destination}
	table := []attribute{
		field("sip", kindAddress, Source),
		field("dip", kindAddress, Destination),
		{name: "host", kind: kindAddress, terms: both, description: "address of the initiator or of the responder"},
		{name: "snet", kind: kindAddress, terms: both[:1], networks: true, description: "network of the initiator"},
		{name: "dnet", kind: kindAddress, terms: both[1:], networks: true, description: "network of the responder"},
		{name: "net", kind: kindAddress, terms: both, networks: true, description: "network of the initiator or of the responder"},
		field("dport", kindOrdinal, Port),
		field("proto", kindOrdinal, Protocol),
		{name: "ipversion", kind: kindName, terms: []Attribute{Version}, description: "IP version, 4 or 6"},
		field("verdict", kindName, Verdict),
		field("iface", kindText, Interface),
		{name: "hostname", kind: kindText, terms: []Attribute{HostName}, description: "name of the host that captured"},
		field("hostid", kindText, HostID),
		{name: "dir", aliases: []string{"direction"}, kind: kindDirection, terms: []Attribute{Direction},
			description: "packets seen: in only, out only, uni (either of them), bi (both); of the whole result row"},
	}
	for i := range counters {
		c := &counters[i]
		a := field(c.name, kindAmount, Counter)
		if a.description == "" {
			a.description = c.description
		}
		a.description += "; of the whole result row"
		a.counter = c
		table = append(table, a)
	}
	return table
}()

// field makes an attribute of a field of flow's table.
func field(name string, k kind, term Attribute) attribute {
	f, _ := flow.LookupField(name)
	return attribute{name: name, aliases: f.Aliases, description: f.Description, kind: k, terms: []Attribute{term}}
}

var attributeByName = func() map[string]*attribute {
	byName := make(map[string]*attribute)
	for i := range attributes {
		a := &attributes[i]
		byName[a.name] = a
		for _, alias := range a.aliases {
			byName[alias] = a
		}
	}
	return byName
}()

// labelPrefix starts the name of a label attribute: label.company.
const labelPrefix = "label."

var labelAttribute = &attribute{name: labelPrefix, kind: kindText, terms: []Attribute{Label},
	description: "a label the operator gave the host that captured"}

// lookupAttribute finds the attribute that a word names, and for a label its key.
func lookupAttribute(word string) (a *attribute, key string) {
	if a := attributeByName[word]; a != nil {
		return a, ""
	}
	lower := strings.ToLower(word)
	if len(word) > len(labelPrefix) && strings.HasPrefix(lower, labelPrefix) {
		return labelAttribute, word[len(labelPrefix):]
	}
	return attributeByName[lower], ""
}

// nearestAttribute proposes the attribute that was meant.
func nearestAttribute(word string) string {
	names := make([]string, 0, len(attributeByName))
	for _, a := range attributes {
		names = append(append(names, a.name), a.aliases...)
	}
	nearest, _ := flow.Nearest(strings.ToLower(word), names)
	return nearest
}

// allows says whether the operator applies to the attribute.
func (a *attribute) allows(o operator) bool { return slices.Contains(kindOperators[a.kind], o) }

// values says which values the attribute takes, for messages.
func (a *attribute) values() []string {
	switch {
	case a.networks:
		return []string{"a network such as 10.0.0.0/8", "an @list"}
	case a.kind == kindAddress:
		return []string{"an address", "a network such as 10.0.0.0/8", "a range", "a class such as private", "a host name", "an @list"}
	case a.kind == kindDirection:
		return directionNames[:]
	case a.kind == kindAmount && a.counter.unit == flow.TypeDuration:
		return []string{"a duration such as 50ms"}
	case a.kind == kindAmount && a.counter.unit == flow.TypeBytes:
		return []string{"a number of bytes such as 1500, 10MB or 1GiB"}
	case a.kind == kindAmount:
		return []string{"a number such as 3 or 10k"}
	case a.kind == kindText:
		return []string{"a text", "a pattern such as eth*"}
	}
	return a.domain().values
}
