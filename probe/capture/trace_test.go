package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/packet"
)

type sums struct{ packets, bytes, v4, v6 uint64 }

// known reads the sums of a trace from the table in SOURCES.md.
func known(t *testing.T) map[string]sums {
	t.Helper()
	text, err := os.ReadFile(testenv.Shared(t, "pcaps", "SOURCES.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]sums{}
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
		all[strings.TrimSpace(c[0])] = sums{n[0], n[1], n[2], n[3]}
	}
	if len(all) == 0 {
		t.Fatal("SOURCES.md: no table found")
	}
	return all
}

// TestTraces reads every trace, plain and packed, and compares the sums with SOURCES.md and each frame with
// gopacket's reader.
func TestTraces(t *testing.T) {
	for name, want := range known(t) {
		t.Run(name, func(t *testing.T) {
			file, err := os.ReadFile(testenv.Shared(t, "pcaps", name))
			if err != nil {
				t.Fatal(err)
			}
			for batch, data := range map[int][]byte{64: file, 7: gzipped(file)} {
				frames, err := readAll(t, open(t, data, TraceOptions{}), batch)
				if err != nil {
					t.Fatal(err)
				}
				if got := sum(t, frames); got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
				compareFrames(t, file, frames)
			}
		})
	}
}

func sum(t *testing.T, frames []Frame) sums {
	t.Helper()
	var s sums
	var p packet.Packet
	for i, f := range frames {
		s.packets++
		s.bytes += uint64(f.Length)
		switch issue := packet.Decode(f.Link, f.Data, f.Length, &p); {
		case issue != flow.IssueNone:
			t.Errorf("frame %d: %v", i, issue)
		case p.Family == flow.IPv4:
			s.v4++
		default:
			s.v6++
		}
	}
	return s
}

func compareFrames(t *testing.T, file []byte, frames []Frame) {
	t.Helper()
	r, err := pcapgo.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		data, info, err := r.ReadPacketData()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, f.Data) || info.Timestamp.UnixNano() != f.Time || info.Length != int(f.Length) {
			t.Fatalf("frame %d: %d bytes of %d at %d, gopacket has %d of %d at %d",
				i, len(f.Data), f.Length, f.Time, len(data), info.Length, info.Timestamp.UnixNano())
		}
	}
}

// TestTraceSeesDirections holds that a cooked trace says which frames were sent: those from the one host it was
// captured on.
func TestTraceSeesDirections(t *testing.T) {
	path := testenv.Shared(t, "pcaps", "sv-decode-sll2-02_input.pcap")
	source, err := OpenTrace(path, TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = source.Close() }()
	frames, err := readAll(t, source, 64)
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	for _, f := range frames {
		if f.Sent != (f.Data[10] == 4) {
			t.Fatalf("packet type %d: sent %v", f.Data[10], f.Sent)
		}
		if f.Sent {
			sent++
		}
	}
	if sent == 0 {
		t.Error("no frame was sent")
	}
}

// ethernetFrom is a frame with an IPv4 or IPv6 header from the address to its neighbour.
func ethernetFrom(source string) []byte {
	from := netip.MustParseAddr(source)
	to := from.Next()
	frame := make([]byte, 14)
	if from.Is4() {
		binary.BigEndian.PutUint16(frame[12:], 0x0800)
		frame = append(frame, 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0)
	} else {
		binary.BigEndian.PutUint16(frame[12:], 0x86dd)
		frame = append(frame, 0x60, 0, 0, 0, 0, 0, 59, 64)
	}
	return slices.Concat(frame, from.AsSlice(), to.AsSlice())
}

