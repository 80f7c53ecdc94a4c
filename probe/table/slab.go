package table

import "github.com/weirflow/weir/pkg/flow"

// entry is a conversation and what was counted for it in the current interval.
type entry struct {
	key      key
	lastSeen int64  // Unix nanoseconds; in a free entry the number of the next free one plus 1
	pass     uint32 // number of the last pass that visited it
	evidence evidence
	reversed bool // the high end initiated
	changed  bool // something was counted since the last Changes or Drain pass

	bytesReceived, bytesSent     uint64
	packetsReceived, packetsSent uint64
}

func (e *entry) free() bool { return e.key.meta == 0 }

// counted says that the conversation has packets in the current interval.
func (e *entry) counted() bool { return e.packetsReceived|e.packetsSent != 0 }

func (e *entry) counters() flow.Counters {
	return flow.Counters{BytesReceived: e.bytesReceived, BytesSent: e.bytesSent,
		PacketsReceived: e.packetsReceived, PacketsSent: e.packetsSent}
}

// reset forgets what was counted; identity and orientation stay.
func (e *entry) reset() {
	e.bytesReceived, e.bytesSent, e.packetsReceived, e.packetsSent = 0, 0, 0, 0
	e.changed = false
}

const (
	chunkBits = 9
	chunkSize = 1 << chunkBits
)

// slab holds the entries in chunks that never move: an entry keeps its number and its address, and growing copies
// nothing.
type slab struct {
	chunks []*[chunkSize]entry
	used   uint32 // entries ever taken
	live   int    // entries in use
	head   uint32 // first free entry plus 1, 0 for none
}

func (s *slab) at(id uint32) *entry { return &s.chunks[id>>chunkBits][id%chunkSize] }

// take returns a free entry; its fields hold nothing to rely on.
func (s *slab) take() (uint32, *entry) {
	s.live++
	if s.head != 0 {
		id := s.head - 1
		e := s.at(id)
		s.head = uint32(e.lastSeen)
		return id, e
	}
	id := s.used
	if int(id>>chunkBits) == len(s.chunks) {
		s.chunks = append(s.chunks, new([chunkSize]entry))
	}
	s.used++
	return id, s.at(id)
}

func (s *slab) release(id uint32, e *entry) {
	*e = entry{lastSeen: int64(s.head)}
	s.head = id + 1
	s.live--
}
