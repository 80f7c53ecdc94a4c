package godb

import (
	"bytes"
	"errors"
)

// Until now goProbe's writer damages blocks that do not compress: where the compressed form of a column is longer than
// the raw one and longer than its write buffer, it is in the file before the writer turns to the raw form. That is
// written behind it, while the metadata says that the block is raw and begins where the compressed form does:
//
//	offset          offset+len        offset+C             offset+C+len
//	| compressed form, C bytes ...... | raw form, len bytes |
//	| what the metadata calls raw    |
//	                                 | the next block is written here, over both
//
// So the "raw" block is the beginning of a compressed stream, nearly always one run of literals that were not
// compressible. All but the last bytes of the column are in it; those are in the raw form behind it as long as no
// later block has overwritten them, as is the case for the last block of a file.

// writeBuffer is the size of goProbe's write buffer: shorter blocks are not hit.
const writeBuffer = 4096

// rest is what a file has behind a block, all counted from where the block begins.
type rest struct {
	taken int64 // until here later blocks are recorded
	size  int64 // where the file ends
	read  func(b []byte, at int64) error
}

// salvage recognises a damaged block and decodes what is there of it into the memory of column, whose capacity allows
// for len(stored) bytes. It returns false if the block is what the metadata says, and otherwise the first bytes of the
// column, or all of them; sure is the number of those that stand in the block itself.
func salvage(column, stored []byte, behind rest) (again []byte, sure int, ok bool) {
	raw := len(stored)
	if raw <= writeBuffer {
		return nil, raw, false
	}
	column, progress, err := decodeLZ4(column[:0:raw], stored, raw)
	// Compression did not pay, so the stream is about as long as the column: what is missing are the bytes that the
	// lengths of the literals took, and little else.
	missing := raw - len(column)
	if err != nil && !errors.Is(err, errCut) || missing <= 0 || missing > raw/16+64 {
		return nil, raw, false
	}
	start := behind.size - int64(raw) // of the raw form, if nothing is behind it
	if progress.pending == missing {
		start = int64(raw + missing)
	}
	return completeFromRaw(column, raw, start, behind), len(column), true
}

// minOverlap is how many bytes of the raw form must be as they are known before the others are believed.
const minOverlap = 64

// completeFromRaw appends what is missing of a column of raw bytes from its raw form, if that part of it is still there.
func completeFromRaw(column []byte, raw int, start int64, behind rest) []byte {
	from := max(behind.taken-start, 0) // of the raw form, what is left
	known := int64(len(column))
	if start < int64(raw) || known-from < minOverlap || start+int64(raw) > behind.size {
		return column
	}
	b := make([]byte, int64(raw)-from)
	if err := behind.read(b, start+from); err != nil || !bytes.Equal(b[:known-from], column[from:]) {
		return column
	}
	return append(column, b[known-from:]...)
}
