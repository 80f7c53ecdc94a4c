// Package store is the on-disk database of a probe: one append log per interface and UTC day, one block per
// interval. It is the first stage of the store's design; segments made from the logs join it later.
//
//	ROOT/                     0750
//	  weir-store              identity: magic, format version, host UUID; text
//	  lock                    flock(2) of the one writer, holds its pid
//	  interfaces/
//	    eth0/                 one directory per interface, its name percent-encoded
//	      2026-11-21.wlog     file header, then blocks
//
// A block is a fixed header (BlockHeaderSize bytes) and a payload of chunks of up to ChunkRows rows, each columnar
// and compressed by itself. Every byte stands in docs/FORMAT.md; all integers are little-endian.
//
// Invariants:
//   - Append has made the block durable when it returns nil, and has left the file as it was when it does not.
//   - A block belongs to the UTC day of the second before its End: the one stamped midnight closes the day.
//   - A block is identified by boot and sequence. The same pair again within neighbouring days is a replay and
//     dropped; another pair with the same End is a part, and readers add up its rows.
//   - Nothing read from disk is trusted: headers and payloads carry CRC-32C, lengths are bounded by the file and by
//     the row count before anything is allocated, a block is tied to the interface and day of its file.
//   - What cannot be read is skipped, counted and named (ScanStats); the other blocks still answer.
//   - There is one writer, kept by the lock; readers take no lock and see whole blocks only.
//
// Below it are flow (the rows) and vfs (files); query and the meter stand above.
package store
