package segment

import (
	"encoding/binary"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/column"
)

// pageValues is the number of addresses in a page of a dictionary.
const pageValues = 2048

// address as a number, whose order is that of addresses.
func address4(a *flow.Address) uint32 { return binary.BigEndian.Uint32(a[:4]) }

func address6(a *flow.Address) column.Uint128 {
	return column.Uint128{Hi: binary.BigEndian.Uint64(a[:8]), Lo: binary.BigEndian.Uint64(a[8:])}
}

// addressWriter writes the pages of the two dictionaries. All IPv4 addresses come before the first IPv6 address, in
// strictly ascending order.
type addressWriter struct {
	out      *output
	four     []uint32
	six      []column.Uint128
	count    [2]uint32
	index    [2]index
	page     []byte
	sixBegun bool
}

func (w *addressWriter) begin() { w.out.begin(sectionIPv4) }

func (w *addressWriter) add4(v uint32) {
	w.four = append(w.four, v)
	if len(w.four) == pageValues {
		w.flush4()
	}
}

func (w *addressWriter) add6(v column.Uint128) {
	if !w.sixBegun {
		w.beginSix()
	}
	w.six = append(w.six, v)
	if len(w.six) == pageValues {
		w.flush6()
	}
}

func (w *addressWriter) beginSix() {
	w.flush4()
	w.out.begin(sectionIPv6)
	w.sixBegun = true
}

func (w *addressWriter) finish() {
	if !w.sixBegun {
		w.beginSix()
	}
	w.flush6()
}

// start is the place of the next page in the section.
func (w *addressWriter) start() int64 { return w.out.sections[len(w.out.sections)-1].length }

func (w *addressWriter) flush4() {
	if len(w.four) == 0 {
		return
	}
	w.count[0] += uint32(len(w.four))
	w.index[0].add(binary.LittleEndian.AppendUint32(nil, w.four[0]), w.start())
	w.page = column.AppendSorted32(w.page[:0], w.four)
	w.out.write(w.page)
	w.four = w.four[:0]
}

func (w *addressWriter) flush6() {
	if len(w.six) == 0 {
		return
	}
	w.count[1] += uint32(len(w.six))
	key := binary.LittleEndian.AppendUint64(nil, w.six[0].Hi)
	w.index[1].add(binary.LittleEndian.AppendUint64(key, w.six[0].Lo), w.start())
	w.page = column.AppendSorted128(w.page[:0], w.six)
	w.out.write(w.page)
	w.six = w.six[:0]
}
