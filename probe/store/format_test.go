package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// goldenRecords show every column: both families, shared prefixes, a counter of several bytes, and three counters
// that are zero everywhere and so take no space.
func goldenRecords() []flow.Record {
	six := flow.Record{Key: flow.Key{Source: flow.Address{0x20, 1, 0xd, 0xb8, 15: 1}, Destination: flow.Address{0x20, 1, 0xd, 0xb8, 15: 2},
		DestinationPort: 443, Protocol: flow.TCP, Family: flow.IPv6},
		Counters: flow.Counters{BytesReceived: 70000, BytesSent: 1500, PacketsReceived: 60, PacketsSent: 20, Attempts: 1, Accepts: 1}}
	next := six
	next.Key.Source[15], next.Key.DestinationPort = 9, 22
	next.Counters = flow.Counters{BytesReceived: 74, PacketsReceived: 1}
	return []flow.Record{
		v4(0x0a000001, 0x08080808, 53, flow.UDP, flow.Counters{BytesReceived: 120, BytesSent: 80, PacketsReceived: 1, PacketsSent: 1}),
		v4(0x0a000102, 0x0a000001, 2048, flow.ICMP, flow.Counters{BytesReceived: 98, PacketsReceived: 1}),
		six, next,
	}
}

// TestGoldenBytes holds the format: whoever changes it sees here what a store on disk looks like now. The files
// are opened by every later build.
func TestGoldenBytes(t *testing.T) {
	files := vfs.NewMemory()
	if err := files.MkdirAll("/db", 0o750); err != nil {
		t.Fatal(err)
	}
	files.SetBytes("/db/weir-store", []byte(formatIdentity(StoreVersion, "6b1f3c0e-8d43-4b7a-9a57-0d7f2a3e4c11")))
	s := mustOpen(t, files, Config{})
	mustAppend(t, s, "eth0", interval(noon, 1), goldenRecords())
	empty := interval(noon+60, 2)
	empty.Duration = time.Minute
	mustAppend(t, s, "eth0", empty, nil)
	many := make([]flow.Record, 40) // enough to be compressed
	for i := range many {
		many[i] = v4(0x0a000000+uint32(i), 0xc0a80001, 443, flow.TCP, flow.Counters{BytesSent: 1000, PacketsSent: 10})
	}
	mustAppend(t, s, "eth0", interval(noon+300, 3), many)

	for name, path := range map[string]string{"identity.hex": "/db/weir-store", "log.hex": "/db/interfaces/eth0/2026-11-21.wlog"} {
		got := dump(files.Bytes(path))
		golden := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}

	// What is in testdata must be readable whatever this build writes.
	old := vfs.NewMemory()
	if err := old.MkdirAll("/db/interfaces/eth0", 0o750); err != nil {
		t.Fatal(err)
	}
	old.SetBytes("/db/weir-store", undump(t, "identity.hex"))
	old.SetBytes("/db/interfaces/eth0/2026-11-21.wlog", undump(t, "log.hex"))
	want := []visited{{interval(noon, 1), goldenRecords()}, {empty, nil}, {interval(noon+300, 3), many}}
	got, stats := scan(t, mustOpen(t, old, Config{ReadOnly: true}), "eth0", 0, allTime)
	if diff := cmp.Diff(want, got); diff != "" || stats.Corrupted+stats.BytesTorn != 0 {
		t.Errorf("%+v\n%s", stats, diff)
	}
}

// dump writes bytes as offset, sixteen hexadecimal bytes and their text, a line each.
func dump(b []byte) string {
	var out strings.Builder
	for i := 0; i < len(b); i += 16 {
		line := b[i:min(i+16, len(b))]
		text := bytes.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return '.'
			}
			return r
		}, asRunes(line))
		fmt.Fprintf(&out, "%04x  %-47s  %s\n", i, fmt.Sprintf("% x", line), text)
	}
	return out.String()
}

func asRunes(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		if out[i] = c; c >= 0x80 {
			out[i] = 0
		}
	}
	return out
}

func undump(t testing.TB, name string) (b []byte) {
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		for _, field := range strings.Fields(line[6:min(53, len(line))]) {
			var v byte
			if _, err := fmt.Sscanf(field, "%02x", &v); err != nil {
				t.Fatal(err)
			}
			b = append(b, v)
		}
	}
	return b
}

// decodePayload decodes all chunks of a payload.
func decodePayload(payload []byte, rows int) (records []flow.Record, err error) {
	if err := checkChunks(payload, uint32(rows)); err != nil {
		return nil, err
	}
	var r reader
	for len(payload) > 0 {
		var part []flow.Record
		if part, payload, err = r.decodeChunk(payload); err != nil {
			return nil, err
		}
		records = append(records, part...)
	}
	return records, nil
}

