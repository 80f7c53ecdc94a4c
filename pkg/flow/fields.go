package flow

import "strings"

// Kind says what a field is to a query.
type Kind uint8

// The kinds. The zero value is invalid on purpose.
const (
	_             Kind = iota
	KindAttribute      // part of a flow's key, or derived from the row; can be grouped by
	KindLabel          // where and when the row was counted; can be grouped by
	KindCounter        // a sum; can be sorted by and compared
)

// String is the kind's name in the catalog.
func (k Kind) String() string {
	if k > KindCounter {
		k = 0
	}
	return [...]string{"invalid", "attribute", "label", "counter"}[k]
}

// Type is the type of a field's values.
type Type uint8

// The types. The zero value is invalid on purpose.
const (
	_            Type = iota
	TypeAddress       // IP address
	TypePort          // 0..65535; type × 256 + code for ICMP
	TypeProtocol      // IP protocol number, 0..255, shown by name
	TypeVerdict       // accepted, rejected, unanswered, n/a
	TypeTime          // end of an interval
	TypeString        // text
	TypeBytes         // count of bytes
	TypePackets       // count of packets
	TypeCount         // count of something else
	TypeDuration      // nanoseconds
)

// String is the type's name in the catalog.
func (t Type) String() string {
	if t > TypeDuration {
		t = 0
	}
	return [...]string{"invalid", "address", "port", "protocol", "verdict", "time", "string",
		"bytes", "packets", "count", "duration"}[t]
}

// Field is one row of the table of everything a query can name.
type Field struct {
	Name        string   // as people type it
	Aliases     []string // other names people type
	Kind        Kind
	Type        Type
	Wire        string // member name in the rows of a result
	Title       string // heading in Grafana and in help
	Column      string // heading in the text table
	Description string // one sentence for help and completion
	Query       bool   // can stand in the query (be grouped by)
	Filter      bool   // can stand in a condition
}

// fields is THE table. Store, filter, wire schema, CLI and editor read it; adding an attribute or counter is one
// row here plus its decoder.
var fields = []Field{
	{Name: "time", Kind: KindLabel, Type: TypeTime, Wire: "timestamp", Title: "Time", Column: "time",
		Description: "end of the interval the row was counted in", Query: true},
	{Name: "host", Aliases: []string{"hostname"}, Kind: KindLabel, Type: TypeString, Wire: "host", Title: "Host", Column: "host",
		Description: "name of the host that captured", Query: true},
	{Name: "hostid", Aliases: []string{"host_id"}, Kind: KindLabel, Type: TypeString, Wire: "host_id", Title: "Host ID", Column: "hostid",
		Description: "identity of the host that captured; survives renaming", Query: true},
	{Name: "iface", Aliases: []string{"interface"}, Kind: KindLabel, Type: TypeString, Wire: "iface", Title: "Interface", Column: "iface",
		Description: "interface that captured", Query: true, Filter: true},
	{Name: "sip", Aliases: []string{"src"}, Kind: KindAttribute, Type: TypeAddress, Wire: "sip", Title: "Source IP", Column: "sip",
		Description: "address of the initiator", Query: true, Filter: true},
	{Name: "dip", Aliases: []string{"dst"}, Kind: KindAttribute, Type: TypeAddress, Wire: "dip", Title: "Destination IP", Column: "dip",
		Description: "address of the responder", Query: true, Filter: true},
	{Name: "dport", Aliases: []string{"port"}, Kind: KindAttribute, Type: TypePort, Wire: "dport", Title: "Destination port", Column: "dport",
		Description: "port of the responder; for ICMP type × 256 + code", Query: true, Filter: true},
	{Name: "proto", Aliases: []string{"protocol", "ipproto"}, Kind: KindAttribute, Type: TypeProtocol, Wire: "proto", Title: "Protocol", Column: "proto",
		Description: "IP protocol", Query: true, Filter: true},
	{Name: "verdict", Kind: KindAttribute, Type: TypeVerdict, Wire: "verdict", Title: "Verdict", Column: "verdict",
		Description: "what became of the connection attempts: accepted, rejected, unanswered or n/a", Query: true, Filter: true},

	{Name: "bytes_received", Kind: KindCounter, Type: TypeBytes, Wire: "br", Title: "Bytes received", Column: "bytes in",
		Description: "bytes the interface received"},
	{Name: "bytes_sent", Kind: KindCounter, Type: TypeBytes, Wire: "bs", Title: "Bytes sent", Column: "bytes out",
		Description: "bytes the interface sent"},
	{Name: "packets_received", Kind: KindCounter, Type: TypePackets, Wire: "pr", Title: "Packets received", Column: "packets in",
		Description: "packets the interface received"},
	{Name: "packets_sent", Kind: KindCounter, Type: TypePackets, Wire: "ps", Title: "Packets sent", Column: "packets out",
		Description: "packets the interface sent"},
	{Name: "attempts", Kind: KindCounter, Type: TypeCount, Wire: "ca", Title: "Attempts", Column: "attempts",
		Description: "connection attempts whose outcome became known"},
	{Name: "accepts", Kind: KindCounter, Type: TypeCount, Wire: "cc", Title: "Accepts", Column: "accepts",
		Description: "connection attempts that were answered"},
	{Name: "rejects", Kind: KindCounter, Type: TypeCount, Wire: "cr", Title: "Rejects", Column: "rejects",
		Description: "connection attempts that were refused"},
	{Name: "rtt_sum", Kind: KindCounter, Type: TypeDuration, Wire: "rtt_ns", Title: "Round-trip time, sum", Column: "rtt sum",
		Description: "sum of the handshake round-trip times"},
	{Name: "rtt_count", Kind: KindCounter, Type: TypeCount, Wire: "rtt_n", Title: "Round trips", Column: "rtt n",
		Description: "number of handshakes whose round-trip time was measured"},
}

