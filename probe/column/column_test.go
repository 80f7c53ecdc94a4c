package column

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoundTrip(t *testing.T) {
	var e Encoder
	var d Decoder
	lengths := []int{0, 1, 2, 3, 11, 127, 128, 129, 255, 256, 1023, 1024, 4096, 5000, MaxValues}
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			for _, n := range lengths {
				values := s.make(rand.New(rand.NewPCG(1, uint64(n))), n)
				chunk := e.Append(nil, values)
				info, err := Inspect(append(chunk, 1, 2, 3))
				if err != nil || info.Count != n || info.Size != len(chunk) {
					t.Fatalf("%d values: %+v, %v", n, info, err)
				}
				if got := decoded(t, &d, chunk); !slices.Equal(got, values) {
					t.Fatalf("%d values, %v: %s", n, info.Codec, cmp.Diff(values, got))
				}
				if limit := 8*n + 20; len(chunk) > limit {
					t.Errorf("%d values in %d bytes, at most %d", n, len(chunk), limit)
				}
			}
		})
	}
}

func TestLimits(t *testing.T) {
	var e Encoder
	var d Decoder
	for _, values := range [][]uint64{
		{math.MaxUint64}, {0, math.MaxUint64}, {math.MaxUint64, 0}, {1 << 63, 1<<63 + 1}, {math.MaxUint64 - 1, math.MaxUint64},
	} {
		if got := decoded(t, &d, e.Append(nil, values)); !slices.Equal(got, values) {
			t.Errorf("%x decodes to %x", values, got)
		}
	}
	for width := range 65 { // every width of packed values and of open bits, over more than a window
		values := make([]uint64, 9000)
		r := rand.New(rand.NewPCG(2, uint64(width)))
		for i := range values {
			values[i] = r.Uint64() >> (64 - width)
		}
		facts := examine(values)
		e.planPacked(values, facts.smallest)
		got := make([]uint64, len(values))
		if err := d.packed(got, e.appendPacked(nil, values, facts.smallest)); err != nil || !slices.Equal(got, values) {
			t.Errorf("packed, %d bits: %v", width, err)
		}
		clear(got)
		if err := d.coded(got, e.appendClasses(nil, values), 1, nil, nil); err != nil || !slices.Equal(got, values) {
			t.Errorf("classes, %d bits: %v", width, err)
		}
	}
}

