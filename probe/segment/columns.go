package segment

import (
	"github.com/weirflow/weir/probe/column"
)

// counterOrder is the order in which the columns of counters stand in a chunk: a column comes after the one it goes
// along with.
var counterOrder = [CounterCount]int{PacketsReceived, PacketsSent, BytesReceived, BytesSent, Attempts, Accepts, Rejects,
	RoundTrips, RoundTripNanoseconds}

// noContext says that a counter goes along with none.
const noContext = -1

// contextOf is the counter that says most about another one: the encoder groups values by it where that is smaller.
var contextOf = [CounterCount]int{
	BytesReceived: PacketsReceived, BytesSent: PacketsSent, PacketsReceived: noContext, PacketsSent: PacketsReceived,
	Attempts: noContext, Accepts: Attempts, Rejects: Attempts, RoundTrips: Accepts, RoundTripNanoseconds: RoundTrips,
}

// companion returns the counter that counter goes along with in a chunk that has the counters of mask, or noContext.
func companion(counter int, mask uint16) int {
	if c := contextOf[counter]; c >= 0 && mask>>c&1 != 0 {
		return c
	}
	return noContext
}

// groups of columns in a chunk; each is read as a whole.
const (
	groupTuples = iota
	groupSums
	groupRows
	groupCount
)

// chunkBuffer collects the tuples of a chunk and encodes them.
type chunkBuffer struct {
	source, destination, service []uint64
	rowCount                     []uint64
	sums                         [][CounterCount]uint64
	stamps                       []uint32 // of each row
	rows                         [][CounterCount]uint64
	overflow                     bool // of a sum

	e       column.Encoder
	scratch [4][]uint64
	sum     [CounterCount][]uint64
	value   [CounterCount][]uint64
	out     []byte
}

func (c *chunkBuffer) reset() {
	c.source, c.destination, c.service, c.rowCount = c.source[:0], c.destination[:0], c.service[:0], c.rowCount[:0]
	c.sums, c.stamps, c.rows, c.overflow = c.sums[:0], c.stamps[:0], c.rows[:0], false
}

// tuple begins a tuple.
func (c *chunkBuffer) tuple(source, destination, service uint32) {
	c.source = append(c.source, uint64(source))
	c.destination = append(c.destination, uint64(destination))
	c.service = append(c.service, uint64(service))
	c.rowCount = append(c.rowCount, 0)
	c.sums = append(c.sums, [CounterCount]uint64{})
}

// row adds a row to the tuple begun last. Its stamp is that of the last row of the tuple or a later one.
func (c *chunkBuffer) row(stamp uint32, v *[CounterCount]uint64) {
	last := len(c.rowCount) - 1
	if !add(&c.sums[last], v) {
		c.overflow = true
	}
	if n := len(c.stamps) - 1; c.rowCount[last] > 0 && c.stamps[n] == stamp {
		add(&c.rows[n], v)
		return
	}
	c.rowCount[last]++
	c.stamps = append(c.stamps, stamp)
	c.rows = append(c.rows, *v)
}

// encode returns the bytes of the chunk, valid until the next call, and its entry in the directory.
func (c *chunkBuffer) encode() ([]byte, entry) {
	x := entry{chunk: c.describe()}
	if c.overflow {
		x.flags |= flagExplicit
	}
	c.out = c.out[:0]
	c.encodeTuples(&x.chunk)
	x.size[groupTuples] = uint32(len(c.out))
	c.encodeSums(x.chunk.HasCounter)
	x.size[groupSums] = uint32(len(c.out)) - x.size[groupTuples]
	c.encodeRows(&x.chunk)
	x.size[groupRows] = uint32(len(c.out)) - x.size[groupTuples] - x.size[groupSums]
	x.crc = checksum(c.out)
	x.fill()
	return c.out, x
}

// describe finds the bounds of the chunk.
func (c *chunkBuffer) describe() Chunk {
	n := len(c.source)
	d := Chunk{Tuples: n, Rows: len(c.stamps), FirstSource: uint32(c.source[0]), LastSource: uint32(c.source[n-1]),
		LeastDestination: uint32(c.destination[0]), FirstStamp: c.stamps[0]}
	for _, code := range c.destination {
		d.LeastDestination, d.MostDestination = min(d.LeastDestination, uint32(code)), max(d.MostDestination, uint32(code))
	}
	for _, stamp := range c.stamps {
		d.FirstStamp, d.LastStamp = min(d.FirstStamp, stamp), max(d.LastStamp, stamp)
	}
	var all [CounterCount]uint64
	for i := range c.sums {
		for j, v := range c.sums[i] {
			all[j] |= v
		}
	}
	for i, v := range all {
		if v != 0 {
			d.HasCounter |= 1 << i
		}
	}
	return d
}

