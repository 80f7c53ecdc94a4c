// Package column encodes and decodes the columns of the store: chunks of up to MaxValues unsigned integers, and
// dictionaries of sorted ones. It is pure: bytes in, bytes out, no files, no clock. Segments are built from it by
// package store.
//
// # Chunk
//
// A chunk describes itself. All integers are little-endian; a varint is that of encoding/binary, 7 bits a byte, the
// lowest first, at most 10 bytes.
//
//	codec     u8       see below
//	count     varint   number of values, at most 65536
//	size      varint   bytes of the body, at most 8 × count (10 if count is 0 or 1)
//	body      size
//	checksum  u32      CRC-32C of all before it
//
// The checksum stands in the chunk, not in a directory of chunks: a chunk cannot be decoded without being checked,
// and a directory needs nothing but places. A column of zeros takes 9 bytes.
//
// A bit stream fills bytes from the lowest bit up, values from their lowest bit up; the last byte is filled with
// zeros.
//
//	1 constant   value varint: all values are this one
//	2 raw        count × u64
//	3 packed     base varint, then groups of 128 values less base, the last group with what is left:
//	               width       u8         0 to 64
//	               exceptions  u8         how many values need more than width bits
//	               upper       u8         only with exceptions: 1 to 64-width
//	               lows        bit stream of the lowest width bits of each value
//	               places      u8 each, exceptions' places in the group
//	               highs       bit stream of the exceptions' bits above those, upper bits each
//	5 zstd       raw varint, then one Zstandard frame (RFC 8878) of raw bytes: a varint for each value
//	6 deltas     codec u8 (1 to 3, 5 or 8), value varint, then a body of that codec: value is the first one, the body holds
//	             the count-1 differences to the next ones (modulo 2^64)
//	8 classes    one symbol a value, which says either the value or its class, and the bits the class leaves open:
//	               table                  see below
//	               sizes       varint     bytes of each stream but the last; none if count < 256
//	               marks       u16        bits of each 128 values of a stream but its last ones, stream by stream; none
//	                                      if count < 256
//	               streams                the values: one stream if count < 256, else four, of ⌈count/4⌉ values each, the
//	                                      last with what is left. A stream is a bit stream of a code for each value,
//	                                      followed by the bits that its class leaves open
//	9 given      the same with several tables: the class of the value that stands in the same place of another
//	             column, the context, says which. Only AppendGiven makes it, only DecodeGiven reads it:
//	               parts       u8         1 to 128
//	               last        u8         for each part: the last class of the part. A part has the classes from the one
//	                                      after the part before; the last one ends with class 127
//	               tables                 one for each part
//	               sizes, marks, streams  as above
//
// 4 and 7 are not used any more. A table of symbols:
//
//	first       u8         first class in use
//	span        u8         number of classes from the first to the last in use, 0 if none is
//	set         ⌈span/8⌉   bit i, from the lowest up: class first+i is in use
//	frequent    u8         number of frequent values, at most 100
//	values      varints    the frequent values in ascending order, each less the one before
//	lengths     4 bits     for each symbol: bits of its code, 0 to 11, two in a byte, the first in its lower half; none if
//	                       there is one symbol, whose code is empty
//
// The class of a value v is v if v < 4, else 2 × open + ⌊v / 2^open⌋ where open, the number of bits that the class
// leaves open, is the bit length of v less 2. There are 128 classes: 0, 1, 2, 3, 4-5, 6-7, 8-11, 12-15, 16-23, …
//
// Symbols are numbered from 0: first the classes in use, then the frequent values. Codes are those of Huffman in their
// canonical order: ascending with their length, then with the number of the symbol, the first bit of a code the lowest of
// the stream. All codes are taken: the sum of 2^-length is 1.
//
// # Dictionary
//
// Strictly ascending values in groups of 128, the last with what is left. A value's code is its place.
//
//	kind      u8       1: u32 values; 2: 128-bit values
//	zero      3 bytes
//	count     u32      number of values
//	size      u32      bytes of all groups
//	firsts             first value of each group: u32, or u64 upper half and u64 lower half
//	starts    u32 each place of each group, from the first one on
//	sums      u32 each CRC-32C of each group
//	checksum  u32      CRC-32C of all before it
//	groups    size     of n values each; a group of one value is empty
//
// A group of u32 values is a packed group (as above, without base) of the n-1 differences less 1. A group of 128-bit
// values is a u8, shift, and two packed groups of n-1: the differences of upper halves, shifted right by shift; and
// for each the lower half, or where the upper halves are equal the difference of the lower halves less 1.
//
// # Invariants
//
//   - decode(encode(x)) = x, for every x. The smallest of the encodings is taken, but for a per cent or so where
//     another decodes faster, and but for Given where it clearly saves: then the others are not tried.
//   - Whatever the bytes, decoding gives values or an error that wraps ErrDamaged; it never panics. Lengths are
//     checked before use; a decoder holds at most 36 bytes for each of MaxValues values and 2 MB of tables, plus what
//     package zstd needs.
//   - Encoders and decoders keep their scratch space and are for one goroutine at a time. Dictionaries are read in
//     place and are safe for concurrent use.
//   - The same values give the same bytes on every machine, for the same version of the Zstandard encoder. Every version reads them.
package column
