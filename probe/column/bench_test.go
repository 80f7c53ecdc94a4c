package column

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// benchValues is the number of values in a chunk of the benchmarks, as the store cuts them.
const benchValues = 4096

// perValue reports the time of a value, and the bytes of one.
func perValue(b *testing.B, values, bytes int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(values), "ns/value")
	b.ReportMetric(float64(bytes)/float64(values), "bytes/value")
}

// BenchmarkDecode and BenchmarkEncode take each sample under the codec that is chosen for it.
func BenchmarkDecode(b *testing.B) {
	for _, s := range samples() {
		var e Encoder
		chunk := e.Append(nil, s.make(rand.New(rand.NewPCG(1, 1)), benchValues))
		b.Run(fmt.Sprintf("%s/%v", s.name, Codec(chunk[0])), func(b *testing.B) {
			var d Decoder
			dst := make([]uint64, benchValues)
			b.ReportAllocs()
			for b.Loop() {
				mustDecode(d.Decode(dst, chunk))
			}
			perValue(b, benchValues, len(chunk))
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, s := range samples() {
		b.Run(s.name, func(b *testing.B) {
			var e Encoder
			var chunk []byte
			values := s.make(rand.New(rand.NewPCG(1, 1)), benchValues)
			b.ReportAllocs()
			for b.Loop() {
				chunk = e.Append(chunk[:0], values)
			}
			perValue(b, benchValues, len(chunk))
		})
	}
}

// BenchmarkCodec decodes the bytes of flows under each codec that may be chosen for them.
func BenchmarkCodec(b *testing.B) {
	packets, volume := counters(rand.New(rand.NewPCG(1, 1)), benchValues)
	var e Encoder
	smallest := examine(volume).smallest
	e.planPacked(volume, smallest)
	bodies := map[Codec][]byte{
		Raw:     appendRaw(nil, volume),
		Packed:  e.appendPacked(nil, volume, smallest),
		Classes: e.appendClasses(nil, volume),
		Zstd:    e.appendZstd(nil, volume),
	}
	var d Decoder
	dst := make([]uint64, benchValues)
	for _, codec := range []Codec{Raw, Packed, Classes, Zstd} {
		b.Run(codec.String(), func(b *testing.B) {
			for b.Loop() {
				mustDecode(dst, d.plain(dst, codec, bodies[codec], nil))
			}
			perValue(b, benchValues, len(bodies[codec]))
		})
	}
	given := e.AppendGiven(nil, volume, packets)
	b.Run(Codec(given[0]).String(), func(b *testing.B) {
		for b.Loop() {
			mustDecode(d.DecodeGiven(dst, given, packets))
		}
		perValue(b, benchValues, len(given))
	})
	b.Run("encode "+Codec(given[0]).String(), func(b *testing.B) {
		for b.Loop() {
			given = e.AppendGiven(given[:0], volume, packets)
		}
		perValue(b, benchValues, len(given))
	})
}

// BenchmarkSorted looks addresses up in dictionaries of a busy day, one at a time and all of them.
func BenchmarkSorted(b *testing.B) {
	const n = 100_000
	r := rand.New(rand.NewPCG(1, 1))
	four, six := addresses(r, n), networks(r, n)
	b4, b6 := AppendSorted32(nil, four), AppendSorted128(nil, six)
	s4, err := OpenSorted32(b4)
	if err != nil {
		b.Fatal(err)
	}
	s6, err := OpenSorted128(b6)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("lookup32", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, found, err := s4.Lookup(four[r.IntN(n)]); !found {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(b4))/n, "bytes/value")
	})
	b.Run("lookup128", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, found, err := s6.Lookup(six[r.IntN(n)]); !found {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(b6))/n, "bytes/value")
	})
	b.Run("values32", func(b *testing.B) {
		var dst []uint32
		for b.Loop() {
			if dst, err = s4.Values(dst[:0], 0, n); err != nil {
				b.Fatal(err)
			}
		}
		perValue(b, n, len(b4))
	})
	b.Run("match32", func(b *testing.B) { // a set of ten thousand
		set := addresses(r, 10_000)
		for b.Loop() {
			if err := s4.Match(set, func(int, uint32) {}); err != nil {
				b.Fatal(err)
			}
		}
		perValue(b, len(set), len(b4))
	})
}
