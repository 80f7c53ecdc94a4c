package capture

import (
	"encoding/binary"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// Share is the ring, among so many that share an interface, that a whole packet with these addresses and ports comes to:
// what fanoutProgram says, for packets that did not come that way, such as fragments.
func Share(p *packet.Packet, rings int) int {
	hash := wordSum(&p.Source) + wordSum(&p.Destination)
	if p.HasPorts {
		hash ^= (uint32(p.SourcePort) + uint32(p.DestinationPort)) * fanoutPorts
	}
	return int((hash ^ hash>>16) * fanoutMix >> fanoutShift % uint32(rings))
}

// The constants of fanoutProgram's hash.
const (
	fanoutPorts = 0x85ebca6b
	fanoutMix   = 0x9e3779b1
	fanoutShift = 20
)

func wordSum(a *flow.Address) uint32 {
	return binary.BigEndian.Uint32(a[0:]) + binary.BigEndian.Uint32(a[4:]) + binary.BigEndian.Uint32(a[8:]) + binary.BigEndian.Uint32(a[12:])
}
