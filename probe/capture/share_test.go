package capture

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// TestShare: packets are for the ring that the kernel's program picks, in either direction, in both families.
func TestShare(t *testing.T) {
	programs := map[flow.Family]*bpf.VM{flow.IPv4: fanoutMachine(t, 0x0800), flow.IPv6: fanoutMachine(t, 0x86dd)}
	rings, random := map[int]int{}, testenv.Random(t)
	for range 1000 {
		p := &packet.Packet{Family: flow.IPv4, Protocol: flow.UDP, HasPorts: true,
			SourcePort: uint16(random.Uint32()), DestinationPort: uint16(random.Uint32())}
		length := 4
		if random.IntN(2) == 0 {
			p.Family, length = flow.IPv6, 16
		}
		for i := range length {
			p.Source[i], p.Destination[i] = byte(random.Uint32()), byte(random.Uint32())
		}
		if random.IntN(4) == 0 {
			p.Protocol, p.HasPorts = 47, false
		}
		picked, err := programs[p.Family].Run(ipPacket(p))
		if err != nil {
			t.Fatal(err)
		}
		back := *p
		back.Source, back.Destination, back.SourcePort, back.DestinationPort = p.Destination, p.Source, p.DestinationPort, p.SourcePort
		if got := Share(p, 7); got != picked%7 || Share(&back, 7) != got {
			t.Fatalf("%+v is for ring %d and %d, the kernel picks %d", p, got, Share(&back, 7), picked%7)
		}
		rings[picked%7]++
	}
	for ring, n := range rings {
		if n < 1000/7/2 || n > 2*1000/7 {
			t.Errorf("ring %d gets %d of 1000", ring, n)
		}
	}
}

// fanoutMachine runs the kernel's program over a packet that begins with its network header.
func fanoutMachine(t *testing.T, etherType uint32) *bpf.VM {
	t.Helper()
	raw, err := fanoutProgram()
	if err != nil {
		t.Fatal(err)
	}
	var program []bpf.Instruction
	for _, r := range raw {
		switch i := r.Disassemble().(type) {
		case bpf.LoadIndirect:
			i.Off -= networkHeader
			program = append(program, i)
		case bpf.LoadExtension:
			program = append(program, bpf.LoadConstant{Dst: bpf.RegA, Val: etherType})
		default:
			program = append(program, i)
		}
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

func ipPacket(p *packet.Packet) []byte {
	b := make([]byte, 20, 60)
	b[0], b[9] = 0x45, byte(p.Protocol)
	copy(b[12:], p.Source[:4])
	copy(b[16:], p.Destination[:4])
	if p.Family == flow.IPv6 {
		b = make([]byte, 40, 60)
		b[0], b[6] = 0x60, byte(p.Protocol)
		copy(b[8:], p.Source[:])
		copy(b[24:], p.Destination[:])
	}
	b = binary.BigEndian.AppendUint16(b, p.SourcePort)
	return append(binary.BigEndian.AppendUint16(b, p.DestinationPort), make([]byte, 8)...)
}
