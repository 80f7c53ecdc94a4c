package column

import (
	"fmt"
)

// AppendGiven is Append for values that go along with those of another column of the same length, the context, as
// bytes do with packets: values whose contexts are of like size are encoded together, if that is smaller than to
// leave the context out. The chunk is decoded with DecodeGiven and the same context. It panics if the lengths differ.
func (e *Encoder) AppendGiven(dst []byte, values, context []uint64) []byte {
	checkCount(len(values))
	if len(values) != len(context) {
		panic(fmt.Sprintf("column: %d values, context of %d", len(values), len(context)))
	}
	facts := examine(values)
	split := facts.smallest != facts.largest && e.split.split(values, context)
	if split && !facts.sorted && e.split.clear() && !worthZstd(values) {
		e.body = e.appendParts(e.body[:0], values)
		return appendChunk(dst, Given, len(values), e.body)
	}
	var codec Codec
	e.body, codec = e.appendBody(e.body[:0], values)
	if split {
		middle := len(e.body)
		body := e.appendParts(e.body, values)
		// It takes twice the time to decode, so it has to save something.
		if e.body = body[:middle]; len(body)-middle <= middle-middle/32 {
			e.body, codec = keepSmaller(body, 0, middle, codec, Given)
		}
	}
	return appendChunk(dst, codec, len(values), e.body)
}

// splitter divides the classes of a context into parts: runs of classes under which the values are distributed alike.
type splitter struct {
	rows   []row
	rowOf  [classCount]int // of each class of the context, while counting
	partOf []byte          // of each value
	ends   []int
	whole  int // estimated bits of all values in one part, in 1/256
	saved  int // what the parts save of it
}

// row counts the values under a run of classes of the context by their own classes.
type row struct {
	last  uint // class of the context
	total uint32
	count [classCount]uint32
	alone int // cost of the row
	saved int // what joining it with the next row saves
}

// split finds the parts and puts the part of each value in partOf. It reports false if the context does not tell parts
// apart.
func (s *splitter) split(values, context []uint64) bool {
	s.partOf = grow(s.partOf, len(values))
	var seen [classCount]bool
	for i, v := range context {
		class, _ := classOf(v)
		seen[class] = true
		s.partOf[i] = byte(class)
	}
	s.rows = s.rows[:0]
	for class, yes := range seen {
		if yes {
			s.rowOf[class] = len(s.rows)
			s.rows = append(s.rows, row{last: uint(class)})
		}
	}
	bits := uint(0)
	for i, v := range values {
		r := &s.rows[s.rowOf[s.partOf[i]]]
		class, open := classOf(v)
		r.count[class]++
		r.total++
		bits += open
	}
	s.merge()
	if len(s.rows) < 2 {
		return false
	}
	s.estimate(int(bits) << 8)
	s.rows[len(s.rows)-1].last = classCount - 1
	part := 0
	for class := range s.rowOf {
		if uint(class) > s.rows[part].last {
			part++
		}
		s.rowOf[class] = part
	}
	for i, class := range s.partOf {
		s.partOf[i] = byte(s.rowOf[class])
	}
	return true
}

// estimate weighs the parts against all values in one. open is what the classes leave open.
func (s *splitter) estimate(open int) {
	var all, none row
	parts := 0
	for i := range s.rows {
		r := &s.rows[i]
		all.total += r.total
		for class, n := range r.count {
			all.count[class] += n
		}
		parts += r.alone
	}
	whole := cost(&all, &none)
	s.whole, s.saved = open+whole, whole-parts
}

// clear says that the parts save so much that it need not be tried what they save.
func (s *splitter) clear() bool { return s.saved > s.whole/12 }

