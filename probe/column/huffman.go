package column

import (
	"cmp"
	"math/bits"
	"slices"
)

const (
	// maxLength is the greatest length of a code in bits: a table of all codes has 2,048 entries at most.
	maxLength = 11
	// minLimit is the least limit that is set to the length of codes: there may be 228 symbols.
	minLimit = 8
)

// lengthLimit is the greatest length of a code for so many values: a table that is larger than what it decodes costs
// more time than it saves bits.
func lengthLimit(values int) int { return min(max(bits.Len(uint(values))-4, minLimit), maxLength) }

// coder finds Huffman codes.
type coder struct {
	nodes []node
	order []uint16 // symbols in use
}

// node is a symbol, or two nodes joined.
type node struct {
	weight uint32
	parent uint16
}

// lengths sets the length of the code of each symbol by how often it stands, 0 for those that do not; the code is
// complete and none is longer than limit. A single symbol has the length 0.
func (c *coder) lengths(counts []uint32, limit int, lengths []uint8) {
	c.order = c.order[:0]
	clear(lengths)
	for s, n := range counts {
		if n > 0 {
			c.order = append(c.order, uint16(s))
		}
	}
	if len(c.order) < 2 {
		return
	}
	slices.SortFunc(c.order, func(a, b uint16) int { return cmp.Or(cmp.Compare(counts[a], counts[b]), cmp.Compare(a, b)) })
	c.join(counts)
	free := 1 << limit // codes of the greatest length that are not taken
	for i, s := range c.order {
		depth := 0
		for at := i; at != len(c.nodes)-1; at = int(c.nodes[at].parent) {
			depth++
		}
		lengths[s] = uint8(min(depth, limit))
		free -= 1 << (limit - int(lengths[s]))
	}
	for free < 0 { // codes were cut: make the rarest of the others longer
		for _, s := range c.order {
			if l := int(lengths[s]); l < limit {
				lengths[s]++
				free += 1 << (limit - l - 1)
				break
			}
		}
	}
	c.complete(free, limit, lengths)
}

// join builds the tree: leaves in the order of their weights, then what they are joined to, which ascends likewise.
func (c *coder) join(counts []uint32) {
	n := len(c.order)
	c.nodes = grow(c.nodes, 2*n-1)
	for i, s := range c.order {
		c.nodes[i] = node{weight: counts[s]}
	}
	leaf, inner := 0, n
	for at := n; at < 2*n-1; at++ {
		weight := uint32(0)
		for range 2 {
			take := leaf
			if leaf == n || inner < at && c.nodes[inner].weight < c.nodes[leaf].weight {
				take = inner
				inner++
			} else {
				leaf++
			}
			weight += c.nodes[take].weight
			c.nodes[take].parent = uint16(at)
		}
		c.nodes[at] = node{weight: weight}
	}
}

// complete shortens codes until all are taken: each time the most frequent of the longest.
func (c *coder) complete(free, limit int, lengths []uint8) {
	for free > 0 {
		best := c.order[0]
		for _, s := range c.order {
			if lengths[s] >= lengths[best] {
				best = s
			}
		}
		free -= 1 << (limit - int(lengths[best]))
		lengths[best]--
	}
}

// assign sets the codes for lengths: ascending with length, then symbol, the first bit lowest.
func assign(lengths []uint8, codes []uint16) {
	var next [maxLength + 2]uint16
	for _, l := range lengths {
		next[l+1]++
	}
	next[1] = 0 // of those without a code
	code := uint16(0)
	for l := 1; l <= maxLength; l++ {
		count := next[l+1]
		next[l], code = code, (code+count)<<1
	}
	for s, l := range lengths {
		if l > 0 {
			codes[s] = bits.Reverse16(next[l]) >> (16 - l)
			next[l]++
		}
	}
}
