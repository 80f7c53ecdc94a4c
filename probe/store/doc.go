// Package store is the on-disk database of a probe. Each interval of an interface is appended to the log of its UTC
// day; compaction makes segments (package segment) of the logs: parts of the current day, one of a day that is over, and
// supplements of late data.
//
//	ROOT/                     0750
//	  weir-store              identity: magic, version of the layout, host UUID; text
//	  lock                    flock(2) of the one writer, holds its pid
//	  interfaces/
//	    eth0/                 one directory per interface, its name percent-encoded
//	      2026-11-20.wseg       a day that is over
//	      2026-11-21.0001.wseg  a part of the current one
//	      2026-11-21.wlog       what is in no segment yet: file header, then blocks
//
// A block is a fixed header (BlockHeaderSize bytes) and a payload of chunks of up to ChunkRows rows, each columnar
// and compressed by itself. Every byte stands in docs/FORMAT.md; all integers are little-endian.
//
// Invariants:
//   - Append has made the block durable when it returns nil, and has left the file as it was when it does not.
//   - A block belongs to the UTC day of the second before its End: the one stamped midnight closes the day.
//   - A block is identified by boot and sequence. The same pair again within neighbouring days is a replay and
//     dropped; another pair with the same End is a part, and readers add up its rows.
//   - Every step of compaction makes a file durable before it removes what went in. A reader that finds both leaves out
//     what is contained in the other, by the identities of the blocks: nothing is lost, and nothing counts twice.
//   - A day is deleted as a whole, the oldest first, never the current one.
//   - Nothing read from disk is trusted: headers and payloads carry CRC-32C, lengths are bounded by the file and by
//     the row count before anything is allocated, a file is tied to its interface and day.
//   - What cannot be read is skipped, counted and named (ScanStats), and stays until repair sets it aside; the rest answers.
//   - There is one writer, kept by the lock; readers take no lock and see whole blocks only.
//
// append.go writes logs, compact.go and compact_day.go make segments, loader.go does so for imports; parts.go decides which
// files of a day are read, view.go opens them for the engine, scan.go visits all rows by time; retention.go and
// horizon.go delete days, run.go does all that in the background; check.go, repair.go and salvage.go are for damage.
//
// Below it are flow (the rows), vfs (files) and segment; query and the meter stand above.
package store
