// Package frames turns a result of the wire contract into Grafana data frames, following the data plane contract:
// a table of flows is numeric-long (string dimensions, then numbers), time series are timeseries-wide (one frame, a
// field per series). It is pure: no I/O, no clock, and it never changes the result it is given.
//
// Invariants: a field's name is the name in the query language, its heading is a display name that users can
// override; counters stay uint64 up to the browser; every frame of an answer has the same type; notices, details
// and the executed command stand on the first frame only.
//
// Neighbours: wire and reports supply the results, flow the table of fields, plugin the questions.
package frames

import (
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/weirflow/weir/pkg/wire"
)

// Value is the counter that ranks rows, is drawn, and is alerted on.
type Value string

// The values.
const (
	Bytes   Value = "bytes"
	Packets Value = "packets"
)

// contract is the version of the data plane contract that every frame follows.
var contract = data.FrameTypeVersion{0, 1}

// amount is the counter a direction and a value choose; both directions are summed, saturating.
func amount(c wire.Counters, direction wire.Direction, value Value) uint64 {
	switch {
	case direction == wire.DirectionIn && value == Packets:
		return c.PacketsReceived
	case direction == wire.DirectionIn:
		return c.BytesReceived
	case direction == wire.DirectionOut && value == Packets:
		return c.PacketsSent
	case direction == wire.DirectionOut:
		return c.BytesSent
	case value == Packets:
		return c.Flow().Packets()
	}
	return c.Flow().Bytes()
}

// text is the value of a column in a row as the query language spells it, so that a click on a cell can become a
// condition. Ports stay numbers in decimal: Grafana's table sorts digits in text by their value.
func text(column wire.Column, labels *wire.Labels, attributes *wire.Attributes) string {
	if column.Label != "" {
		return labels.HostLabels.Get(column.Label)
	}
	switch column.Field.Name {
	case "host":
		return labels.Host
	case "hostid":
		return labels.HostID
	case "iface":
		return labels.Iface
	case "sip":
		return attributes.SourceText()
	case "dip":
		return attributes.DestinationText()
	case "dport":
		return port(attributes.DestinationPort)
	case "proto":
		return attributes.Protocol.String()
	case "verdict":
		return attributes.Verdict
	}
	return ""
}

// meta is what the frames of an answer have in common.
func meta(kind data.FrameType) *data.FrameMeta {
	return &data.FrameMeta{Type: kind, TypeVersion: contract}
}

// empty is the answer without rows: one typed frame without fields, which panels show as "No data" and alert
// rules take as such.
func empty(kind data.FrameType) *data.Frame {
	frame := data.NewFrame("")
	frame.SetMeta(meta(kind))
	return frame
}