func TestTraceLocalPrefixes(t *testing.T) {
	var records [][]byte
	for _, source := range []string{"10.0.0.1", "192.0.2.1", "2001:db8::1", "2001:db9::1"} {
		records = append(records, pcapRecordOf(big, 1, 0, 60, ethernetFrom(source)))
	}
	records = append(records, pcapRecordOf(big, 1, 0, 60, make([]byte, 60))) // not IP
	cooked := slices.Concat(make([]byte, 14), []byte{8, 0}, ethernetFrom("10.0.0.1")[14:])
	local := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for _, test := range []struct {
		name string
		file []byte
		opts TraceOptions
		want []bool
	}{
		{"prefixes", pcapFile(big, 0xa1b2c3d4, 1, records...), TraceOptions{Local: local}, []bool{true, false, true, false, false}},
		{"nothing known", pcapFile(big, 0xa1b2c3d4, 1, records...), TraceOptions{}, make([]bool, 5)},
		{"the trace wins", pcapFile(big, 0xa1b2c3d4, 113, pcapRecordOf(big, 1, 0, 60, cooked)), TraceOptions{Local: local}, []bool{false}},
	} {
		t.Run(test.name, func(t *testing.T) {
			frames, err := readAll(t, open(t, test.file, test.opts), 64)
			if err != nil {
				t.Fatal(err)
			}
			var got []bool
			for _, f := range frames {
				got = append(got, f.Sent)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTraceWakeStatsClose(t *testing.T) {
	record := pcapRecordOf(big, 1, 0, 60, ramp(60, 0))
	source := open(t, pcapFile(big, 0xa1b2c3d4, 1, record, record, record), TraceOptions{})
	frames := make([]Frame, 2)
	source.Wake()
	source.Wake()
	for i, want := range []int{0, 2, 1} {
		if n, err := source.Read(frames); n != want || err != nil {
			t.Errorf("read %d: %d, %v", i, n, err)
		}
	}
	if stats, err := source.Stats(); err != nil || stats != (Stats{Received: 3}) {
		t.Errorf("%+v, %v", stats, err)
	}
	if _, err := source.Read(frames); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	for range 2 {
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := source.Read(frames); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	source.Wake()
}

// FuzzTrace reads any bytes as a trace: it ends, in whatever batches it is read the same frames come, no frame is
// longer than what was there, and memory stays bounded.
func FuzzTrace(f *testing.F) {
	example, _, _ := pcapngExample()
	f.Add(example)
	for _, o := range []order{big, little} {
		f.Add(pcapFile(o, 0xa1b2c3d4, 1, pcapRecordOf(o, 1, 2, 60, ethernetFrom("10.0.0.1")), pcapRecordOf(o, 1, 2, 60, ramp(60, 0))))
		f.Add(pcapFile(o, 0xa1b23c4d, 113, pcapRecordOf(o, 1, 2, 60, ramp(60, 0))))
	}
	f.Add(gzipped(pcapFile(big, 0xa1b2c3d4, 1, pcapRecordOf(big, 1, 2, 60, ramp(60, 0)))))
	traces, _ := filepath.Glob(filepath.Join(testenv.SharedDir(), "pcaps", "*.pcap"))
	for _, path := range traces {
		if content, err := os.ReadFile(path); err == nil {
			f.Add(content[:min(len(content), 2000)])
		}
	}
	options := TraceOptions{Local: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	f.Fuzz(func(t *testing.T, data []byte) {
		one, err := newTrace("fuzz", bytes.NewReader(data), options)
		if err != nil {
			return
		}
		frames, errOne := readAll(t, one, 1)
		many, err := newTrace("fuzz", bytes.NewReader(data), options)
		if err != nil {
			t.Fatal(err)
		}
		again, errMany := readAll(t, many, 16)
		if (errOne == nil) != (errMany == nil) || errOne != nil && errOne.Error() != errMany.Error() {
			t.Fatalf("%v, but in batches %v", errOne, errMany)
		}
		if diff := cmp.Diff(frames, again); diff != "" {
			t.Fatal(diff)
		}
		total := 0
		for _, f := range frames {
			total += len(f.Data)
			if int(f.Length) < len(f.Data) || f.Length > maxLength || f.Time < 0 {
				t.Fatalf("frame of %d bytes, %d captured, at %d", f.Length, len(f.Data), f.Time)
			}
		}
		if !one.packed && total > len(data) {
			t.Fatalf("%d bytes from a trace of %d", total, len(data))
		}
		if size := cap(one.window.buffer); size > 2*maxBlock {
			t.Fatalf("window of %d bytes", size)
		}
		var damage *DamageError
		if errors.As(errOne, &damage) && (damage.Frames != uint64(len(frames)) || damage.Offset < 0 || !one.packed && damage.Offset > int64(len(data))) {
			t.Fatalf("%+v", damage)
		}
	})
}
