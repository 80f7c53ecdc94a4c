package segment

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/flow"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// goldenRows show every kind of column: both families, runs of sources, several services of a pair, tuples of several
// rows, folded rows, all counters.
func goldenRows() ([]flow.Interval, []Row) {
	first := testMeta().First + 299
	four := flow.Key{Source: flow.Address{10, 0, 0, 1}, Destination: flow.Address{192, 0, 2, 7}, DestinationPort: 443, Protocol: flow.TCP, Family: flow.IPv4}
	dns := four
	dns.DestinationPort, dns.Protocol = 53, flow.UDP
	six := flow.Key{Source: flow.Address{0x20, 1, 0xd, 0xb8, 15: 1}, Destination: flow.Address{0x20, 1, 0xd, 0xb8, 15: 2},
		DestinationPort: 22, Protocol: flow.TCP, Family: flow.IPv6}
	folded := flow.Key{Protocol: flow.UDP, Family: flow.IPv4}
	rows := []Row{
		{folded, first, flow.Counters{BytesReceived: 60_000, PacketsReceived: 1000}},
		{dns, first, flow.Counters{BytesReceived: 90, BytesSent: 70, PacketsReceived: 1, PacketsSent: 1}},
		{four, first, flow.Counters{BytesReceived: 70_000, BytesSent: 1500, PacketsReceived: 60, PacketsSent: 20, Attempts: 1,
			Accepts: 1, RoundTripNanoseconds: 12_345_678, RoundTrips: 1}},
		{four, first + 300, flow.Counters{BytesReceived: 7000, BytesSent: 150, PacketsReceived: 6, PacketsSent: 2}},
		{four, first + 900, flow.Counters{BytesSent: 74, PacketsSent: 1, Attempts: 1, Rejects: 1}},
		{six, first + 300, flow.Counters{BytesSent: 94, PacketsSent: 1, Attempts: 1}},
	}
	sortRows(rows)
	var blocks []flow.Interval
	for i := range 4 {
		b := flow.Interval{End: first + 300*int64(i), Duration: 5 * time.Minute, Boot: [16]byte{1, 15: 2}, Sequence: uint64(i) + 7}
		b.Accounting = flow.Accounting{Received: 1100, Dropped: uint64(i), Metered: 1090}
		b.Accounting.Issues[flow.IssueNotIP] = 10
		blocks = append(blocks, b)
	}
	return blocks, rows
}

// TestGoldenBytes holds the format: whoever changes it sees here what a segment on disk looks like now. The files are
// opened by every later build.
func TestGoldenBytes(t *testing.T) {
	blocks, rows := goldenRows()
	for name, config := range map[string]Config{
		"segment.hex":    {ChunkTuples: 4096, ChunkRows: 16384, RollupRows: 3},
		"two-chunks.hex": {ChunkTuples: 3, ChunkRows: 16384, RollupRows: 256, NoPostings: true},
		"empty.hex":      DefaultConfig(),
	} {
		b, r := blocks, rows
		if name == "empty.hex" {
			b, r = nil, nil
		}
		golden := filepath.Join("testdata", name)
		got := dump(written(t, config, b, r))
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
		// What is in testdata must be readable whatever this build writes.
		s := opened(t, undump(t, string(want)))
		if got := mustRead(t, s); !slices.Equal(got, r) {
			t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(r, got))
		}
		if got, err := s.Blocks(); err != nil || !slices.Equal(got, b) {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, cmp.Diff(b, got))
		}
		if !s.Verify(func(e *DamageError) { t.Error(e) }) {
			t.Errorf("%s is damaged", name)
		}
	}
}

// TestSegmentWithoutChecksumsOfSums: a segment from before they were added answers as one that has them.
func TestSegmentWithoutChecksumsOfSums(t *testing.T) {
	var old, now []string
	for name, sums := range map[string]*[]string{"without-checksums-of-sums.hex": &old, "segment.hex": &now} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		s := opened(t, undump(t, string(b)))
		if has := s.find(sectionPageSums).id != 0; has != (name == "segment.hex") {
			t.Fatalf("%s: checksums of sums: %v", name, has)
		}
		*sums = allSums(t, s)
		_, rows := goldenRows()
		if got := mustRead(t, s); !slices.Equal(got, rows) || !s.Verify(func(e *DamageError) { t.Error(e) }) {
			t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(rows, got))
		}
	}
	if diff := cmp.Diff(now, old); diff != "" || len(now) < 2 {
		t.Error(diff)
	}
}

// allSums lists the rollups and the sums by source.
func allSums(t testing.TB, s *Reader) (list []string) {
	t.Helper()
	n, err := s.RollupCount()
	if err != nil {
		t.Fatal(err)
	}
	for rank := range n {
		var u Rollup
		_, err := s.ServiceRollup(uint32(rank), &u)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprint(u))
	}
	for page := range s.SourcePages() {
		err := s.SourceSums(page, 1<<Quarters-1, allCounters, func(quarter int, codes []uint32, sums *[CounterCount][]uint64) error {
			list = append(list, fmt.Sprint(quarter, codes, *sums))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// dump writes the bytes of a segment section by section, as offset, sixteen hexadecimal bytes and their text, a line
// each.
func dump(b []byte) string {
	r, err := openBytes(b)
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	lines := func(name string, from, to int64) {
		fmt.Fprintf(&out, "# %s\n", name)
		for at := from; at < to; at += 16 {
			line := b[at:min(at+16, to)]
			text := bytes.Map(func(c rune) rune {
				if c < ' ' || c > '~' {
					return '.'
				}
				return c
			}, bytes.ToValidUTF8(line, []byte{0}))
			fmt.Fprintf(&out, "%04x  %-47s  %s\n", at, fmt.Sprintf("% x", line), text)
		}
	}
	at := int64(len(r.Meta().header()))
	lines("header", 0, at)
	for _, s := range r.Sections() {
		lines(s.Name, s.Offset, s.Offset+s.Bytes)
		at = s.Offset + s.Bytes
	}
	lines("footer", at, r.Size()-trailerSize)
	lines("trailer", r.Size()-trailerSize, r.Size())
	return out.String()
}

func undump(t testing.TB, text string) (b []byte) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		part, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(line[6:min(53, len(line))]), " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, part...)
	}
	return b
}
