package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirflow/weir/probe/packet"
)

var sameFrames = cmpopts.EquateEmpty()

func TestPcapOrdersAndUnits(t *testing.T) {
	for _, test := range []struct {
		name  string
		order order
		magic uint32
		unit  int64
	}{
		{"little endian, microseconds", little, 0xa1b2c3d4, 1000},
		{"big endian, microseconds", big, 0xa1b2c3d4, 1000},
		{"little endian, nanoseconds", little, 0xa1b23c4d, 1},
		{"big endian, nanoseconds", big, 0xa1b23c4d, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := pcapFile(test.order, test.magic, 1,
				pcapRecordOf(test.order, 1700000000, 999999, 60, ramp(60, 1)),
				pcapRecordOf(test.order, 1700000001, 5, 9000, ramp(96, 7)),
				pcapRecordOf(test.order, 4294967295, 0, 0, nil))
			want := []Frame{
				frameOf(packet.LinkEthernet, 1700000000e9+999999*test.unit, 60, ramp(60, 1)),
				frameOf(packet.LinkEthernet, 1700000001e9+5*test.unit, 9000, ramp(96, 7)),
				frameOf(packet.LinkEthernet, 4294967295e9, 0, nil),
			}
			for _, data := range [][]byte{file, gzipped(file)} {
				got, err := readAll(t, open(t, data, TraceOptions{}), 2)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got, sameFrames); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// TestPcapCut cuts a trace at every byte: the whole records before the cut are read, then the damage is named
// with the offset of the record that is cut, and head -c with that offset gives an intact trace.
func TestPcapCut(t *testing.T) {
	ends := []int{pcapHeader}
	var records [][]byte
	for i := range 4 {
		records = append(records, pcapRecordOf(little, 1, 2, 100, ramp(10*i, 0)))
		ends = append(ends, ends[i]+len(records[i]))
	}
	file := pcapFile(little, 0xa1b2c3d4, 1, records...)
	checkCuts(t, file, ends)
}

// checkCuts cuts a trace at every byte behind the first border, which are offsets of frames; ends[i] is where i
// frames are complete.
func checkCuts(t *testing.T, file []byte, ends []int) {
	t.Helper()
	for cut := ends[0]; cut <= len(file); cut++ {
		whole := 0
		for whole+1 < len(ends) && ends[whole+1] <= cut {
			whole++
		}
		got, err := readAll(t, open(t, file[:cut], TraceOptions{}), 64)
		if len(got) != whole {
			t.Fatalf("cut at %d: %d frames, want %d", cut, len(got), whole)
		}
		if cut == ends[whole] {
			if err != nil {
				t.Errorf("cut at %d, a border: %v", cut, err)
			}
			continue
		}
		var damage *DamageError
		if !errors.As(err, &damage) || damage.Offset != int64(ends[whole]) || damage.Frames != uint64(whole) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v, want damage at %d", cut, err, ends[whole])
		}
	}
}

func TestPcapDamage(t *testing.T) {
	good := pcapRecordOf(big, 1, 2, 60, ramp(60, 0))
	for name, bad := range map[string][]byte{
		"captured bytes": words(big, 1, 2, maxCaptured+1, 60),
		"frame of":       words(big, 1, 2, 60, maxLength+1),
		"time stamp":     words(big, 1, 1000000, 60, 60),
	} {
		t.Run(name, func(t *testing.T) {
			file := pcapFile(big, 0xa1b2c3d4, 1, good, good, bad, good)
			at := int64(pcapHeader + 2*len(good))
			for _, packed := range []bool{false, true} {
				data := file
				if packed {
					data = gzipped(file)
				}
				got, err := readAll(t, open(t, data, TraceOptions{}), 64)
				var damage *DamageError
				if len(got) != 2 || !errors.As(err, &damage) {
					t.Fatalf("%d frames, %v", len(got), err)
				}
				if damage.Offset != at || damage.Frames != 2 || damage.Packed != packed {
					t.Errorf("%+v", damage)
				}
				for _, part := range []string{damage.Path, fmt.Sprintf("byte %d", at), name, "head -c"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%q does not say %q", err, part)
					}
				}
			}
		})
	}
}

func TestPcapHeadPartIsIntact(t *testing.T) {
	good := pcapRecordOf(big, 1, 2, 60, ramp(60, 0))
	file := pcapFile(big, 0xa1b2c3d4, 1, good, words(big, 1, 2, maxCaptured+1, 60), good)
	_, err := readAll(t, open(t, file, TraceOptions{}), 1)
	var damage *DamageError
	if !errors.As(err, &damage) {
		t.Fatal(err)
	}
	if got, err := readAll(t, open(t, file[:damage.Offset], TraceOptions{}), 1); err != nil || len(got) != 1 {
		t.Errorf("%d frames, %v", len(got), err)
	}
}

func TestGzipDamage(t *testing.T) {
	file := pcapFile(little, 0xa1b2c3d4, 1, bytes.Repeat(pcapRecordOf(little, 1, 2, 60, ramp(60, 0)), 1000))
	packed := gzipped(file)
	packed[len(packed)-5] ^= 1 // the checksum at the end
	got, err := readAll(t, open(t, packed, TraceOptions{}), 64)
	var damage *DamageError
	if len(got) != 1000 || !errors.As(err, &damage) || damage.Offset != int64(len(file)) || !damage.Packed {
		t.Errorf("checksum: %d frames, %v", len(got), err)
	}
	whole := gzipped(file)
	got, err = readAll(t, open(t, whole[:len(whole)-20], TraceOptions{}), 64)
	if !errors.As(err, &damage) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %d frames, %v", len(got), err)
	}
}

func TestOpenTraceRefuses(t *testing.T) {
	version := pcapFile(big, 0xa1b2c3d4, 1)
	version[5] = 3
	for _, test := range []struct {
		name string
		data []byte
		want []string
	}{
		{"empty", nil, []string{"too short"}},
		{"header cut", pcapFile(big, 0xa1b2c3d4, 1)[:20], []string{"file header"}},
		{"text", []byte("hello, this is no trace"), []string{"68 65 6c 6c", "neither"}},
		{"version", version, []string{"3.4"}},
		{"802.11", pcapFile(big, 0xa1b2c3d4, 105), []string{"105 (IEEE 802.11)"}},
		{"other link", pcapFile(little, 0xa1b2c3d4, 999), []string{"999"}},
		{"gzip of nothing", []byte{0x1f, 0x8b, 8}, []string{"gzip.pcap"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := save(t, strings.Fields(test.name)[0]+".pcap", test.data)
			source, err := OpenTrace(path, TraceOptions{})
			if err == nil {
				_ = source.Close()
				t.Fatal("opened")
			}
			for _, part := range append(test.want, path) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if wants := strings.Contains(test.name, "802.11"); wants && !errors.Is(err, ErrUnsupportedLink) {
				t.Errorf("%v", err)
			}
		})
	}
	for _, path := range []string{t.TempDir(), "/does/not/exist.pcap"} {
		if _, err := OpenTrace(path, TraceOptions{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := OpenTrace("/does/not/exist.pcap", TraceOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
