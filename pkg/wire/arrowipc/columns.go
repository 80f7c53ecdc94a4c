package arrowipc

import (
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weirflow/weir/pkg/wire"
)

// validity is the bitmap of the rows that have a value.
type validity struct {
	bits  []byte
	nulls int
}

func (v *validity) reset(rows int) {
	v.bits = resize(v.bits, int(bitutil.BytesForBits(int64(rows))))
	for i := range v.bits {
		v.bits[i] = 0xff
	}
	v.nulls = 0
}

func (v *validity) null(row int) {
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

// times is the column of time stamps.
type times struct {
	validity
	of     func(*wire.Row) time.Time
	values []int64
}

func (c *times) encode(arrays []arrow.Array, rows []wire.Row) []arrow.Array {
	c.reset(len(rows))
	c.values = resize(c.values, len(rows))
	for i := range rows {
		c.values[i] = 0
		if t := c.of(&rows[i]); t.IsZero() {
			c.null(i)
		} else {
			c.values[i] = t.UnixMicro()
		}
	}
	return append(arrays, primitive(timeType, &c.validity, len(rows), arrow.Int64Traits.CastToBytes(c.values)))
}

// texts is a column of texts of which there are few: each is written once.
type texts struct {
	validity
	of         func(*wire.Row) string
	list       []string
	index      map[string]int32 // of the list, when it is long
	dictionary *array.Data
	entries    []int32 // of the list, by row; none for null
	next       int     // row to encode next
}

// none stands for a text that is not there.
const none = -1

// collect goes through all rows, once for all columns of texts: the rows do not fit into a cache.
func collect(columns []*texts, rows []wire.Row) {
	for _, c := range columns {
		c.entries = make([]int32, len(rows))
	}
	for i := range rows {
		for _, c := range columns {
			c.entries[i] = c.entry(c.of(&rows[i]))
		}
	}
	for _, c := range columns {
		builder := array.NewStringBuilder(memory.DefaultAllocator)
		builder.AppendValues(c.list, nil)
		c.dictionary = builder.NewStringArray().Data().(*array.Data)
	}
}

// entry is the place of a text in the list, at the end if it is new.
func (c *texts) entry(text string) int32 {
	if text == "" {
		return none
	}
	const short = 8 // up to here looking through is faster than hashing
	for i, known := range c.list[:min(len(c.list), short)] {
		if known == text {
			return int32(i)
		}
	}
	if i, known := c.index[text]; known {
		return i
	}
	i := int32(len(c.list))
	if c.list = append(c.list, text); i >= short {
		if c.index == nil {
			c.index = make(map[string]int32)
		}
		c.index[text] = i
	}
	return i
}

func (c *texts) encode(arrays []arrow.Array, rows []wire.Row) []arrow.Array {
	c.reset(len(rows))
	entries := c.entries[c.next : c.next+len(rows)]
	c.next += len(rows)
	for i, entry := range entries {
		if entry == none {
			entries[i] = 0
			c.null(i)
		}
	}
	data := array.NewDataWithDictionary(textType, len(rows),
		[]*memory.Buffer{c.buffer(), memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(entries))}, c.nulls, 0, c.dictionary)
	return append(arrays, array.NewDictionaryData(data))
}

// addresses is a column of addresses, or of networks, as text.
type addresses struct {
	validity
	of      func(*wire.Row) netip.Addr
	bits    uint8
	offsets []int32
	text    []byte
}

func (c *addresses) encode(arrays []arrow.Array, rows []wire.Row) []arrow.Array {
	c.reset(len(rows))
	c.offsets, c.text = resize(c.offsets, len(rows)+1), c.text[:0]
	c.offsets[0] = 0
	for i := range rows {
		if a := c.of(&rows[i]); a.Is4() {
			c.text = append4(c.text, a.As4())
			c.text = c.appendBits(c.text, 32)
		} else if a.IsValid() {
			c.text = c.appendBits(append6(c.text, a), 128)
		} else {
			c.null(i)
		}
		c.offsets[i+1] = int32(len(c.text)) // a batch has less than 2^31 bytes of text
	}
	return append(arrays, array.MakeFromData(array.NewData(arrow.BinaryTypes.String, len(rows), []*memory.Buffer{
		c.buffer(), memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.offsets)), memory.NewBufferBytes(c.text),
	}, nil, c.nulls, 0)))
}

