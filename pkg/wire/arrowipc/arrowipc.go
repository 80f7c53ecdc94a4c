// Package arrowipc writes a result as an Arrow IPC stream, for notebooks and other engines: a column for each label and attribute of the
// query and for each counter, in batches of rows, and everything else as JSON in the schema's metadata.
//
// Columns, in this order, each under its name in the JSON of a row:
//
//	timestamp            timestamp[us, UTC]        with time in the query
//	iface, host, host_id dictionary<int32, utf8>   if named, and all three without merge
//	label.KEY            dictionary<int32, utf8>   labels of hosts, in the order of the query
//	sip, dip             utf8                      "10.1.2.3", or a network "10.1.0.0/16" under the name sip/16
//	dport, proto         uint16, uint8
//	verdict              dictionary<int32, utf8>
//	first_seen, last_seen timestamp[us, UTC]       with seen
//	br … rtt_n           uint64                    all nine counters, zero or not
//	before_br …          uint64                    the same of the earlier span, with compare
//
// Labels, addresses and time stamps that a row lacks are null. The metadata has the key "weir.result": the result
// without its rows, status and summary included.
//
// A stream without Arrow's end mark was cut. There is no reader here: Arrow's makes room for as much as a stream claims
// to have. Our client reads streams by package arrowstream.
//
// Neighbours: wire has the result and chooses the format; Arrow stays out of wire, since it costs time at the start of
// a process.
package arrowipc

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/pkg/wire"
)

// resultKey is the key of the schema's metadata under which the result without its rows stands.
const resultKey = "weir.result"

// batchRows is the number of rows of a record batch: few enough for its columns to stay in a cache until they are written.
const batchRows = 1 << 12

// stripRows is the number of rows that all columns are filled with in turn: they stay in the nearest cache meanwhile.
const stripRows = 64

// beforePrefix starts the names of the counters of the earlier span.
const beforePrefix = "before_"

// counters are the wire names of all counters, in the order of wire.Counters.
var counters = [...]string{"br", "bs", "pr", "ps", "ca", "cc", "cr", "rtt_ns", "rtt_n"}

var (
	timeType = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	textType = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
)

// columns are the fields of the query's answer in the order of the stream, labels first.
func columns(q *wire.Query) []wire.Column {
	var list []wire.Column
	for _, name := range []string{"time", "iface", "host", "hostid"} {
		if q.Has(name) || !q.Merge && name != "time" {
			f, _ := flow.LookupField(name)
			list = append(list, wire.Column{Field: f, Name: f.Name})
		}
	}
	for _, c := range q.Columns {
		if c.Label != "" {
			list = append(list, c)
		}
	}
	for _, name := range []string{"sip", "dip", "dport", "proto", "verdict"} {
		for _, c := range q.Columns {
			if c.Field.Name == name {
				list = append(list, c)
			}
		}
	}
	return list
}

// wireName is the name of a column's member in the JSON of a row.
func wireName(c wire.Column) string {
	if c.Prefix > 0 || c.Label != "" {
		return c.Name
	}
	return c.Field.Wire
}
