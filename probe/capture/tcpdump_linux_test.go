package capture

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

// run runs a program as the kernel does, for frames without a tag taken out.
func runProgram(t testing.TB, program []bpf.RawInstruction, frame []byte) int {
	t.Helper()
	instructions, ok := bpf.Disassemble(program)
	if !ok {
		t.Fatal("the program holds unknown instructions")
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(frame)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFilterMatches(t *testing.T) {
	dns := etherFrame(0x0800, packet4(1, 2, 17, 0, portsOf(40000, 53))...)        // 10.1.0.1 to 10.2.0.2
	web6 := etherFrame(0x86dd, packet6(1, 2, 6, portsOf(40000, 443))...)          // 2001:db8::1 to 2001:db8::2
	sctp := etherFrame(0x0800, packet4(2, 1, 132, 0, portsOf(8080, 9000))...)     // 10.1.0.2 to 10.2.0.1
	later := etherFrame(0x0800, packet4(1, 2, 17, 0x00b9, portsOf(40000, 53))...) // no ports in it
	ping := etherFrame(0x0800, packet4(1, 2, 1, 0, []byte{8, 0, 0, 0})...)
	arp := etherFrame(0x0806, make([]byte, 28)...)
	long := append(slices.Clone(dns), make([]byte, 900)...)
	options := etherFrame(0x0800, packet4(1, 2, 17, 0, append(make([]byte, 8), portsOf(40000, 53)...))...)
	options[14] = 0x47
	unicast := slices.Clone(dns)
	copy(unicast, []byte{2, 0, 0, 0, 0, 9})
	frames := map[string][]byte{"dns": dns, "web6": web6, "sctp": sctp, "later": later, "ping": ping, "arp": arp, "long": long, "options": options, "unicast": unicast}
	for filter, want := range map[string]string{
		"udp":                                   "dns later long options unicast",
		"tcp":                                   "web6",
		"tcp or arp":                            "arp web6",
		"ip":                                    "dns later long options ping sctp unicast",
		"ip6":                                   "web6",
		"not ip and not ip6":                    "arp",
		"! (ip || ip6)":                         "arp",
		"icmp":                                  "ping",
		"ip proto 132":                          "sctp",
		`ip proto \udp`:                         "dns later long options unicast",
		"ip6 proto 6":                           "web6",
		"proto 6":                               "web6",
		"ether proto 0x0806":                    "arp",
		"port 53":                               "dns long options unicast",
		"udp port 53":                           "dns long options unicast",
		"udp dst port domain":                   "dns long options unicast",
		"tcp port 53":                           "",
		"src port 53":                           "",
		"src port 40000":                        "dns long options unicast web6",
		"port 443 or 8080":                      "sctp web6",
		"portrange 8000-9000":                   "sctp",
		"src and dst portrange 8000-9000":       "sctp",
		"sctp src portrange 8081-9000":          "",
		"sctp dst portrange 8081-9000":          "sctp",
		"host 10.1.0.1":                         "dns later long options ping unicast",
		"src host 10.1.0.1 and not port 53":     "later ping",
		"dst 10.1.0.1":                          "",
		"src or dst host 10.2.0.1":              "sctp",
		"src and dst net 10.0.0.0/8":            "dns later long options ping sctp unicast",
		"net 10":                                "dns later long options ping sctp unicast",
		"net 10.1":                              "dns later long options ping sctp unicast",
		"dst net 10.1":                          "",
		"host 2001:db8::2":                      "web6",
		"ip6 net 2001:db8::/33":                 "web6",
		"net 2001:db9::/32":                     "",
		"net ::/0":                              "web6",
		"less 60":                               "arp dns later ping sctp unicast",
		"greater 900":                           "long",
		"ether host 02:00:00:00:00:09":          "unicast",
		"ether src 02:00:00:00:00:01 and ip6":   "web6",
		"ether broadcast and ip6":               "web6",
		"not broadcast":                         "unicast",
		"not ether multicast":                   "unicast",
		"ip multicast":                          "",
		"arp or udp and port 53":                "dns long options unicast", // from the left: (arp or udp) and port 53
		"arp or (udp and port 53)":              "arp dns long options unicast",
		"not port 53 and udp":                   "later",
		"host 10.1.0.1 and (port 53 or icmp)":   "dns long options ping unicast",
		"not not arp":                           "arp",
		"host 10.1.0.1 or 10.2.0.1 or port 443": "dns later long options ping sctp unicast web6",
		strings.Repeat("(", 60) + "arp" + strings.Repeat(")", 60): "arp",
	} {
		cfg := LiveConfig{Filter: filter, SnapLength: 256}
		program, err := cfg.program(packet.LinkEthernet)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			continue
		}
		var passed []string
		for name, frame := range frames {
			switch n := runProgram(t, program, frame); n {
			case 256:
				passed = append(passed, name)
			case filteredMark:
			default:
				t.Errorf("%s: %s: %d bytes", filter, name, n)
			}
			for cut := range frame[:min(len(frame), 60)] { // nothing is hidden, however short
				if n := runProgram(t, program, frame[:cut]); n != 256 && n != filteredMark {
					t.Fatalf("%s: %s cut at %d: %d bytes", filter, name, cut, n)
				}
			}
		}
		if slices.Sort(passed); strings.Join(passed, " ") != want {
			t.Errorf("%s: passes %s, want %s", filter, strings.Join(passed, " "), want)
		}
	}
}

// TestFilterAgainstDecoder compares random filters over random packets with what the decoder says.
func TestFilterAgainstDecoder(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		source, destination, port := uint16(random.IntN(4)), uint16(random.IntN(4)), uint16(random.IntN(4))
		low := uint16(random.IntN(4))
		high := low + uint16(random.IntN(4))
		filter := fmt.Sprintf("(src host 10.1.0.%d or src host 2001:db8::%x) and not dst port %d and (udp or tcp portrange %d-%d)", source, source, port, low, high)
		for _, link := range []packet.Link{packet.LinkEthernet, packet.LinkRawIP} {
			program, err := compileFilter(filter, link)
			if err != nil {
				t.Fatal(err)
			}
			for range 50 {
				ports := portsOf(uint16(random.IntN(4)), uint16(random.IntN(4)))
				protocol := []byte{1, 6, 17}[random.IntN(3)]
				data, etherType := packet4(uint16(random.IntN(4)), destination, protocol, 0, ports), uint16(0x0800)
				if random.IntN(2) == 0 {
					data, etherType = packet6(uint16(random.IntN(4)), destination, protocol, ports), 0x86dd
				}
				if link == packet.LinkEthernet {
					data = etherFrame(etherType, data...)
				}
				var p packet.Packet
				if issue := packet.Decode(link, data, uint32(len(data)), &p); issue != flow.IssueNone {
					t.Fatal(issue)
				}
				in := func(n uint16) bool { return n >= low && n <= high }
				want := hostNumber(&p) == source && (!p.HasPorts || p.DestinationPort != port) &&
					(p.Protocol == flow.UDP || p.Protocol == flow.TCP && (in(p.SourcePort) || in(p.DestinationPort)))
				if got := runProgram(t, program, data) != 0; got != want {
					t.Fatalf("%s: %+v: %v", filter, p, got)
				}
			}
		}
	}
}