// encodeTuples appends the columns of the group of tuples: runs of equal sources (difference to the run before, length
// less 1), destinations (first of each run less the least; differences within runs), services, rows less 1.
func (c *chunkBuffer) encodeTuples(d *Chunk) {
	sources, lengths := c.scratch[0][:0], c.scratch[1][:0]
	firsts, steps := c.scratch[2][:0], c.scratch[3][:0]
	previous := uint64(d.FirstSource)
	for i, source := range c.source {
		if i > 0 && source == c.source[i-1] {
			lengths[len(lengths)-1]++
			steps = append(steps, c.destination[i]-c.destination[i-1])
			continue
		}
		sources = append(sources, source-previous)
		lengths = append(lengths, 0)
		firsts = append(firsts, c.destination[i]-uint64(d.LeastDestination))
		previous = source
	}
	c.scratch = [4][]uint64{sources, lengths, firsts, steps}
	c.append(sources)
	c.append(lengths)
	c.append(firsts)
	c.append(steps)
	c.append(c.service)
	for i := range c.rowCount {
		c.rowCount[i]--
	}
	c.append(c.rowCount)
	for i := range c.rowCount {
		c.rowCount[i]++
	}
}

// append appends a column; a column without values takes no bytes.
func (c *chunkBuffer) append(values []uint64) {
	c.out = appendColumn(&c.e, c.out, values, column.MaxValues)
}

// appendGiven appends a column that goes along with another one.
func (c *chunkBuffer) appendGiven(values, context []uint64) {
	for len(values) > 0 {
		n := min(len(values), column.MaxValues)
		c.out = c.e.AppendGiven(c.out, values[:n], context[:n])
		values, context = values[n:], context[n:]
	}
}

// encodeSums appends a column for each counter that the chunk has.
func (c *chunkBuffer) encodeSums(mask uint16) {
	for _, counter := range counterOrder {
		if mask>>counter&1 == 0 {
			continue
		}
		column := c.sum[counter][:0]
		for i := range c.sums {
			column = append(column, c.sums[i][counter])
		}
		c.sum[counter] = column
		if given := companion(counter, mask); given != noContext {
			c.appendGiven(column, c.sum[given])
		} else {
			c.append(column)
		}
	}
}

// encodeRows appends the columns of the group of rows: stamp of each tuple's first row less the chunk's least, steps
// between the stamps of a tuple less 1, and the counters of all rows but each tuple's last.
func (c *chunkBuffer) encodeRows(d *Chunk) {
	firsts, steps := c.scratch[0][:0], c.scratch[1][:0]
	row := 0
	for _, n := range c.rowCount {
		firsts = append(firsts, uint64(c.stamps[row]-d.FirstStamp))
		for i := row + 1; i < row+int(n); i++ {
			steps = append(steps, uint64(c.stamps[i]-c.stamps[i-1]-1))
		}
		row += int(n)
	}
	c.scratch[0], c.scratch[1] = firsts, steps
	c.append(firsts)
	c.append(steps)
	if len(steps) == 0 && !c.overflow {
		return
	}
	for _, counter := range counterOrder {
		if d.HasCounter>>counter&1 == 0 {
			continue
		}
		column := c.rowColumn(counter)
		if given := companion(counter, d.HasCounter); given != noContext {
			c.appendGiven(column, c.value[given])
		} else {
			c.append(column)
		}
	}
}

// rowColumn collects the values of a counter that are stored: those of all rows, or of all but each tuple's last.
func (c *chunkBuffer) rowColumn(counter int) []uint64 {
	column := c.value[counter][:0]
	row := 0
	for _, n := range c.rowCount {
		end := row + int(n)
		stored := end - 1
		if c.overflow {
			stored = end
		}
		for ; row < stored; row++ {
			column = append(column, c.rows[row][counter])
		}
		row = end
	}
	c.value[counter] = column
	return column
}
