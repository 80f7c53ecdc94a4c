package table

import (
	"encoding/binary"
	"slices"

	"github.com/weirflow/weir/pkg/flow"
)

// Picture is what a pass took: conversations in no particular order, packed, so that it takes a fraction of the table's
// memory: 30 bytes or so each.
type Picture struct {
	chunks [][]byte // nothing is copied while it grows
	length int
}

// Conversation is what a pass took of one.
type Conversation struct {
	Key flow.Key // of the flow it counts for; its orientation may have changed since an earlier pass
	// ID tells apart the conversations (and folded rows) that were counted in an interval.
	ID       uint32
	Counters flow.Counters
	// Open is its open attempt, for Table.Resume; empty where it has none. It is valid until the next one is yielded.
	Open []byte
}

// A packed conversation is: marks uint8, protocol uint8, port uint16, source and destination (4 or 16 bytes each), ID and
// the counters of packets and bytes uvarints, then as the marks say: those of outcomes and round trips uvarints; the
// open attempt, its length in front as a byte.
const (
	markIPv6     = 1 << iota
	markOutcomes // outcomes or round trips were counted
	markOpen     // an attempt is open

	pictureChunk  = 32 << 10
	maxPacked     = 4 + 2*16 + binary.MaxVarintLen32 + 9*binary.MaxVarintLen64 + 1 + maxRemembered
	maxRemembered = 3 + 8 + 13 + 2*16 + 4
)

// room returns the chunk to which a conversation can be appended.
func (p *Picture) room() *[]byte {
	last := len(p.chunks) - 1
	if last < 0 || pictureChunk-len(p.chunks[last]) < maxPacked {
		p.chunks = append(p.chunks, make([]byte, 0, pictureChunk))
		last++
	}
	return &p.chunks[last]
}

// add packs a row; open is an entry with an open attempt, or nil.
func (p *Picture) add(t *Table, id uint32, key *flow.Key, c *flow.Counters, open *entry) {
	chunk := p.room()
	marks := byte(0)
	if key.Family == flow.IPv6 {
		marks |= markIPv6
	}
	if c.Attempts|c.RoundTrips != 0 {
		marks |= markOutcomes
	}
	if open != nil {
		marks |= markOpen
	}
	n := addressLength(key.Family)
	b := append(*chunk, marks, byte(key.Protocol))
	b = binary.LittleEndian.AppendUint16(b, key.DestinationPort)
	b = append(append(b, key.Source[:n]...), key.Destination[:n]...)
	b = binary.AppendUvarint(b, uint64(id))
	for _, v := range [...]uint64{c.BytesReceived, c.BytesSent, c.PacketsReceived, c.PacketsSent} {
		b = binary.AppendUvarint(b, v)
	}
	if marks&markOutcomes != 0 {
		for _, v := range [...]uint64{c.Attempts, c.Accepts, c.Rejects, c.RoundTripNanoseconds, c.RoundTrips} {
			b = binary.AppendUvarint(b, v)
		}
	}
	if open != nil {
		at := len(b)
		b = t.remember(append(b, 0), open, true)
		b[at] = byte(len(b) - at - 1)
	}
	*chunk = b
	p.length++
}

// unpack reads the first conversation of a chunk into c and returns the rest.
func unpack(b []byte, c *Conversation) (rest []byte) {
	marks := b[0]
	*c = Conversation{Key: flow.Key{Family: flow.IPv4, Protocol: flow.Protocol(b[1]), DestinationPort: binary.LittleEndian.Uint16(b[2:])}}
	if marks&markIPv6 != 0 {
		c.Key.Family = flow.IPv6
	}
	n := addressLength(c.Key.Family)
	copy(c.Key.Source[:], b[4:4+n])
	copy(c.Key.Destination[:], b[4+n:4+2*n])
	b = b[4+2*n:]
	next := func() uint64 {
		v, size := binary.Uvarint(b)
		b = b[size:]
		return v
	}
	c.ID = uint32(next())
	k := &c.Counters
	k.BytesReceived, k.BytesSent, k.PacketsReceived, k.PacketsSent = next(), next(), next(), next()
	if marks&markOutcomes != 0 {
		k.Attempts, k.Accepts, k.Rejects, k.RoundTripNanoseconds, k.RoundTrips = next(), next(), next(), next(), next()
	}
	if marks&markOpen != 0 {
		c.Open, b = b[1:1+b[0]], b[1+b[0]:]
	}
	return b
}

// Len is the number of conversations taken so far.
func (p *Picture) Len() int { return p.length }

// All calls yield for every conversation until it says false; it is an iter.Seq. What is yielded is valid until the next.
func (p *Picture) All(yield func(*Conversation) bool) {
	var c Conversation
	for _, chunk := range p.chunks {
		for len(chunk) > 0 {
			if chunk = unpack(chunk, &c); !yield(&c) {
				return
			}
		}
	}
}

// Full takes the chunks that are full out of the picture, as a picture of their own; nil if there are none. So a pass
// can be carried off while it goes on.
func (p *Picture) Full() *Picture {
	n := len(p.chunks) - 1
	if n < 1 {
		return nil
	}
	full := &Picture{chunks: slices.Clone(p.chunks[:n])}
	p.chunks = slices.Delete(p.chunks, 0, n)
	return full
}

// Rows appends the flows of the picture to dst: conversations summed by key, ordered by flow.Key.Compare, each key
// once, none without counters.
func (p *Picture) Rows(dst []flow.Record) []flow.Record {
	start := len(dst)
	dst = slices.Grow(dst, p.length)
	for c := range p.All {
		if !c.Counters.IsZero() {
			dst = append(dst, flow.Record{Key: c.Key, Counters: c.Counters})
		}
	}
	return dst[:start+len(Merge(dst[start:]))]
}

// Merge orders records by flow.Key.Compare and sums those of the same key, in place; it returns the shorter slice.
func Merge(records []flow.Record) []flow.Record {
	slices.SortFunc(records, func(a, b flow.Record) int { return a.Key.Compare(b.Key) })
	n := 0
	for i := range records {
		if n > 0 && records[n-1].Key == records[i].Key {
			records[n-1].Counters.Add(records[i].Counters)
			continue
		}
		records[n] = records[i]
		n++
	}
	return records[:n]
}