// hostNumber is the last two bytes of the source.
func hostNumber(p *packet.Packet) uint16 {
	if p.Family == flow.IPv4 {
		return binary.BigEndian.Uint16(p.Source[2:])
	}
	return binary.BigEndian.Uint16(p.Source[14:])
}

func TestFilterErrors(t *testing.T) {
	for filter, want := range map[string]string{
		"tcp prot 80":                      `column 5: "prot": expected an address behind ip, ip6 or ether; did you mean "port"?`,
		"hots 10.0.0.1":                    `column 1: "hots": expected a term such as host, net, port or a protocol; did you mean "host"?`,
		"host":                             "column 5: the filter ends, an address (names are not looked up) is missing",
		"host example.org":                 `column 6: "example.org": expected an address (names are not looked up)`,
		"net 10.1.2.3/8":                   `column 5: "10.1.2.3/8": expected a network such as 192.0.2.0/24`,
		"port 65536":                       `column 6: "65536": expected a port from 0 to 65535`,
		"port 80-90":                       `column 6: "80-90": expected a port`,
		"portrange 90-80":                  `column 11: "90-80": expected a port from 0 to 65535`,
		"icmp port 1":                      `column 11: "1": expected a port behind tcp, udp or sctp`,
		"(tcp":                             "column 5: the filter ends, ')' is missing",
		"tcp)":                             `column 4: ")": expected nothing more, or 'and' or 'or'`,
		"tcp and":                          "column 8: the filter ends, a term such as host, net, port or a protocol is missing",
		"tcp[13] & 2 != 0":                 `column 1: "tcp[13]": comparisons of packet data are not supported, use a filter program (bpf)`,
		"vlan 4096":                        `column 6: "4096": expected a number up to 4095`,
		"ip host 2001:db8::1":              `column 9: "2001:db8::1": expected an address (names are not looked up)`,
		strings.Repeat("(", 99) + "tcp":    "is nested more than 64 deep",
		strings.Repeat("not ", 99) + "tcp": "is nested more than 64 deep",
		strings.Repeat(" ", 5000):          "is longer than 4096 bytes",
	} {
		cfg := LiveConfig{Filter: filter, SnapLength: 256}
		if err := cfg.ValidateFilter(); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%.40s: got %v, want %s", filter, err, want)
		}
	}
	if _, err := compileFilter("ether broadcast", packet.LinkRawIP); err == nil || !strings.Contains(err.Error(), "no Ethernet header") {
		t.Error(err)
	}
}

