//go:build linux

package tests

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/weirflow/weir/internal/testenv"
)

// traceFacts are what another program has found in a trace.
type traceFacts struct {
	name               string
	link               string
	packets, bytes     uint64
	version4, version6 uint64 // packets
}

// readFacts reads the table of SOURCES.md by the names of its columns.
func readFacts(t *testing.T) []traceFacts {
	t.Helper()
	text, err := os.ReadFile(testenv.Shared(t, "pcaps", "SOURCES.md"))
	if err != nil {
		t.Fatal(err)
	}
	columns := map[string]int{}
	var facts []traceFacts
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case cells[0] == "file":
			for i, name := range cells {
				columns[name] = i
			}
		case len(columns) > 0 && strings.Contains(cells[0], ".pcap"):
			number := func(column string) uint64 {
				n, err := strconv.ParseUint(cells[columns[column]], 10, 64)
				if err != nil {
					t.Fatalf("column %s of %s: %v", column, cells[0], err)
				}
				return n
			}
			facts = append(facts, traceFacts{cells[0], cells[columns["link"]], number("packets"), number("bytes"), number("v4"), number("v6")})
		}
	}
	if len(facts) < 16 {
		t.Fatalf("SOURCES.md lists %d traces, at least 16 are expected", len(facts))
	}
	return facts
}

// replay runs weir-probe replay into a store, and returns the report of the one trace.
func replay(t testing.TB, store string, arguments ...string) string {
	t.Helper()
	command := exec.Command(binary(t, probeProgram), append([]string{"replay", "--db", store}, arguments...)...)
	return succeed(t, patience, command)
}

var update = flag.Bool("update", false, "write docs/TRACES.md anew, by the oracle")

// TestTraces replays every trace, and compares what the store holds with what gopacket finds and with the row of
// docs/TRACES.md.
func TestTraces(t *testing.T) {
	binary(t, probeProgram)
	binary(t, clientProgram)
	facts := readFacts(t)
	rows := make([]string, len(facts))
	t.Run("all", func(t *testing.T) {
		for i, f := range facts {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				rows[i] = checkTrace(t, f)
			})
		}
	})
	path := filepath.Join(testenv.Root(), "docs", "TRACES.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, table, found := strings.Cut(string(page), rowsBegin)
	if !found {
		t.Fatalf("docs/TRACES.md has no table")
	}
	if want := strings.Join(rows, ""); *update {
		if err := os.WriteFile(path, []byte(before+rowsBegin+want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(want, table); diff != "" && !t.Failed() {
		t.Errorf("docs/TRACES.md is not what the oracle says (-update writes it): %s", diff)
	}
}

// rowsBegin is what stands in front of the rows of docs/TRACES.md, which end the page.
const rowsBegin = "|---|---|---|---|---|---|---|\n"

// checkTrace returns the trace's row.
func checkTrace(t *testing.T, facts traceFacts) string {
	path := testenv.Shared(t, "pcaps", facts.name)
	truth := readOracle(t, path)
	if truth.packets != facts.packets || truth.version4 != facts.version4 || truth.version6 != facts.version6 {
		t.Errorf("the oracle is no oracle: %+v, SOURCES.md %+v", truth, facts)
	}
	metered := truth.version4 + truth.version6
	store := filepath.Join(t.TempDir(), "store")
	report := replay(t, store, path)
	if want := fmt.Sprintf("%s: %d packets, %d metered%s\n", path, truth.packets, metered, truth.reasons()); report != want {
		t.Errorf("report %q, want %q", report, want)
	}
	all := weirQuery(t, "-d", store, "-i", "any", "-n", "100000", "sip,dip,dport,proto")
	got := all.rowSum()
	if packets, bytes := got.PacketsReceived+got.PacketsSent, got.BytesReceived+got.BytesSent; packets != metered || bytes != truth.bytes {
		t.Errorf("%d packets, %d bytes; want %d, %d", packets, bytes, metered, truth.bytes)
	}
	checkFlows(t, all, truth)
	// Cooked captures say which packets were sent; for the others nobody has said so.
	if !strings.HasPrefix(facts.link, "linux-sll") && got.PacketsSent != 0 {
		t.Errorf("%s without --local", got)
	}
	if a := all.Summary.Accounting; a.Received != facts.packets || a.Metered != metered || a.Dropped != 0 {
		t.Errorf("accounting %+v", a)
	}
	for condition, want := range map[string]uint64{"ipversion = 4": facts.version4, "ipversion = 6": facts.version6} {
		some := weirQuery(t, "-d", store, "-i", "any", "-c", condition, "sip,dip").rowSum()
		if got := some.PacketsReceived + some.PacketsSent; got != want {
			t.Errorf("%s: %d packets, want %d", condition, got, want)
		}
	}
	return truth.row(facts.name)
}

// What is not IP stands in the report, by its reason, and in no flow.
func TestTraceOfMoreThanIP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	trace, store := filepath.Join(dir, "mixed.pcap"), filepath.Join(dir, "store")
	const each = 7
	writeTrace(t, trace, each)
	if want := fmt.Sprintf("%s: %d packets, %d metered, %d not_ip\n", trace, 2*each, each, each); replay(t, store, "--local", near4+"/32", trace) != want {
		t.Errorf("report, want %q", want)
	}
	got := weirQuery(t, "-d", store, "-i", "any", "sip,dip,dport,proto")
	if want := (counts{PacketsSent: each, BytesSent: each * dnsFrame}); got.rowSum() != want || len(got.Rows) != 1 {
		t.Errorf("%s in %d rows, want %s in one", got.rowSum(), len(got.Rows), want)
	}
	if a := got.Summary.Accounting; a.Received != 2*each || a.Metered != each {
		t.Errorf("accounting %+v", a)
	}
}

// dnsFrame is the length of the IP frames that writeTrace writes.
const dnsFrame = 14 + 20 + 8 + 30

// writeTrace writes n questions to a name server, each after an ARP request, and returns where the records start.
func writeTrace(t testing.TB, path string, n int) (offsets []int64) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	writer := pcapgo.NewWriter(file)
	if err := writer.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-time.Minute)
	for i := range 2 * n {
		frame := arpFrame(t)
		if i%2 == 1 {
			frame = questionFrame(t)
		}
		here, err := file.Seek(0, 1)
		if err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, here)
		info := gopacket.CaptureInfo{Timestamp: at.Add(time.Duration(i) * time.Millisecond), CaptureLength: len(frame), Length: len(frame)}
		if err := writer.WritePacket(info, frame); err != nil {
			t.Fatal(err)
		}
	}
	return offsets
}

var (
	nearMAC = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	farMAC  = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

func arpFrame(t testing.TB) []byte {
	return frame(t, &layers.Ethernet{SrcMAC: nearMAC, DstMAC: layers.EthernetBroadcast, EthernetType: layers.EthernetTypeARP},
		&layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
			Operation: layers.ARPRequest, SourceHwAddress: nearMAC, SourceProtAddress: net.ParseIP(near4).To4(),
			DstHwAddress: make([]byte, 6), DstProtAddress: net.ParseIP(far4).To4()})
}

func questionFrame(t testing.TB) []byte {
	return frame(t, &layers.Ethernet{SrcMAC: nearMAC, DstMAC: farMAC, EthernetType: layers.EthernetTypeIPv4},
		&layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.ParseIP(near4), DstIP: net.ParseIP(far4)},
		&layers.UDP{SrcPort: 40000, DstPort: 53}, gopacket.Payload(make([]byte, dnsFrame-14-20-8)))
}

func frame(t testing.TB, stack ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buffer := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true}, stack...); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}
