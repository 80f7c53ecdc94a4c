package capture

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/weirflow/weir/probe/packet"
)

// pcapngExample is a trace with two sections in both byte orders, and what stands in it. ends are the offsets
// behind each frame; all blocks that hold no frame stand in front of one.
func pcapngExample() (file []byte, want []Frame, ends []int) {
	add := func(frame Frame, blocks ...[]byte) {
		file = append(file, bytes.Join(blocks, nil)...)
		want = append(want, frame)
		ends = append(ends, len(file))
	}
	sent := func(f Frame) Frame { f.Sent = true; return f }
	const second = uint64(1700000000)
	file = slices.Concat(sectionBlock(big), interfaceBlock(big, 1, 0))
	ends = append(ends, len(file))
	add(frameOf(packet.LinkEthernet, int64(second)*1e9+7000, 61, ramp(61, 1)), enhancedBlock(big, 0, second*1e6+7, 61, ramp(61, 1)))
	add(frameOf(packet.LinkRawIP, int64(second)*1e9+7, 1500, ramp(40, 2)),
		interfaceBlock(big, 101, 0, optionOf(big, 2, []byte("eth0")...), optionOf(big, 9, 9), optionOf(big, 0)),
		enhancedBlock(big, 1, second*1e9+7, 1500, ramp(40, 2)))
	add(sent(frameOf(packet.LinkEthernet, int64(second)*1e9, 60, ramp(60, 3))),
		block(big, 4, ramp(100, 0)), block(big, 0x80000bad, ramp(12, 0)), // name resolution; not known
		enhancedBlock(big, 0, second*1e6, 60, ramp(60, 3), optionOf(big, 1, []byte("comment")...), optionOf(big, 2, words(big, 2)...)))
	add(frameOf(packet.LinkEthernet, int64(second)*1e9, 60, ramp(60, 4)), // inbound
		enhancedBlock(big, 0, second*1e6, 60, ramp(60, 4), optionOf(big, 2, words(big, 1)...)))
	add(frameOf(packet.LinkSLL2, (int64(second)+3600)*1e9+500_000_000, 64, ramp(64, 5)),
		sectionBlock(little),
		interfaceBlock(little, 276, 64, optionOf(little, 9, 0x81), optionOf(little, 14, little.AppendUint64(nil, 3600)...)),
		enhancedBlock(little, 0, second*2+1, 64, ramp(64, 5)))
	add(frameOf(packet.LinkSLL2, 0, 9000, ramp(64, 6)), block(little, blockSimple, words(little, 9000), ramp(64, 6)))
	add(frameOf(packet.LinkSLL2, 3600*1e9, 33, ramp(33, 7)),
		block(little, blockPacket, []byte{0, 0, 255, 255}, words(little, 0, 0, 33, 33), ramp(33, 7)))
	add(Frame{Data: ramp(5, 8), Length: 5, Time: 1e9}, // a link type that is not known
		interfaceBlock(little, 105, 0), enhancedBlock(little, 1, 1e6, 5, ramp(5, 8)))
	return file, want, ends
}