// merge joins neighbouring rows as long as telling them apart saves less than a table of symbols costs.
func (s *splitter) merge() {
	var none row
	for i := range s.rows {
		s.rows[i].alone = cost(&s.rows[i], &none)
	}
	for i := range s.rows {
		s.weigh(i)
	}
	for len(s.rows) > 1 {
		at := 0
		for i := range s.rows[1:] {
			if s.rows[i].saved > s.rows[at].saved {
				at = i
			}
		}
		if s.rows[at].saved <= 0 {
			return
		}
		s.rows[at].add(&s.rows[at+1])
		s.rows = append(s.rows[:at+1], s.rows[at+2:]...)
		s.weigh(at)
		s.weigh(at - 1)
	}
}

// weigh finds what joining a row with the next one saves.
func (s *splitter) weigh(i int) {
	if i >= 0 && i < len(s.rows)-1 {
		s.rows[i].saved = s.rows[i].alone + s.rows[i+1].alone - cost(&s.rows[i], &s.rows[i+1])
	}
}

func (r *row) add(next *row) {
	r.last = next.last
	r.total += next.total
	for i, n := range next.count {
		r.count[i] += n
	}
	r.alone += next.alone - r.saved
}

// cost estimates the bits, in 1/256, of the symbols of two rows under one table, and of the table.
func cost(a, b *row) int {
	const fixed, perClass = 10 * 8 << 8, 6 << 8
	total := a.total + b.total
	bits := fixed + int(total)*log2(total)
	for i, n := range a.count {
		if n += b.count[i]; n > 0 {
			bits += perClass - int(n)*log2(n)
		}
	}
	return bits
}

// appendParts appends a body of the codec Given, of values that were split.
func (e *Encoder) appendParts(dst []byte, values []uint64) []byte {
	s := &e.split
	s.ends = grow(s.ends, len(s.rows))
	end := 0
	for i := range s.rows {
		s.ends[i] = end
		end += int(s.rows[i].total)
	}
	e.parts = grow(e.parts, len(values))
	for i, v := range values {
		part := s.partOf[i]
		e.parts[s.ends[part]] = v
		s.ends[part]++
	}
	dst = append(dst, byte(len(s.rows)))
	for i := range s.rows {
		dst = append(dst, byte(s.rows[i].last))
	}
	return e.appendCoded(dst, e.parts, values, s.partOf, s.ends)
}

// smallContexts is the number of contexts whose part is looked up by value: nearly all.
const smallContexts = 1 << 10

// given decodes a body of the codec Given into dst.
func (d *Decoder) given(dst []uint64, body []byte, context []uint64, places []uint32) error {
	if len(body) == 0 || body[0] == 0 || body[0] > classCount || len(body) <= int(body[0]) {
		return fmt.Errorf("%w: table of parts", ErrDamaged)
	}
	parts := int(body[0])
	var of [classCount]byte // part of each class of the context
	class := 0
	for part, last := range body[1 : 1+parts] {
		if int(last) < class || last >= classCount {
			return fmt.Errorf("%w: table of parts", ErrDamaged)
		}
		for ; class <= int(last); class++ {
			of[class] = byte(part)
		}
	}
	if class != classCount {
		return fmt.Errorf("%w: table of parts", ErrDamaged)
	}
	d.partOf = grow(d.partOf, len(context))
	blocks := d.find(len(dst), places)
	d.prepare(&of)
	if blocks == nil {
		d.divide(&of, context, d.partOf)
	}
	for _, x := range blocks {
		d.divide(&of, context[x.from:x.to], d.partOf[x.from:x.to])
	}
	return d.coded(dst, body[1+parts:], parts, d.partOf, blocks)
}

// prepare fills the table by which divide finds the parts of small contexts.
func (d *Decoder) prepare(of *[classCount]byte) {
	for class := uint(0); ; class++ {
		base, open := classBase(class)
		if base >= smallContexts {
			break
		}
		run := d.ofSmall[base : base+1<<open]
		for i := range run {
			run[i] = of[class]
		}
	}
}

// divide finds the part of each value by its context.
func (d *Decoder) divide(of *[classCount]byte, context []uint64, partOf []byte) {
	for i, v := range context {
		if v < smallContexts {
			partOf[i] = d.ofSmall[v]
			continue
		}
		class, _ := classOf(v)
		partOf[i] = of[class%classCount]
	}
}