func (c *addresses) appendBits(b []byte, most uint8) []byte {
	if c.bits == 0 {
		return b
	}
	return strconv.AppendUint(append(b, '/'), uint64(min(c.bits, most)), 10)
}

// bytesInText are the texts of all bytes, their length in the last place.
var bytesInText = func() (table [256][4]byte) {
	for n := range table {
		table[n][3] = byte(copy(table[n][:3], strconv.Itoa(n)))
	}
	return table
}()

// append4 appends an IPv4 address.
func append4(b []byte, a [4]byte) []byte {
	const longest = len("255.255.255.255")
	n := len(b)
	b = slices.Grow(b, longest+1)[:n+longest+1] // each step writes three bytes and a dot
	for _, part := range a {
		text := &bytesInText[part]
		copy(b[n:n+3], text[:3])
		n += int(text[3])
		b[n] = '.'
		n++
	}
	return b[:n-1]
}

const hexDigits = "0123456789abcdef"

// append6 appends an IPv6 address as RFC 5952 has it, without a zone.
func append6(b []byte, a netip.Addr) []byte {
	if a.Is4In6() {
		return a.WithZone("").AppendTo(b)
	}
	bytes := a.As16()
	from, to := zeros(&bytes)
	n, longest := len(b), len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	b = slices.Grow(b, longest+1)[:n+longest+1] // each part writes a colon behind it
	if from == 0 && to > 0 {
		b[n] = ':'
		n++
	}
	for i := 0; i < 8; i++ {
		if i == from && to > from {
			b[n] = ':'
			n++
			if i = to; i == 8 {
				return b[:n]
			}
		}
		part := uint16(bytes[2*i])<<8 | uint16(bytes[2*i+1])
		digits := max(bits.Len16(part)+3, 4) / 4
		for k := digits; k > 0; k-- {
			b[n+k-1] = hexDigits[part&15]
			part >>= 4
		}
		b[n+digits] = ':'
		n += digits + 1
	}
	return b[:n-1]
}

// zeros is the first longest run of two parts or more that are zero; from is 8 where there is none.
func zeros(a *[16]byte) (from, to int) {
	from = 8
	for i, longest := 0, 1; i < 8; i++ {
		end := i
		for end < 8 && a[2*end]|a[2*end+1] == 0 {
			end++
		}
		if end-i > longest {
			from, to, longest = i, end, end-i
		}
		i = end
	}
	return from, to
}

// ports is the column of ports.
type ports struct{ values []uint16 }

func (c *ports) encode(arrays []arrow.Array, rows []wire.Row) []arrow.Array {
	c.values = resize(c.values, len(rows))
	for i := range rows {
		c.values[i] = rows[i].Attributes.DestinationPort
	}
	return append(arrays, primitive(arrow.PrimitiveTypes.Uint16, nil, len(rows), arrow.Uint16Traits.CastToBytes(c.values)))
}

// protocols is the column of protocols.
type protocols struct{ values []uint8 }

func (c *protocols) encode(arrays []arrow.Array, rows []wire.Row) []arrow.Array {
	c.values = resize(c.values, len(rows))
	for i := range rows {
		c.values[i] = uint8(rows[i].Attributes.Protocol)
	}
	return append(arrays, primitive(arrow.PrimitiveTypes.Uint8, nil, len(rows), c.values))
}

// sums are the columns of all counters.
type sums struct {
	of     func(*wire.Row) *wire.Counters
	values [len(counters)][]uint64
}

func (c *sums) encode(arrays []arrow.Array, rows []wire.Row) []arrow.Array {
	for k := range c.values {
		c.values[k] = resize(c.values[k], len(rows))
	}
	for i := range rows {
		for k, v := range values(c.of(&rows[i])) {
			c.values[k][i] = v
		}
	}
	for _, v := range c.values {
		arrays = append(arrays, primitive(arrow.PrimitiveTypes.Uint64, nil, len(rows), arrow.Uint64Traits.CastToBytes(v)))
	}
	return arrays
}
