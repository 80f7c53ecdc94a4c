package table

import (
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// folded counts the packets of conversations that had no room, by family and protocol. Its rows have a key with
// zero addresses and port 0.
type folded struct {
	rows    *[2][256]flow.Counters // made when first needed: most tables never are
	packets uint64                 // since New
	changed bool                   // since the last Changes or Drain pass
}

func (f *folded) add(p *packet.Packet, length uint32, sent bool) {
	if f.rows == nil {
		f.rows = new([2][256]flow.Counters)
	}
	family := 0
	if p.Family == flow.IPv6 {
		family = 1
	}
	c := flow.Counters{BytesReceived: uint64(length), PacketsReceived: 1}
	if sent {
		c = flow.Counters{BytesSent: uint64(length), PacketsSent: 1}
	}
	f.rows[family][p.Protocol].Add(c)
	f.packets++
	f.changed = true
}

// foldedID numbers the folded rows, above all conversations.
const foldedID = 1 << 31

// visit puts the rows into the picture, as far as its kind wants them.
func (f *folded) visit(kind PassKind, picture *Picture) {
	if f.rows == nil || kind == Changes && !f.changed {
		return
	}
	for i, family := range [2]flow.Family{flow.IPv4, flow.IPv6} {
		for protocol, c := range f.rows[i] {
			if !c.IsZero() {
				key := flow.Key{Family: family, Protocol: flow.Protocol(protocol)}
				picture.add(nil, foldedID|uint32(family)<<8|uint32(protocol), &key, &c, nil)
			}
		}
	}
	if kind == Drain {
		*f.rows = [2][256]flow.Counters{}
	}
	if kind != Copy {
		f.changed = false
	}
}
