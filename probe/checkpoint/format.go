package checkpoint

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/weirflow/weir/pkg/flow"
)

const (
	magic   = "weirckpt"
	version = 2

	typeHead   = 1
	typePart   = 2
	typeCommit = 3
	typeSeal   = 4

	blockFrame = 4 + 1 // length and type, in front of the payload; behind it are 4 bytes of checksum

	maxRaw       = 4 << 20                  // bytes of conversations in a block, uncompressed
	partSize     = 256 << 10                // bytes of conversations, uncompressed, from which on a part is written
	maxPayload   = maxRaw + maxRaw/4 + 1024 // more than s2 makes of maxRaw, and the fields
	maxInterface = 255

	counterCount = 9
	openBit      = 1 << 15 // of a conversation's mask
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendMagic(dst []byte) []byte {
	return binary.LittleEndian.AppendUint32(append(dst, magic...), version)
}

// appendBlock appends a block of fields.
func appendBlock(dst []byte, kind byte, fields []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, kind)
	return endBlock(append(dst, fields...), start)
}

// endBlock completes the block that begins at start.
func endBlock(dst []byte, start int) []byte {
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-blockFrame))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// appendBlock appends a block of fields and the conversations that wait in l.raw.
func (l *Log) appendBlock(dst []byte, kind byte, fields []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, kind)
	dst = append(dst, fields...)
	dst = binary.AppendUvarint(dst, uint64(len(l.raw)))
	l.packed = slices.Grow(l.packed[:0], s2.MaxEncodedLen(len(l.raw)))
	dst = append(dst, s2.Encode(l.packed[:cap(l.packed)], l.raw)...)
	l.raw, l.before = l.raw[:0], 0
	return endBlock(dst, start)
}

func headBlock(head Head) []byte {
	fields := append([]byte(nil), head.Boot[:]...)
	fields = binary.LittleEndian.AppendUint64(fields, head.Sequence)
	fields = binary.LittleEndian.AppendUint64(fields, uint64(head.End))
	return appendBlock(nil, typeHead, append(fields, head.Interface...))
}

func stateFields(state State) []byte {
	fields := binary.LittleEndian.AppendUint64(nil, uint64(state.At))
	fields = binary.LittleEndian.AppendUint64(fields, uint64(state.Clock))
	fields = binary.LittleEndian.AppendUint64(fields, uint64(state.Duration))
	a := &state.Accounting
	for _, n := range []uint64{a.Received, a.Dropped, a.Metered, uint64(len(a.Issues))} {
		fields = binary.AppendUvarint(fields, n)
	}
	for _, n := range a.Issues {
		fields = binary.AppendUvarint(fields, n)
	}
	return fields
}

func sealFields(end int64, duration time.Duration) []byte {
	fields := binary.LittleEndian.AppendUint64(nil, uint64(end))
	return binary.LittleEndian.AppendUint64(fields, uint64(duration))
}

// counters lists the fields of c in their order on disk.
func counters(c *flow.Counters) [counterCount]*uint64 {
	return [counterCount]*uint64{&c.BytesReceived, &c.BytesSent, &c.PacketsReceived, &c.PacketsSent,
		&c.Attempts, &c.Accepts, &c.Rejects, &c.RoundTripNanoseconds, &c.RoundTrips}
}

func addressLength(family flow.Family) int {
	if family == flow.IPv4 {
		return 4
	}
	return 16
}

func appendConversation(dst []byte, before uint32, c *Conversation) []byte {
	r := &c.Record
	dst = binary.AppendVarint(dst, int64(c.ID)-int64(before))
	n := addressLength(r.Key.Family)
	dst = append(dst, byte(r.Key.Family))
	dst = append(dst, r.Key.Source[:n]...)
	dst = append(dst, r.Key.Destination[:n]...)
	dst = binary.LittleEndian.AppendUint16(dst, r.Key.DestinationPort)
	dst = append(dst, byte(r.Key.Protocol))
	var mask uint16
	all := counters(&r.Counters)
	for i, n := range all {
		if *n != 0 {
			mask |= 1 << i
		}
	}
	if len(c.Open) > 0 {
		mask |= openBit
	}
	dst = binary.LittleEndian.AppendUint16(dst, mask)
	for _, n := range all {
		if *n != 0 {
			dst = binary.AppendUvarint(dst, *n)
		}
	}
	if len(c.Open) > 0 {
		open := c.Open[:min(len(c.Open), MaxOpen)]
		dst = append(append(dst, byte(len(open))), open...)
	}
	return dst
}
