package column

import "encoding/binary"

// block is a run of values of a stream, from one mark to the next one.
type block struct {
	from, to int // of all values
	stream   int
	mark     int // the number of the mark before it, in its stream; 0 is the stream's beginning
}

// find finds the blocks in which places are that ascend; nil stands for all, also where there are no marks or where
// decoding some takes as long as decoding all, which goes four values at a time.
func (d *Decoder) find(count int, places []uint32) []block {
	if places == nil || count < manyValues || len(places) > count/markEvery/2 {
		return nil
	}
	d.blocks = d.blocks[:0]
	if d.blocks == nil {
		d.blocks = []block{}
	}
	quarter, end := streamLength(count), 0
	for _, p := range places {
		place := int(p)
		if place < end || place >= count {
			continue
		}
		stream := place / quarter
		mark := place % quarter / markEvery
		from := stream*quarter + mark*markEvery
		end = min(from+markEvery, (stream+1)*quarter, count)
		d.blocks = append(d.blocks, block{from, end, stream, mark})
	}
	return d.blocks
}

// some decodes the values of blocks. It reports false where one does not end where the next one, or its stream, says.
func (d *Decoder) some(dst []uint64, b, partOf []byte, blocks []block, marks []byte, at, ends *[4]uint64) bool {
	perStream := (streamLength(len(dst)) - 1) / markEvery
	place, next := uint64(0), block{stream: -1} // of next, which is the one after the block before
	for _, x := range blocks {
		if next.stream != x.stream || next.mark > x.mark {
			next, place = block{stream: x.stream}, at[x.stream]
		}
		own := marks[2*perStream*x.stream:]
		for ; next.mark < x.mark; next.mark++ {
			place += uint64(binary.LittleEndian.Uint16(own[2*next.mark:]))
		}
		if place > ends[x.stream] {
			return false
		}
		var parts []byte
		if partOf != nil {
			parts = partOf[x.from:x.to]
		}
		end := d.one(dst[x.from:x.to], b, parts, place)
		want := (end + 7) &^ 7
		if x.to != len(dst) && x.to != (x.stream+1)*streamLength(len(dst)) {
			if want = place + uint64(binary.LittleEndian.Uint16(own[2*x.mark:])); want != end {
				return false
			}
		} else if want != ends[x.stream] {
			return false
		}
	}
	return true
}