func TestFilterPrograms(t *testing.T) {
	short := []bpf.RawInstruction{ret(0)}
	for _, test := range []struct {
		name    string
		filter  string
		program []bpf.RawInstruction
		want    int
	}{
		{"nothing", "", nil, 96},
		{"none passes", "", short, filteredMark},
		{"all pass", "", []bpf.RawInstruction{ret(7)}, 96},
		{"comes to its end", "", []bpf.RawInstruction{{Op: 0x00, K: 5}}, 96},
		{"jumps to its end", "", []bpf.RawInstruction{{Op: jumpAlways, K: 1}, ret(0)}, 96},
		{"accumulator 0", "", []bpf.RawInstruction{{Op: 0x00, K: 0}, {Op: 0x16}}, filteredMark},
		{"accumulator 9", "", []bpf.RawInstruction{{Op: 0x00, K: 9}, {Op: 0x16}}, 96},
		{"both pass", "udp", []bpf.RawInstruction{ret(1)}, 96},
		{"filter alone passes", "udp", short, filteredMark},
		{"program alone passes", "tcp", []bpf.RawInstruction{ret(1)}, filteredMark},
	} {
		cfg := LiveConfig{Filter: test.filter, BPF: test.program, SnapLength: 96}
		program, err := cfg.program(packet.LinkEthernet)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if got := runProgram(t, program, etherFrame(0x0800, udpFrame(5)...)); got != test.want {
			t.Errorf("%s: %d bytes, want %d", test.name, got, test.want)
		}
	}
	for want, program := range map[string][]bpf.RawInstruction{
		"instruction 2 (op 0xffff) is unknown":        {ret(1), {Op: 0xffff}},
		"instruction 1 jumps out of the program":      {{Op: jumpAlways, K: 1}},
		"instruction 2 jumps out of the program":      {ret(0), {Op: 0x15, Jt: 0, Jf: 1}},
		"program of 5003 instructions: it must be le": make([]bpf.RawInstruction, 5000),
	} {
		cfg := LiveConfig{BPF: program, SnapLength: 96}
		if err := cfg.ValidateFilter(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// FuzzFilter holds that any text is refused or gives a program that runs, and marks or keeps every frame.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"tcp port 443", "not (src net 10.0.0.0/8 and ip6)", "vlan 5 or inbound", "port 1 or 2-3", "ether host 02:00:00:00:00:01", "ip proto \\udp"} {
		f.Add(seed, []byte{1, 2, 3})
		f.Add(seed, etherFrame(0x0800, udpFrame(5)...))
	}
	f.Fuzz(func(t *testing.T, text string, frame []byte) {
		cfg := LiveConfig{Filter: text, SnapLength: 96}
		program, err := cfg.program(packet.LinkEthernet)
		if err != nil || slices.ContainsFunc(program, func(i bpf.RawInstruction) bool { return int32(i.K) < 0 && i.Op == 0x20 && int32(i.K) != -0x1000 }) {
			return // what the machine does not know: the tag and the direction of a frame
		}
		instructions, ok := bpf.Disassemble(program)
		if !ok {
			t.Fatal("unknown instructions")
		}
		vm, err := bpf.NewVM(instructions)
		if err != nil {
			if strings.Contains(err.Error(), "extension") {
				return
			}
			t.Fatal(err)
		}
		if n, err := vm.Run(frame); err != nil || n != 96 && n != filteredMark {
			t.Fatalf("%q: %d, %v", text, n, err)
		}
	})
}
