package arrowipc

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weirflow/weir/pkg/wire"
)

// addresses is a column of addresses, or of networks, as text.
type addresses struct {
	validity
	source  bool // else destinations
	bits    uint8
	offsets []int32
	text    []byte
}

func (c *addresses) reset(_, rows int) {
	c.validity.reset(rows)
	c.offsets, c.text = resize(c.offsets, rows+1), c.text[:0]
	c.offsets[0] = 0
}

// roomForAddress is what writing an address and its number of bits touches at most.
const roomForAddress = room6 + len("/128")

func (c *addresses) fill(rows []wire.Row, start int) {
	c.text = slices.Grow(c.text, len(rows)*roomForAddress)
	text, n := c.text[:cap(c.text)], len(c.text)
	ends := c.offsets[start+1 : start+1+len(rows)]
	for i := range rows {
		a := &rows[i].Attributes.Destination
		if c.source {
			a = &rows[i].Attributes.Source
		}
		switch {
		case a.Is4():
			n += put4((*[room4]byte)(text[n:]), a.As4())
			n += c.putBits(text[n:], 32)
		case a.IsValid():
			n += put6((*[room6]byte)(text[n:]), *a)
			n += c.putBits(text[n:], 128)
		default:
			c.null(start + i)
		}
		ends[i] = int32(n) // a batch has less than 2^31 bytes of text
	}
	c.text = text[:n]
}

func (c *addresses) arrays(list []arrow.Array) []arrow.Array {
	return append(list, array.MakeFromData(array.NewData(arrow.BinaryTypes.String, len(c.offsets)-1, []*memory.Buffer{
		c.buffer(), memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.offsets)), memory.NewBufferBytes(c.text),
	}, nil, c.nulls, 0)))
}

func (c *addresses) putBits(out []byte, most uint8) int {
	if c.bits == 0 {
		return 0
	}
	return len(strconv.AppendUint(append(out[:0], '/'), uint64(min(c.bits, most)), 10))
}

// partOf4 are the texts of all bytes with a dot behind them, as they stand in memory, with their length in bits in the
// highest byte.
var partOf4 = func() (table [256]uint64) {
	for n := range table {
		var text [8]byte
		text[7] = 8 * byte(copy(text[:7], strconv.Itoa(n)+"."))
		table[n] = binary.LittleEndian.Uint64(text[:])
	}
	return table
}()

// room4 is what put4 needs: it writes eight bytes twice, the second ones from the ninth on at most.
const room4 = 16

// put4 writes an IPv4 address and returns the length of its text; what is behind it changes, too.
func put4(out *[room4]byte, a [4]byte) int {
	first, firstBits := pairOf4(a[0], a[1])
	second, secondBits := pairOf4(a[2], a[3])
	binary.LittleEndian.PutUint64(out[:], first)
	binary.LittleEndian.PutUint64(out[min(firstBits/8, 8):], second)
	return int(firstBits+secondBits)/8 - 1
}

// pairOf4 are the texts of two bytes, as they stand in memory, with the number of their bits.
func pairOf4(a, b byte) (text, bits uint64) {
	const most = 0xffffffff
	x, y := partOf4[a], partOf4[b]
	return x&most | y&most<<(x>>56&63), x>>56 + y>>56
}

// hexOf are the two digits of all bytes, as they stand in memory.
var hexOf = func() (table [256]uint16) {
	const digits = "0123456789abcdef"
	for n := range table {
		table[n] = uint16(digits[n>>4]) | uint16(digits[n&15])<<8
	}
	return table
}()

// room6 is what put6 needs: each part writes eight bytes.
const room6 = len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:") + 8

// put6 writes an IPv6 address as RFC 5952 has it, without a zone, and returns the length of its text; what is behind it
// changes, too.
func put6(out *[room6]byte, a netip.Addr) int {
	if a.Is4In6() {
		return len(a.WithZone("").AppendTo(out[:0]))
	}
	bytes := a.As16()
	from, to := zeros(&bytes)
	n := 0
	for i := 0; i < from; i++ {
		n += putPart(out[n:], bytes[2*i], bytes[2*i+1])
	}
	if from == 8 {
		return n - 1
	}
	if from == 0 {
		out[0], n = ':', 1
	}
	out[n] = ':'
	if n++; to == 8 {
		return n
	}
	for i := to; i < 8; i++ {
		n += putPart(out[n:], bytes[2*i], bytes[2*i+1])
	}
	return n - 1
}

// putPart writes sixteen bits of an address without leading zeros, and a colon.
func putPart(out []byte, high, low byte) int {
	leading := bits.LeadingZeros16(uint16(high)<<8|uint16(low)|1) / 4
	text := uint64(hexOf[high]) | uint64(hexOf[low])<<16 | ':'<<32
	binary.LittleEndian.PutUint64(out, text>>(8*leading))
	return 5 - leading
}

// zeros is the first longest run of two parts or more that are zero; from is 8 where there is none.
func zeros(a *[16]byte) (from, to int) {
	run := zeroRuns[zeroParts(binary.LittleEndian.Uint64(a[:8]))|zeroParts(binary.LittleEndian.Uint64(a[8:]))<<4]
	return int(run.from), int(run.to)
}

// zeroParts has a bit for each of four parts that is zero, the first one lowest.
func zeroParts(parts uint64) uint8 {
	const low = 0x7fff_7fff_7fff_7fff
	// The highest bit of a part is 0 where no bit of it is set.
	set := (parts&low + low) | parts
	return uint8(^set>>15&1 | ^set>>30&2 | ^set>>45&4 | ^set>>60&8)
}

// zeroRuns are the first longest runs of two set bits or more in all bytes.
var zeroRuns = func() (table [256]struct{ from, to uint8 }) {
	for parts := range table {
		table[parts].from = 8
		for from, longest := 0, 1; from < 8; from++ {
			length := bits.TrailingZeros(^(uint(parts) >> from))
			if length > longest {
				table[parts].from, table[parts].to, longest = uint8(from), uint8(from+length), length
			}
		}
	}
	return table
}()
