package table

import (
	"slices"

	"github.com/weirflow/weir/pkg/flow"
)

// Picture is what a pass took: conversations in no particular order.
type Picture struct {
	chunks [][]Conversation // each full but the last: nothing is copied while it grows
	length int
}

const pictureChunk = 512

func (p *Picture) add(id uint32, key flow.Key, counters flow.Counters) {
	last := len(p.chunks) - 1
	if last < 0 || len(p.chunks[last]) == pictureChunk {
		p.chunks = append(p.chunks, make([]Conversation, 0, pictureChunk))
		last++
	}
	p.chunks[last] = append(p.chunks[last], Conversation{Key: key, ID: id, Counters: counters})
	p.length++
}

// Len is the number of conversations.
func (p *Picture) Len() int { return p.length }

// All calls yield for every conversation until it says false; it is an iter.Seq.
func (p *Picture) All(yield func(*Conversation) bool) {
	for _, chunk := range p.chunks {
		for i := range chunk {
			if !yield(&chunk[i]) {
				return
			}
		}
	}
}

// Rows appends the flows of the picture to dst: conversations summed by key, ordered by flow.Key.Compare, each key
// once.
func (p *Picture) Rows(dst []flow.Record) []flow.Record {
	start := len(dst)
	dst = slices.Grow(dst, p.length)
	for c := range p.All {
		dst = append(dst, flow.Record{Key: c.Key, Counters: c.Counters})
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