// labelPrefix starts the names of fields that are labels of hosts.
const labelPrefix = "label."

// LabelField is the field of a label that the operator gave hosts. Such fields are not in the table: which ones there
// are, the operator says.
func LabelField(key string) Field {
	name := labelPrefix + key
	return Field{Name: name, Kind: KindLabel, Type: TypeString, Wire: name, Title: key, Column: name,
		Description: "label of the host that captured", Query: true, Filter: true}
}

// LabelKey is the name of the label that a field's name stands for.
func LabelKey(name string) (key string, ok bool) {
	if len(name) < len(labelPrefix) || !strings.EqualFold(name[:len(labelPrefix)], labelPrefix) {
		return "", false
	}
	return name[len(labelPrefix):], true
}

var fieldByName = func() map[string]int {
	m := make(map[string]int, 2*len(fields))
	for i, f := range fields {
		m[f.Name] = i
		for _, a := range f.Aliases {
			m[a] = i
		}
	}
	return m
}()

// Fields returns a copy of the table in its canonical order.
func Fields() []Field { return append([]Field(nil), fields...) }

// LookupField finds a field by its name or by an alias.
func LookupField(name string) (Field, bool) {
	i, ok := fieldByName[name]
	if !ok {
		return Field{}, false
	}
	return fields[i], true
}

// Shorthand is a name that stands for several fields in a query.
type Shorthand struct {
	Name   string
	Fields []string
}

var shorthands = []Shorthand{
	{"talk_src", []string{"sip"}},
	{"talk_dst", []string{"dip"}},
	{"talk_conv", []string{"sip", "dip"}},
	{"apps_port", []string{"dport", "proto"}},
	{"agg_talk_port", []string{"sip", "dip", "dport", "proto"}},
	{"raw", []string{"time", "host", "hostid", "iface", "sip", "dip", "dport", "proto"}},
}

// Shorthands returns a copy of the table of query shorthands (goProbe's names).
func Shorthands() []Shorthand { return append([]Shorthand(nil), shorthands...) }