// TestChoice holds what is chosen for the columns the codecs are there for.
func TestChoice(t *testing.T) {
	want := map[string]Codec{"zero": Constant, "packets": Classes, "bytes": Classes, "runs": Classes, "differences": Classes,
		"ranks": Classes, "places": Classes, "codes": Deltas, "ascending": Deltas, "flags": Zstd, "pattern": Zstd, "noise": Raw,
		"wide": Classes, "outliers": Packed}
	got := map[string]Codec{}
	var e Encoder
	for _, s := range samples() {
		info, err := Inspect(e.Append(nil, s.make(rand.New(rand.NewPCG(1, 1)), 4096)))
		if err != nil {
			t.Fatal(err)
		}
		got[s.name] = info.Codec
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := len(e.Append(nil, make([]uint64, 4096))); n != 9 {
		t.Errorf("a column of zeros takes %d bytes, the package comment says 9", n)
	}
}

// TestSize holds the promise that made Classes: 15 % less than varints under Zstandard on counters.
func TestSize(t *testing.T) {
	var e Encoder
	packets, volume := counters(rand.New(rand.NewPCG(3, 3)), 40960)
	classes, zstd := 0, 0
	for _, column := range [][]uint64{packets, volume} {
		for values := range slices.Chunk(column, 4096) {
			classes += len(e.Append(nil, values))
			zstd += len(e.appendZstd(nil, values))
		}
	}
	if ratio := float64(classes) / float64(zstd); ratio > 0.85 {
		t.Errorf("%d bytes, Zstandard %d: %.3f", classes, zstd, ratio)
	}
}

func TestGiven(t *testing.T) {
	var e Encoder
	var d Decoder
	r := rand.New(rand.NewPCG(4, 4))
	for _, n := range []int{0, 1, 2, 200, 4096, MaxValues} {
		packets, volume := counters(r, n)
		plain, chunk := e.Append(nil, volume), e.AppendGiven(nil, volume, packets)
		got, err := d.DecodeGiven(nil, chunk, packets)
		if err != nil || !slices.Equal(got, volume) {
			t.Fatalf("%d values: %v", n, err)
		}
		if n < 4096 {
			continue
		}
		if len(chunk) > len(plain)*95/100 || Codec(chunk[0]) != Given {
			t.Errorf("%d values: %d bytes, %d without context", n, len(chunk), len(plain))
		}
		if _, err := d.Decode(nil, chunk); !errors.Is(err, ErrContext) {
			t.Errorf("decoded without context: %v", err)
		}
		if _, err := d.DecodeGiven(nil, chunk, packets[1:]); !errors.Is(err, ErrDamaged) {
			t.Errorf("decoded with a shorter context: %v", err)
		}
		if got, err := d.DecodeGiven(nil, chunk, make([]uint64, n)); err == nil && slices.Equal(got, volume) {
			t.Error("decoded to the same with another context")
		}
	}
	// A context that says nothing is left out.
	_, volume := counters(r, 4096)
	noise := samples()[11].make(r, 4096)
	chunk := e.AppendGiven(nil, volume, noise)
	if !bytes.Equal(chunk, e.Append(nil, volume)) {
		t.Errorf("encoded against noise: %v", Codec(chunk[0]))
	}
	if got, err := d.DecodeGiven(nil, chunk, noise); err != nil || !slices.Equal(got, volume) {
		t.Error(err)
	}
}

// TestSameBytes encodes with an encoder that has seen much and with a new one, and behind other bytes.
func TestSameBytes(t *testing.T) {
	var old Encoder
	for round := range uint64(2) {
		for _, s := range samples() {
			values := s.make(rand.New(rand.NewPCG(5, round)), 3000)
			context := samples()[1].make(rand.New(rand.NewPCG(6, round)), 3000)
			for i, encode := range []func(e *Encoder, dst []byte) []byte{
				func(e *Encoder, dst []byte) []byte { return e.Append(dst, values) },
				func(e *Encoder, dst []byte) []byte { return e.AppendGiven(dst, values, context) },
			} {
				want := encode(new(Encoder), nil)
				got := encode(&old, []byte("before"))
				if !bytes.Equal(got, append([]byte("before"), want...)) {
					t.Errorf("%s, %d: %d bytes from a used encoder, %d from a new one", s.name, i, len(got)-6, len(want))
				}
			}
		}
	}
}

func Test32(t *testing.T) {
	var e Encoder
	var d Decoder
	values := []uint32{7, 0, math.MaxUint32, 12, 12}
	chunk := e.Append32(nil, values)
	if !bytes.Equal(chunk, e.Append(nil, []uint64{7, 0, math.MaxUint32, 12, 12})) {
		t.Error("the chunk differs from that of 64 bits")
	}
	got, err := d.Decode32(make([]uint32, 2, 9), chunk)
	if err != nil || !slices.Equal(got, values) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := d.Decode32(nil, e.Append(nil, []uint64{1, 1 << 32})); !errors.Is(err, ErrDamaged) {
		t.Errorf("33 bits: %v", err)
	}
}

func TestMisuse(t *testing.T) {
	for name, f := range map[string]func(){
		"too many":     func() { new(Encoder).Append(nil, make([]uint64, MaxValues+1)) },
		"context":      func() { new(Encoder).AppendGiven(nil, make([]uint64, 2), make([]uint64, 3)) },
		"unsorted 32":  func() { AppendSorted32(nil, []uint32{1, 2, 2}) },
		"unsorted 128": func() { AppendSorted128(nil, []Uint128{{1, 0}, {0, 5}}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// TestNoAllocation decodes into memory that is there.
func TestNoAllocation(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes pools forget what they hold")
	}
	var e Encoder
	var d Decoder
	dst := make([]uint64, 4096)
	packets, volume := counters(rand.New(rand.NewPCG(7, 7)), 4096)
	given := e.AppendGiven(nil, volume, packets)
	if n := testing.AllocsPerRun(20, func() { mustDecode(d.DecodeGiven(dst, given, packets)) }); n > 0 {
		t.Errorf("given: %v allocations", n)
	}
	for _, s := range samples() {
		chunk := e.Append(nil, s.make(rand.New(rand.NewPCG(7, 7)), 4096))
		if n := testing.AllocsPerRun(20, func() { mustDecode(d.Decode(dst, chunk)) }); n > 0 {
			t.Errorf("%s, %v: %v allocations", s.name, Codec(chunk[0]), n)
		}
	}
}

func mustDecode(_ []uint64, err error) {
	if err != nil {
		panic(err)
	}
}
