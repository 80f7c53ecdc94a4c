// Package godb reads what goProbe v4 leaves behind: its database, in place, and CSV as goQuery prints it. It is an
// independent implementation of the format; docs/GODB.md has the byte tables. Nothing is ever written.
//
//	ROOT/
//	  eth0/                     one directory per interface, named verbatim
//	    2016/02/                year and month in the time zone of the host that wrote: not to be relied on
//	      1456444800_v1-0-…/    one directory per UTC day; behind _ the day's totals, renamed at every write
//	        .blockmeta          where the blocks of all columns are, and when (meta.go)
//	        sip.gpf …           eight columns, blocks without framing or checksum (block.go, decode.go)
//
// Invariants:
//   - Nothing read from disk is trusted: every length is bounded by the file it stands in before it is used, memory
//     by the size of the files (maxExpansion). No input makes the package panic.
//   - What cannot be read is skipped, counted and named (ScanStats, Damage); the other blocks still answer.
//   - Rows are never made up. Where a block is damaged in part (salvage.go), the rows that all columns still hold
//     are delivered and the others counted.
//   - Days are found by the day number in the directory's name, wherever below the interface it stands. A directory
//     that is renamed while it is read is looked for again.
//   - The identity of an interval (flow.Interval.Boot and Sequence) comes from its content alone. The same interval is
//     the same one wherever the database stands and however it is encoded, so that an import can be repeated.
//
// Below it are flow (the rows) and vfs (files). The query engine reads a DB through a small adapter.
package godb
