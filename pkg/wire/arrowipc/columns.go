package arrowipc

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weirflow/weir/pkg/wire"
)

// validity is the bitmap of the rows that have a value; where all do, nothing is written to it.
type validity struct {
	bits  []byte
	nulls int
}

func (v *validity) reset(rows int) {
	v.bits = resize(v.bits, int(bitutil.BytesForBits(int64(rows))))
	v.nulls = 0
}

func (v *validity) null(row int) {
	if v.nulls == 0 {
		for i := range v.bits {
			v.bits[i] = 0xff
		}
	}
	bitutil.ClearBit(v.bits, row)
	v.nulls++
}

// buffer is nil where every row has a value.
func (v *validity) buffer() *memory.Buffer {
	if v.nulls == 0 {
		return nil
	}
	return memory.NewBufferBytes(v.bits)
}

// resize returns a slice of that length, the old one where it is large enough.
func resize[T any](s []T, length int) []T {
	if cap(s) < length {
		return make([]T, length)
	}
	return s[:length]
}

func primitive(kind arrow.DataType, v *validity, rows int, values []byte) arrow.Array {
	var valid *memory.Buffer
	nulls := 0
	if v != nil {
		valid, nulls = v.buffer(), v.nulls
	}
	return array.MakeFromData(array.NewData(kind, rows, []*memory.Buffer{valid, memory.NewBufferBytes(values)}, nil, nulls, 0))
}

// times is a column of time stamps.
type times struct {
	validity
	of     func(*wire.Row) time.Time
	values []int64
}

func (c *times) reset(_, rows int) {
	c.validity.reset(rows)
	c.values = resize(c.values, rows)
}

func (c *times) fill(rows []wire.Row, start int) {
	for i := range rows {
		c.values[start+i] = 0
		if t := c.of(&rows[i]); t.IsZero() {
			c.null(start + i)
		} else {
			c.values[start+i] = t.UnixMicro()
		}
	}
}

func (c *times) arrays(list []arrow.Array) []arrow.Array {
	return append(list, primitive(timeType, &c.validity, len(c.values), arrow.Int64Traits.CastToBytes(c.values)))
}

// ports is the column of ports.
type ports struct{ values []uint16 }

func (c *ports) reset(_, rows int) { c.values = resize(c.values, rows) }

func (c *ports) fill(rows []wire.Row, start int) {
	values := c.values[start : start+len(rows)]
	for i := range rows {
		values[i] = rows[i].Attributes.DestinationPort
	}
}

func (c *ports) arrays(list []arrow.Array) []arrow.Array {
	return append(list, primitive(arrow.PrimitiveTypes.Uint16, nil, len(c.values), arrow.Uint16Traits.CastToBytes(c.values)))
}

// protocols is the column of protocols.
type protocols struct{ values []uint8 }

func (c *protocols) reset(_, rows int) { c.values = resize(c.values, rows) }

func (c *protocols) fill(rows []wire.Row, start int) {
	values := c.values[start : start+len(rows)]
	for i := range rows {
		values[i] = uint8(rows[i].Attributes.Protocol)
	}
}

func (c *protocols) arrays(list []arrow.Array) []arrow.Array {
	return append(list, primitive(arrow.PrimitiveTypes.Uint8, nil, len(c.values), c.values))
}

// sums are the columns of all counters.
type sums struct {
	earlier bool // of the earlier span
	values  [len(counters)][]uint64
}

func (c *sums) reset(_, rows int) {
	for k := range c.values {
		c.values[k] = resize(c.values[k], rows)
	}
}

func (c *sums) fill(rows []wire.Row, start int) {
	// Named one by one, and all of one length, so that no index is checked nine times a row.
	v, end, none := &c.values, start+len(rows), &wire.Counters{}
	br, bs, pr, ps := v[0][start:end], v[1][start:end], v[2][start:end], v[3][start:end]
	ca, cc, cr, sum, n := v[4][start:end], v[5][start:end], v[6][start:end], v[7][start:end], v[8][start:end]
	for i := range rows {
		k := &rows[i].Counters
		if c.earlier {
			if k = rows[i].Before; k == nil {
				k = none
			}
		}
		br[i], bs[i], pr[i], ps[i] = k.BytesReceived, k.BytesSent, k.PacketsReceived, k.PacketsSent
		ca[i], cc[i], cr[i] = k.Attempts, k.Accepts, k.Rejects
		sum[i], n[i] = k.RoundTripNanoseconds, k.RoundTrips
	}
}

func (c *sums) arrays(list []arrow.Array) []arrow.Array {
	for _, v := range c.values {
		list = append(list, primitive(arrow.PrimitiveTypes.Uint64, nil, len(v), arrow.Uint64Traits.CastToBytes(v)))
	}
	return list
}
