package column

import (
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden is a chunk that stands in testdata as bytes with comments.
type golden struct {
	name            string
	values, context []uint64
}

func goldens() []golden {
	r := rand.New(rand.NewPCG(42, 42))
	packets, volume := counters(r, 600)
	packed := make([]uint64, 130)
	for i := range packed {
		packed[i] = 1000 + r.Uint64N(16)
	}
	packed[5], packed[77], packed[129] = 2000, 1_000_000, 1001
	sorted := make([]uint64, 40)
	for i := range sorted {
		sorted[i] = 5_000_000 + 30*uint64(i) + r.Uint64N(30)
	}
	pattern := make([]uint64, 400)
	for i := range pattern {
		pattern[i] = []uint64{1 << 40, 77777, 3, 123456789, 1 << 21}[i%5]
	}
	return []golden{
		{name: "constant", values: make([]uint64, 4096)},
		{name: "raw", values: []uint64{0x0123456789abcdef, 0xfedcba9876543210, 0xf00dfeedf00dfeed}},
		{name: "packed", values: packed},
		{name: "classes", values: volume[:250]},
		{name: "zstd", values: pattern},
		{name: "deltas", values: sorted},
		{name: "given", values: volume, context: packets},
	}
}

// TestGoldenBytes holds the format. What stands in testdata is decoded by every later build; a new version of the
// Huffman or Zstandard encoder may write other bytes, which -update puts there.
func TestGoldenBytes(t *testing.T) {
	var e Encoder
	var d Decoder
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			chunk := e.Append(nil, g.values)
			if g.context != nil {
				chunk = e.AppendGiven(nil, g.values, g.context)
			}
			context := g.context
			if context == nil {
				context = g.values // any will do
			}
			if codec := Codec(chunk[0]); codec.String() != g.name {
				t.Fatalf("encoded as %v", codec)
			}
			old := compareGolden(t, g.name, describeChunk(t, chunk))
			got, err := d.DecodeGiven(nil, old, context)
			if err != nil || !slices.Equal(got, g.values) {
				t.Errorf("%v\n%s", err, cmp.Diff(g.values, got))
			}
		})
	}
}

func TestGoldenDictionaries(t *testing.T) {
	var four []uint32
	var six []Uint128
	for i := range uint32(130) {
		four = append(four, 0x0a000000+i*i*3)
		six = append(six, Uint128{0x20010db8_00000000 + uint64(i/4)<<16, uint64(i)*0x1111 + 1})
	}
	old, err := OpenSorted32(compareGolden(t, "sorted32", describeDictionary(AppendSorted32(nil, four))))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := old.Values(nil, 0, 130); err != nil || !slices.Equal(got, four) {
		t.Errorf("%v\n%s", err, cmp.Diff(four, got))
	}
	wide, err := OpenSorted128(compareGolden(t, "sorted128", describeDictionary(AppendSorted128(nil, six))))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := wide.Values(nil, 0, 130); err != nil || !slices.Equal(got, six) {
		t.Errorf("%v\n%s", err, cmp.Diff(six, got))
	}
}

// compareGolden compares a description with the one in testdata and returns the bytes of the latter.
func compareGolden(t *testing.T, name, got string) []byte {
	t.Helper()
	path := filepath.Join("testdata", name+".hex")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
	var b []byte
	for line := range strings.Lines(string(want)) {
		text, _, _ := strings.Cut(line, "#")
		part, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		b = append(b, part...)
	}
	return b
}

// describer writes bytes field by field, following the tables of the package comment and no code of the package.
type describer struct {
	out  strings.Builder
	rest []byte
}

// field takes n bytes and writes them, sixteen a line, with a comment.
func (d *describer) field(n int, format string, args ...any) []byte {
	b := d.rest[:n]
	d.rest = d.rest[n:]
	comment := "# " + fmt.Sprintf(format, args...)
	for line := range slices.Chunk(b, 16) {
		d.out.WriteString(strings.TrimRight(fmt.Sprintf("%-48s %s", fmt.Sprintf("% x", line), comment), " ") + "\n")
		comment = ""
	}
	return b
}