func TestPcapng(t *testing.T) {
	file, want, _ := pcapngExample()
	for _, data := range [][]byte{file, gzipped(file)} {
		for _, batch := range []int{1, 3, 64} {
			got, err := readAll(t, open(t, data, TraceOptions{}), batch)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
	}
}

// TestPcapngCut cuts within frames and within blocks that hold none: what is whole is read, the damage stands at
// the block that is cut.
func TestPcapngCut(t *testing.T) {
	file, _, ends := pcapngExample()
	starts := []int{0}
	for at := 0; at < len(file); {
		o := big
		if at >= bytes.Index(file, sectionBlock(little)) {
			o = little
		}
		at += int(o.Uint32(file[at+4:]))
		starts = append(starts, at)
	}
	for cut := 28; cut <= len(file); cut++ {
		whole, start := 0, 0
		for whole+1 < len(ends) && ends[whole+1] <= cut {
			whole++
		}
		for _, s := range starts {
			if s <= cut {
				start = s
			}
		}
		got, err := readAll(t, open(t, file[:cut], TraceOptions{}), 64)
		var damage *DamageError
		switch damaged := errors.As(err, &damage); {
		case len(got) != whole:
			t.Fatalf("cut at %d: %d frames, want %d", cut, len(got), whole)
		case (cut != start) != damaged, !damaged && err != nil:
			t.Fatalf("cut at %d: %v", cut, err)
		case damaged && damage.Offset != int64(start):
			t.Fatalf("cut at %d: damage at %d, want %d", cut, damage.Offset, start)
		}
	}
}

func TestPcapngDamage(t *testing.T) {
	frame := enhancedBlock(big, 0, 1e6, 60, ramp(60, 0))
	broken := func(b []byte, at int, value byte) []byte {
		b = slices.Clone(b)
		b[at] = value
		return b
	}
	minus := big.AppendUint64(nil, 1<<63)
	for _, test := range []struct {
		name, want string
		bad        []byte
	}{
		{"length not of four", "length", broken(frame, 7, 33)},
		{"length too small", "length", broken(frame, 7, 8)},
		{"length too large", "more than", broken(frame, 4, 1)},
		{"two lengths", "two lengths", broken(frame, len(frame)-1, 4)},
		{"captured more than the block", "captured bytes", broken(frame, 8+15, 100)},
		{"captured absurd", "captured bytes", broken(frame, 8+12, 100)},
		{"no such interface", "interface 1", broken(frame, 8+3, 1)},
		{"time out of range", "out of range", broken(frame, 8+4, 255)},
		{"packet too short", "packet block", block(big, blockEnhanced, ramp(16, 0))},
		{"simple too short", "simple packet", block(big, blockSimple)},
		{"interface too short", "interface", block(big, blockInterface, ramp(4, 0))},
		{"resolution 10^20", "resolution", interfaceBlock(big, 1, 0, optionOf(big, 9, 20))},
		{"resolution 2^64", "resolution", interfaceBlock(big, 1, 0, optionOf(big, 9, 0xc0))},
		{"time before 1970", "out of range", slices.Concat(interfaceBlock(big, 1, 0, optionOf(big, 14, minus...)), enhancedBlock(big, 1, 1, 4, ramp(4, 0)))},
		{"byte order mark", "byte-order", broken(sectionBlock(big), 8, 0)},
		{"version 2", "2.0", broken(sectionBlock(big), 13, 2)},
		{"section too short", "section", broken(sectionBlock(big), 7, 24)},
		{"zeros", "length of 0", make([]byte, 64)},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := slices.Concat(sectionBlock(big), interfaceBlock(big, 1, 0), frame, frame, test.bad, frame)
			got, err := readAll(t, open(t, file, TraceOptions{}), 64)
			var damage *DamageError
			if len(got) != 2 || !errors.As(err, &damage) {
				t.Fatalf("%d frames, %v", len(got), err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q does not say %q", err, test.want)
			}
			if at := int64(len(file) - len(test.bad) - len(frame)); test.name != "time before 1970" && damage.Offset != at {
				t.Errorf("damage at %d, want %d", damage.Offset, at)
			}
		})
	}
}

// TestPcapngSkipsLargeBlocks holds that a block that is not looked at may be larger than the window.
func TestPcapngSkipsLargeBlocks(t *testing.T) {
	frame := enhancedBlock(big, 0, 1e6, 60, ramp(60, 0))
	file := slices.Concat(sectionBlock(big), interfaceBlock(big, 1, 0), frame, block(big, 10, make([]byte, 3<<20)), frame)
	source := open(t, file, TraceOptions{})
	if got, err := readAll(t, source, 64); err != nil || len(got) != 2 {
		t.Errorf("%d frames, %v", len(got), err)
	}
	if size := cap(source.(*trace).window.buffer); size > 2*maxBlock {
		t.Errorf("window of %d bytes", size)
	}
	if got, err := readAll(t, open(t, file[:len(file)-2*len(frame)], TraceOptions{}), 64); err == nil || len(got) != 1 {
		t.Errorf("cut: %d frames, %v", len(got), err)
	}
}

// TestPcapngOfGopacket reads what another writer wrote.
func TestPcapngOfGopacket(t *testing.T) {
	var file bytes.Buffer
	w, err := pcapgo.NewNgWriter(&file, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.AddInterface(pcapgo.NgInterface{Name: "tun0", LinkType: layers.LinkTypeRaw, SnapLength: 100})
	if err != nil {
		t.Fatal(err)
	}
	var want []Frame
	for i := range 300 {
		stamp := time.Unix(1700000000, int64(i)*1001)
		link, number := packet.LinkEthernet, 0
		if i%3 == 0 {
			link, number = packet.LinkRawIP, second
		}
		data := ramp(20+i, byte(i))
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: stamp, CaptureLength: len(data), Length: len(data) + i, InterfaceIndex: number}, data); err != nil {
			t.Fatal(err)
		}
		want = append(want, frameOf(link, stamp.UnixNano(), uint32(len(data)+i), data))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(t, open(t, file.Bytes(), TraceOptions{}), 7)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPcapngTime(t *testing.T) {
	for _, test := range []struct {
		ticks, per uint64
		offset     int64
		want       int64
		bad        bool
	}{
		{1, 1, 0, 1e9, false},
		{1<<63 + 1<<62, 1 << 63, 0, 1.5e9, false},
		{math.MaxUint64, 1e19, 0, 1_844_674_407, false},
		{0, 1e6, -1, 0, true},
		{math.MaxUint64, 1e6, 0, 0, true},
		{5e9, 1, 5e9, 0, true},
		{0, 1, math.MinInt64, 0, true},
	} {
		got, err := (&pcapngInterface{ticks: test.per, offset: test.offset}).time(test.ticks)
		if (err != nil) != test.bad || err == nil && got != test.want {
			t.Errorf("%+v: %d, %v", test, got, err)
		}
	}
}
