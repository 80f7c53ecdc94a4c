package checkpoint

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/weirflow/weir/pkg/flow"
)

const (
	magic   = "weirckpt"
	version = 1

	typeHead   = 1
	typePart   = 2
	typeCommit = 3
	typeSeal   = 4

	blockFrame = 4 + 1 // length and type, in front of the payload; behind it are 4 bytes of checksum

	maxRaw          = 4 << 20 // bytes of conversations in a block, uncompressed
	maxConversation = 5 + 1 + 32 + 2 + 1 + 2 + counterCount*10
	maxPayload      = maxRaw + maxRaw/4 + 1024 // more than s2 makes of maxRaw, and the fields
	maxInterface    = 255

	counterCount = 9
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendMagic(dst []byte) []byte {
	return binary.LittleEndian.AppendUint32(append(dst, magic...), version)
}

// appendBlock appends a block of fields and, where its type has them, conversations.
func appendBlock(dst []byte, kind byte, fields, conversations []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, kind)
	dst = append(dst, fields...)
	if kind == typePart || kind == typeCommit {
		dst = binary.AppendUvarint(dst, uint64(len(conversations)))
		dst = append(dst, s2.Encode(nil, conversations)...)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-blockFrame))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func headBlock(head Head) []byte {
	fields := append([]byte(nil), head.Boot[:]...)
	fields = binary.LittleEndian.AppendUint64(fields, head.Sequence)
	fields = binary.LittleEndian.AppendUint64(fields, uint64(head.End))
	return appendBlock(nil, typeHead, append(fields, head.Interface...), nil)
}

func stateFields(state State) []byte {
	fields := binary.LittleEndian.AppendUint64(nil, uint64(state.At))
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

func appendConversation(dst []byte, id, before uint32, r *flow.Record) []byte {
	dst = binary.AppendVarint(dst, int64(id)-int64(before))
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
	dst = binary.LittleEndian.AppendUint16(dst, mask)
	for _, n := range all {
		if *n != 0 {
			dst = binary.AppendUvarint(dst, *n)
		}
	}
	return dst
}