func TestPayloadRoundTrip(t *testing.T) {
	r := testenv.Random(t)
	for range 300 {
		want := randomRecords(r, r.IntN(1<<uint(r.IntN(12))))
		payload, _ := appendPayload(nil, nil, want)
		got, err := decodePayload(payload, len(want))
		if err != nil {
			t.Fatalf("%v", err)
		}
		if !slices.Equal(want, got) {
			t.Fatalf("\n%s", cmp.Diff(want, got))
		}
	}
}

func TestZeroCountersCostNothing(t *testing.T) {
	row := func(c flow.Counters) int {
		raw := appendColumns(nil, []flow.Record{v4(1, 2, 3, flow.TCP, c)})
		return len(raw)
	}
	base := row(flow.Counters{})
	if got := row(flow.Counters{Attempts: 1}); got != base+1 {
		t.Errorf("one small counter costs %d bytes", got-base)
	}
	if base != 1+2+1+4+2+1 {
		t.Errorf("a row without counters has %d bytes", base)
	}
}

func TestDecompressionIsBounded(t *testing.T) {
	same := make([]flow.Record, ChunkRows)
	for i := range same {
		same[i] = v4(1, 1, 1, 1, flow.Counters{})
	}
	payload, _ := appendPayload(nil, nil, same)
	h, err := parseChunkHeader(payload)
	if err != nil || h.raw > maxRatio*h.stored {
		t.Errorf("%+v, %v", h, err)
	}
	// Claims of lengths that nothing backs are refused before anything is allocated.
	for offset, value := range map[int]uint32{4: 1 << 30, 8: 1 << 30, 12: 1 << 30} {
		b := bytes.Clone(payload)
		binary.LittleEndian.PutUint32(b[offset:], value)
		if _, err := parseChunkHeader(b); !errors.Is(err, errChunk) {
			t.Errorf("length %d at %d: %v", value, offset, err)
		}
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	h := blockHeader{interval: interval(noon, 1<<63), rows: MaxBlockRows, payload: maxPayload, crc: 0xfedcba98}
	for i := range h.interval.Accounting.Issues {
		if flow.Issue(i) != flow.IssueNone {
			h.interval.Accounting.Issues[i] = uint64(i)
		}
	}
	var b [BlockHeaderSize]byte
	h.put(b[:], 7)
	if got, ok := parseBlockHeader(b[:], 7, dayOf(noon)); !ok || got != h {
		t.Errorf("%+v %v", got, ok)
	}
	if _, ok := parseBlockHeader(b[:], 8, dayOf(noon)); ok {
		t.Error("a block of another file is taken")
	}
	if _, ok := parseBlockHeader(b[:], 7, dayOf(noon)+1); ok {
		t.Error("a block of another day is taken")
	}
}

func FuzzDecodePayload(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, 40, 300} {
		payload, _ := appendPayload(nil, nil, randomRecords(r, n))
		f.Add(payload, uint32(n))
	}
	f.Fuzz(func(t *testing.T, payload []byte, rows uint32) {
		records, err := decodePayload(payload, int(rows))
		if err != nil {
			return
		}
		if len(records) != int(rows) {
			t.Fatalf("%d rows, promised %d", len(records), rows)
		}
		if err := checkRecords(records); err != nil {
			t.Fatal(err)
		}
		var a appender
		again, _ := appendPayload(nil, nil, a.inOrder(records))
		back, err := decodePayload(again, len(records))
		if err != nil || !cmp.Equal(a.inOrder(records), back) {
			t.Fatalf("decoded rows do not survive encoding: %v", err)
		}
	})
}

func FuzzLog(f *testing.F) {
	f.Add(undump(f, "log.hex"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		files := vfs.NewMemory()
		s := mustOpen(t, files, Config{})
		mustAppend(t, s, "eth0", interval(noon-secondsPerDay, 1), nil)
		files.SetBytes("/db/interfaces/eth0/2026-11-21.wlog", content)
		before, stats := scan(t, s, "eth0", noon-secondsPerDay+1, allTime)
		if stats.BytesRead+stats.BytesLost+stats.BytesTorn > uint64(len(content)) {
			t.Fatalf("%d bytes accounted for as %+v", len(content), stats)
		}
		// A writer that goes on with the file loses nothing that a reader saw, save a last block it cannot read.
		late := interval(noon+86399-43200, 1<<40)
		if err := s.append("eth0", late, nil); err != nil {
			return // refused by name
		}
		after, _ := scan(t, s, "eth0", noon-secondsPerDay+1, allTime)
		if len(after) < len(before) || len(after) > len(before)+1 {
			t.Fatalf("%d blocks before an append, %d after", len(before), len(after))
		}
	})
}

func FuzzIdentity(f *testing.F) {
	f.Add(formatIdentity(1, "6b1f3c0e-8d43-4b7a-9a57-0d7f2a3e4c11"))
	f.Add(formatIdentity(StoreVersion, "6b1f3c0e-8d43-4b7a-9a57-0d7f2a3e4c11"))
	f.Fuzz(func(t *testing.T, text string) {
		if version, id, err := parseIdentity(text); err == nil && formatIdentity(version, id) != text {
			t.Fatalf("%q read from %q", id, text)
		}
	})
}
