package packet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
)

type frame struct {
	link   Link
	pcap   layers.LinkType
	data   []byte
	length uint32
}

func readTrace(t testing.TB, path string) []frame {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var frames []frame
	for {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		frames = append(frames, frame{FromPcap(uint32(r.LinkType())), r.LinkType(), exact(data), uint32(info.Length)})
	}
}

// source is a row of SOURCES.md: what is known about a trace.
type source struct {
	file                   string
	packets, bytes, v4, v6 uint64
}

func sources(t testing.TB) []source {
	t.Helper()
	text, err := os.ReadFile(testenv.Shared(t, "pcaps", "SOURCES.md"))
	if err != nil {
		t.Fatal(err)
	}
	var list []source
	for line := range strings.Lines(string(text)) {
		c := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(c) != 14 || !strings.HasSuffix(strings.TrimSpace(c[0]), ".pcap") {
			continue
		}
		var n [4]uint64
		for i := range n {
			if n[i], err = strconv.ParseUint(strings.TrimSpace(c[7+i]), 10, 64); err != nil {
				t.Fatalf("SOURCES.md: %q: %v", line, err)
			}
		}
		list = append(list, source{strings.TrimSpace(c[0]), n[0], n[1], n[2], n[3]})
	}
	if len(list) == 0 {
		t.Fatal("SOURCES.md: no table found")
	}
	return list
}

// TestTraces decodes every trace and compares the sums with its row in SOURCES.md, and every packet with gopacket.
func TestTraces(t *testing.T) {
	for _, want := range sources(t) {
		t.Run(want.file, func(t *testing.T) {
			got := source{file: want.file}
			for i, f := range readTrace(t, testenv.Shared(t, "pcaps", want.file)) {
				var p Packet
				if issue := Decode(f.link, f.data, f.length, &p); issue != flow.IssueNone {
					t.Errorf("packet %d: %v", i+1, issue)
					continue
				}
				got.packets++
				got.bytes += uint64(f.length)
				if p.Family == flow.IPv4 {
					got.v4++
				} else {
					got.v6++
				}
				compare(t, i+1, f, &p)
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// compare checks a decoded packet against gopacket's view of the same frame.
func compare(t *testing.T, number int, f frame, p *Packet) {
	t.Helper()
	oracle := gopacket.NewPacket(f.data, f.pcap, gopacket.NoCopy)
	tuple, ok := oracleTuple(oracle)
	if !ok {
		t.Errorf("packet %d: gopacket finds no IP header", number)
		return
	}
	got := Packet{Family: p.Family, Source: p.Source, Destination: p.Destination, Protocol: p.Protocol, Fragment: p.Fragment,
		HasPorts: p.HasPorts, SourcePort: p.SourcePort, DestinationPort: p.DestinationPort,
		HasTCP: p.HasTCP, TCPFlags: p.TCPFlags &^ 0xc0, Sequence: p.Sequence, Acknowledgement: p.Acknowledgement,
		HasICMP: p.HasICMP, ICMPType: p.ICMPType, ICMPCode: p.ICMPCode}
	if got != tuple {
		t.Errorf("packet %d: got %+v, gopacket %+v", number, got, tuple)
	}
}

// oracleTuple is the outer tuple of a packet as gopacket sees it.
func oracleTuple(packet gopacket.Packet) (Packet, bool) {
	var p Packet
	for i, layer := range packet.Layers() {
		switch ip := layer.(type) {
		case *layers.IPv4:
			p.Family, p.Protocol = flow.IPv4, flow.Protocol(ip.Protocol)
			copy(p.Source[:], ip.SrcIP.To4())
			copy(p.Destination[:], ip.DstIP.To4())
			p.Fragment = ip.FragOffset != 0
		case *layers.IPv6:
			p.Family, p.Protocol = flow.IPv6, flow.Protocol(ip.NextHeader)
			copy(p.Source[:], ip.SrcIP)
			copy(p.Destination[:], ip.DstIP)
		default:
			continue
		}
		oracleTransport(&p, packet.Layers()[i+1:])
		return p, true
	}
	return p, false
}

func oracleTransport(p *Packet, rest []gopacket.Layer) {
	for _, layer := range rest {
		switch l := layer.(type) {
		case *layers.IPv6HopByHop:
			p.Protocol = flow.Protocol(l.NextHeader)
			continue
		case *layers.IPv6Destination:
			p.Protocol = flow.Protocol(l.NextHeader)
			continue
		case *layers.IPv6Fragment:
			p.Protocol = flow.Protocol(l.NextHeader)
			p.Fragment = l.FragmentOffset != 0
			if !p.Fragment { // gopacket stops at every fragment header
				p.HasPorts = true
				p.SourcePort, p.DestinationPort = binary.BigEndian.Uint16(l.Payload), binary.BigEndian.Uint16(l.Payload[2:])
			}
			return
		case *layers.TCP:
			p.HasPorts, p.SourcePort, p.DestinationPort = true, uint16(l.SrcPort), uint16(l.DstPort)
			p.HasTCP, p.TCPFlags, p.Sequence, p.Acknowledgement = true, l.Contents[13]&^0xc0, l.Seq, l.Ack
		case *layers.UDP:
			p.HasPorts, p.SourcePort, p.DestinationPort = true, uint16(l.SrcPort), uint16(l.DstPort)
		case *layers.SCTP:
			p.HasPorts, p.SourcePort, p.DestinationPort = true, uint16(l.SrcPort), uint16(l.DstPort)
		case *layers.ICMPv4:
			p.HasICMP, p.ICMPType, p.ICMPCode = true, l.TypeCode.Type(), l.TypeCode.Code()
		case *layers.ICMPv6:
			p.HasICMP, p.ICMPType, p.ICMPCode = true, l.TypeCode.Type(), l.TypeCode.Code()
		}
		return
	}
}
