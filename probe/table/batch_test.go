package table

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// TestBatchIsAdd holds that packets give the same rows, attempts and folded counters in batches as one by one: with new
// conversations whose packets follow at once, handshakes, ICMP errors, and a table so small that it forgets and folds.
func TestBatchIsAdd(t *testing.T) {
	for name, most := range map[string]int64{"roomy": 1 << 20, "small": 40, "tiny": 1} {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Memory = most * conversationMemory
			single, batched := New(cfg), New(cfg)
			defer single.Close()
			defer batched.Close()
			sibling := [2]*Table{single.Sibling(), batched.Sibling()}
			var b Batch
			random := rand.New(rand.NewPCG(7, uint64(most)))
			now := int64(time.Hour)
			for round := range 20 {
				for range 700 {
					p := randomPacket(random)
					length, isSent, aside := random.Uint32N(1500), random.IntN(2) == 0, random.IntN(4) == 0
					now += int64(random.IntN(int(time.Second)))
					into := [2]*Table{single, batched}
					if aside {
						into = sibling
					}
					into[0].Add(&p, length, isSent, now)
					a := b.Next()
					*a = Arrival{Packet: p, Into: into[1], Length: length, Sent: isSent, Time: now}
					b.Take()
				}
				b.Flush()
				for i, pair := range [][2]*Table{{single, batched}, sibling} {
					pair[0].Expire(now, 1<<20)
					pair[1].Expire(now, 1<<20)
					if one, many := pair[0].Folded(), pair[1].Folded(); one != many || pair[0].Flows() != pair[1].Flows() {
						t.Fatalf("round %d, table %d: folded %d and %d, flows %d and %d", round, i, one, many, pair[0].Flows(), pair[1].Flows())
					}
					if one, many := pair[0].Rotate(nil), pair[1].Rotate(nil); len(one) == 0 || !reflect.DeepEqual(one, many) {
						t.Fatalf("round %d, table %d: %d and %d rows differ", round, i, len(one), len(many))
					}
				}
				now += int64(random.IntN(int(2 * time.Minute)))
			}
			if most == 1 && single.Folded() == 0 {
				t.Error("nothing was folded")
			}
		})
	}
}

// randomPacket is one of a few hundred conversations' or an ICMP error about one.
func randomPacket(random *rand.Rand) packet.Packet {
	p := packet.Packet{Family: flow.IPv4, Protocol: flow.UDP, HasPorts: true, SourcePort: uint16(40000 + random.IntN(20)), DestinationPort: 53}
	p.Source[0], p.Source[3], p.Destination[0] = 10, byte(random.IntN(20)), 11
	if random.IntN(2) == 0 {
		p.Protocol, p.HasTCP, p.Sequence = flow.TCP, true, random.Uint32N(3)
		p.TCPFlags = []uint8{packet.SYN, packet.SYN | packet.ACK, packet.ACK, packet.RST | packet.ACK}[random.IntN(4)]
		p.Acknowledgement = random.Uint32N(4)
	}
	if random.IntN(2) == 0 {
		p.Source, p.Destination = p.Destination, p.Source
		p.SourcePort, p.DestinationPort = p.DestinationPort, p.SourcePort
	}
	if random.IntN(10) > 0 {
		return p
	}
	return packet.Packet{Family: flow.IPv4, Protocol: flow.ICMP, HasICMP: true, ICMPType: 3, ICMPCode: 3, Source: p.Destination, Destination: p.Source,
		Quoted: true, Quote: packet.Quote{Source: p.Source, Destination: p.Destination, SourcePort: p.SourcePort,
			DestinationPort: p.DestinationPort, Protocol: p.Protocol, Family: p.Family, HasPorts: true}}
}