func (d *describer) byte(name string) int { return int(d.field(1, "%s %d", name, d.rest[0])[0]) }

func (d *describer) u32(name string) int {
	v := int(binary.LittleEndian.Uint32(d.rest))
	d.field(4, "%s %d", name, v)
	return v
}

func (d *describer) varint(name string) int {
	v, n := binary.Uvarint(d.rest)
	d.field(n, "%s %d", name, v)
	return int(v)
}

func describeChunk(t *testing.T, chunk []byte) string {
	d := describer{rest: chunk}
	codec := Codec(chunk[0])
	d.field(1, "codec %d, %v", chunk[0], codec)
	count := d.varint("count")
	d.body(codec, count, d.varint("size"))
	d.field(4, "checksum")
	if len(d.rest) != 0 {
		t.Errorf("%d bytes left", len(d.rest))
	}
	return d.out.String()
}

func (d *describer) body(codec Codec, count, size int) {
	end := len(d.rest) - size
	switch codec {
	case Constant:
		d.varint("value")
	case Packed:
		d.varint("base")
		for ; count > 0; count -= 128 {
			d.group(min(count, 128))
		}
	case Classes:
		d.classes()
	case Zstd:
		d.varint("raw")
	case Deltas:
		inner := Codec(d.rest[0])
		d.field(1, "codec %d, %v", inner, inner)
		d.varint("value")
		d.body(inner, count-1, len(d.rest)-end)
	case Given:
		parts := d.byte("parts")
		for range parts {
			d.byte("last class")
		}
		for i := range parts {
			fmt.Fprintf(&d.out, "# part %d\n", i)
			d.classes()
		}
	}
	if codec == Classes || codec == Given {
		d.streams(count)
	}
	if left := len(d.rest) - end; left > 0 {
		d.field(left, "%s", map[Codec]string{Raw: "values", Classes: "last stream", Given: "last stream", Zstd: "frame"}[codec])
	}
}

// group describes a packed group of n values.
func (d *describer) group(n int) {
	width, exceptions, upper := d.byte("width"), d.byte("exceptions"), 0
	if exceptions > 0 {
		upper = d.byte("upper")
	}
	d.field((n*width+7)/8, "lows")
	d.field(exceptions, "places")
	d.field((exceptions*upper+7)/8, "highs")
}

func (d *describer) classes() {
	d.byte("first class")
	set := d.field((d.byte("span")+7)/8, "set")
	used := 0
	for _, b := range set {
		used += bits.OnesCount8(b)
	}
	value := uint64(0)
	for range d.byte("frequent") {
		difference, n := binary.Uvarint(d.rest)
		value += difference
		d.field(n, "symbol %d is %d", used, value)
		used++
	}
	if used > 1 {
		d.field((used+1)/2, "lengths of codes")
	}
}

func (d *describer) streams(count int) {
	if count < manyValues {
		return
	}
	var sizes []int
	for range 3 {
		sizes = append(sizes, d.varint("size"))
	}
	for s, length := range []int{(count + 3) / 4, (count + 3) / 4, (count + 3) / 4, count - 3*((count+3)/4)} {
		for range (length - 1) / 128 {
			d.field(2, "mark of stream %d: %d bits", s, binary.LittleEndian.Uint16(d.rest))
		}
	}
	for _, size := range sizes {
		d.field(size, "stream")
	}
}

func describeDictionary(b []byte) string {
	d := describer{rest: b}
	kind := d.byte("kind")
	d.field(3, "zero")
	count := d.u32("count")
	d.u32("size")
	groups := (count + 127) / 128
	for range groups {
		d.field(map[int]int{1: 4, 2: 16}[kind], "first")
	}
	for range groups {
		d.u32("start")
	}
	for range groups {
		d.field(4, "checksum of group")
	}
	d.field(4, "checksum")
	for ; count > 0; count -= 128 {
		n := min(count, 128) - 1
		if n > 0 && kind == 2 {
			d.byte("shift")
			d.group(n)
		}
		if n > 0 {
			d.group(n)
		}
	}
	d.field(len(d.rest), "left")
	return d.out.String()
}
