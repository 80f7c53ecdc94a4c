package traffic

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Traces cover the last traceSpan and hold one exchange of every kind each traceStep.
const (
	traceSpan = 10 * time.Minute
	traceStep = time.Second
)

// exchange is a request and its answer, as a trace holds them.
type exchange struct {
	from, to         Host
	v6               bool
	protocol         layers.IPProtocol
	port             uint16
	request, answers int // payload bytes; packets of at most 1400 bytes
}

func (p Plan) exchanges() []exchange {
	return []exchange{
		{p.Workstation, p.Web, false, layers.IPProtocolTCP, p.Ports.HTTP, 80, 20 << 10},
		{p.Workstation, p.Web, true, layers.IPProtocolTCP, p.Ports.HTTP, 80, 60 << 10},
		{p.Services, p.Web, true, layers.IPProtocolTCP, p.Ports.HTTP, 80, 120 << 10},
		{p.Workstation, p.Services, false, layers.IPProtocolUDP, p.Ports.DNS, 30, 60},
		{p.Web, p.Services, true, layers.IPProtocolUDP, p.Ports.DNS, 30, 60},
		{p.Workstation, p.Services, false, layers.IPProtocolTCP, p.Ports.SSH, 40, 40},
		{p.Workstation, p.Web, false, layers.IPProtocolICMPv4, 0, 56, 56},
		{p.Workstation, p.Services, true, layers.IPProtocolICMPv6, 0, 56, 56},
	}
}

// WriteTrace writes what the host's interface would have seen in the minutes before now, without capturing anything.
func (p Plan) WriteTrace(path string, seenBy Host) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	writer := pcapgo.NewWriter(file)
	if err := writer.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		return err
	}
	t := tracer{writer: writer}
	end := time.Now().Truncate(time.Second)
	for at := end.Add(-traceSpan); at.Before(end); at = at.Add(traceStep) {
		for i, e := range p.exchanges() {
			if e.from.Name == seenBy.Name || e.to.Name == seenBy.Name {
				if err := t.exchange(e, at.Add(time.Duration(i)*10*time.Millisecond)); err != nil {
					return fmt.Errorf("write trace %s: %w", path, err)
				}
			}
		}
	}
	return nil
}

type tracer struct {
	writer *pcapgo.Writer
	port   uint16
}

const maxPayload = 1400

func (t *tracer) exchange(e exchange, at time.Time) error {
	t.port = t.port%20000 + 1
	client := 40000 + t.port
	if err := t.packets(e, true, client, e.request, at); err != nil {
		return err
	}
	return t.packets(e, false, client, e.answers, at.Add(2*time.Millisecond))
}

func (t *tracer) packets(e exchange, forward bool, client uint16, bytes int, at time.Time) error {
	for first := true; bytes > 0; first = false {
		size := min(bytes, maxPayload)
		bytes -= size
		if err := t.packet(e, forward, first, client, size, at); err != nil {
			return err
		}
		at = at.Add(10 * time.Microsecond)
	}
	return nil
}

// packet writes one packet: of TCP, the first request carries SYN and the first answer SYN and ACK.
func (t *tracer) packet(e exchange, forward, first bool, client uint16, size int, at time.Time) error {
	from, to, source, destination := e.from, e.to, client, e.port
	if !forward {
		from, to, source, destination = e.to, e.from, e.port, client
	}
	network, kind := ip(from, to, e.v6, e.protocol)
	stack := []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: mac(from), DstMAC: mac(to), EthernetType: kind}, network}
	checked, _ := network.(gopacket.NetworkLayer)
	switch e.protocol {
	case layers.IPProtocolTCP:
		l := &layers.TCP{SrcPort: layers.TCPPort(source), DstPort: layers.TCPPort(destination), SYN: first, ACK: !forward || !first, Window: 65535}
		_ = l.SetNetworkLayerForChecksum(checked) // both are IP
		stack = append(stack, l)
	case layers.IPProtocolUDP:
		l := &layers.UDP{SrcPort: layers.UDPPort(source), DstPort: layers.UDPPort(destination)}
		_ = l.SetNetworkLayerForChecksum(checked)
		stack = append(stack, l)
	case layers.IPProtocolICMPv4:
		code := uint8(layers.ICMPv4TypeEchoRequest)
		if !forward {
			code = layers.ICMPv4TypeEchoReply
		}
		stack = append(stack, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(code, 0), Id: 1})
	case layers.IPProtocolICMPv6:
		code := uint8(layers.ICMPv6TypeEchoRequest)
		if !forward {
			code = layers.ICMPv6TypeEchoReply
		}
		l := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(code, 0)}
		_ = l.SetNetworkLayerForChecksum(checked)
		stack = append(stack, l, &layers.ICMPv6Echo{Identifier: 1})
	}
	stack = append(stack, gopacket.Payload(make([]byte, size)))
	buffer := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...); err != nil {
		return err
	}
	frame := buffer.Bytes()
	return t.writer.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(frame), Length: len(frame)}, frame)
}

func ip(from, to Host, v6 bool, protocol layers.IPProtocol) (gopacket.SerializableLayer, layers.EthernetType) {
	if v6 {
		return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: protocol, SrcIP: slice(from.IPv6), DstIP: slice(to.IPv6)}, layers.EthernetTypeIPv6
	}
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, SrcIP: slice(from.IPv4), DstIP: slice(to.IPv4)}, layers.EthernetTypeIPv4
}

func slice(a netip.Addr) net.IP { return a.AsSlice() }

// mac is a locally administered address made of the host's last byte.
func mac(h Host) net.HardwareAddr {
	b := h.IPv4.As4()
	return net.HardwareAddr{2, 0, 0, 0, 0, b[3]}
}
