package table

import "github.com/weirflow/weir/pkg/flow"

// entry is a conversation and what was counted for it in the current interval. What every packet needs comes first.
type entry struct {
	key      key
	lastSeen int64  // Unix nanoseconds; in a free entry the number of the next free one plus 1
	attempt  uint32 // number of its open attempt plus 1, 0 for none
	pass     uint8  // number of the last pass that visited it, which is the latest or the one before
	evidence evidence
	reversed bool // the high end initiated
	changed  bool // something was counted since the last Changes or Drain pass

	bytes, packets [directionCount]uint64

	initial      uint32               // initial sequence number of the latest attempt, TCP
	roundTrips   uint16               // handshakes measured
	outcomes     [outcomeCount]uint16 // of attempts
	stage        stage
	repeated     bool   // the open attempt was retransmitted: its round trip cannot be told
	roundTripSum uint64 // nanoseconds
}

// The directions of a packet, seen from the interface: places of its counters.
const (
	received = iota
	sent
	directionCount
)

func (e *entry) free() bool { return e.key.meta == 0 }

// counted says that the conversation has packets or outcomes in the current interval.
func (e *entry) counted() bool {
	return e.packets[received]|e.packets[sent] != 0 || e.outcomes != [outcomeCount]uint16{}
}

// resting says that nothing would be lost with the entry but the memory of the conversation's orientation.
func (e *entry) resting() bool { return !e.counted() && e.attempt == 0 }

func (e *entry) counters() flow.Counters {
	c := flow.Counters{BytesReceived: e.bytes[received], BytesSent: e.bytes[sent],
		PacketsReceived: e.packets[received], PacketsSent: e.packets[sent],
		Accepts: uint64(e.outcomes[accepted]), Rejects: uint64(e.outcomes[rejected]),
		RoundTripNanoseconds: e.roundTripSum, RoundTrips: uint64(e.roundTrips)}
	c.Attempts = c.Accepts + c.Rejects + uint64(e.outcomes[unanswered])
	return c
}

// reset forgets what was counted; identity, orientation and open attempt stay. The attempt is news for the checkpoints
// of the interval that begins.
func (e *entry) reset() {
	e.bytes, e.packets = [directionCount]uint64{}, [directionCount]uint64{}
	e.outcomes, e.roundTrips, e.roundTripSum = [outcomeCount]uint16{}, 0, 0
	e.changed = e.attempt != 0
}

const (
	chunkBits = 9
	chunkSize = 1 << chunkBits
)

// slab holds the entries in chunks that never move: an entry keeps its number and its address, and growing copies
// nothing.
type slab struct {
	arena  *arena
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
		s.chunks = append(s.chunks, allocate[[chunkSize]entry](s.arena, len(s.chunks) > 0))
	}
	s.used++
	return id, s.at(id)
}

func (s *slab) release(id uint32, e *entry) {
	*e = entry{lastSeen: int64(s.head)}
	s.head = id + 1
	s.live--
}

// close gives the memory back.
func (s *slab) close() {
	for _, chunk := range s.chunks {
		free(s.arena, chunk)
	}
	s.chunks, s.used, s.live, s.head = nil, 0, 0, 0
}
