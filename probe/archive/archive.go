// Package archive writes flows for other engines and programs: Parquet, CSV and newline-delimited JSON, row by row as
// they stand in the store, nothing summed up.
//
// All three have the same columns: end of the interval (UTC), host and host id where the form says so, interface, source,
// destination, port, protocol, and the nine counters of flow.Counters. Rows without addresses (flow.Key.Folded) have
// empty ones. CSV has the names that goQuery and goConvert give them, so that weir db import reads it back.
//
// Neighbours: flow has the rows, the store hands them over, the command line chooses files. Only ParquetMetadata opens one.
package archive

import (
	"net/netip"

	"github.com/weirflow/weir/pkg/flow"
)

// Origin is where the rows were captured.
type Origin struct{ Host, HostID string }

// Writer takes the rows of intervals. The records are not kept. Close ends the file, but does not close what is below.
type Writer interface {
	Write(iface string, interval flow.Interval, records []flow.Record) error
	Close() error
}

// addresses are a row's, empty for folded rows.
func addresses(k flow.Key) (source, destination netip.Addr) {
	if k.Folded() {
		return source, destination
	}
	return k.SourceAddr(), k.DestinationAddr()
}

// text of an address, empty for none.
func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
