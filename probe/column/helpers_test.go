package column

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// sample is a column made for the tests. It is like what the store has: counters over many orders of magnitude, run
// lengths, small differences, ranks.
type sample struct {
	name string
	make func(r *rand.Rand, n int) []uint64
}

func samples() []sample {
	fill := func(f func(r *rand.Rand, i int) uint64) func(*rand.Rand, int) []uint64 {
		return func(r *rand.Rand, n int) []uint64 {
			values := make([]uint64, n)
			for i := range values {
				values[i] = f(r, i)
			}
			return values
		}
	}
	return []sample{
		{"zero", fill(func(*rand.Rand, int) uint64 { return 0 })},
		{"packets", func(r *rand.Rand, n int) []uint64 { packets, _ := counters(r, n); return packets }},
		{"bytes", func(r *rand.Rand, n int) []uint64 { _, bytes := counters(r, n); return bytes }},
		{"runs", fill(func(r *rand.Rand, _ int) uint64 { return uint64(r.ExpFloat64() * r.ExpFloat64() * 4) })},
		{"differences", fill(func(r *rand.Rand, _ int) uint64 { return uint64(math.Exp(r.NormFloat64()*1.2 + 1)) })},
		{"ranks", func(r *rand.Rand, n int) []uint64 {
			zipf := rand.NewZipf(r, 1.4, 2, 40_000)
			return fill(func(*rand.Rand, int) uint64 { return zipf.Uint64() })(r, n)
		}},
		{"places", fill(func(r *rand.Rand, _ int) uint64 { return r.Uint64N(288) })},
		{"codes", func(r *rand.Rand, n int) []uint64 {
			value := uint64(0)
			return fill(func(r *rand.Rand, _ int) uint64 { value += uint64(r.ExpFloat64() * 12); return value })(r, n)
		}},
		{"ascending", fill(func(_ *rand.Rand, i int) uint64 { return 1<<40 + 300*uint64(i) })},
		{"flags", fill(func(r *rand.Rand, _ int) uint64 { return uint64(r.IntN(50) / 49) })},
		{"pattern", fill(func(_ *rand.Rand, i int) uint64 { return uint64(i%37) * uint64(i%37) * 1000003 })},
		{"noise", fill(func(r *rand.Rand, _ int) uint64 { return r.Uint64() })},
		{"wide", fill(func(r *rand.Rand, _ int) uint64 { return r.Uint64() >> r.IntN(64) })},
		{"outliers", fill(func(r *rand.Rand, i int) uint64 {
			if i%61 == 7 {
				return r.Uint64()
			}
			return 5 + r.Uint64N(8)
		})},
	}
}

// counters makes packets and bytes of flows: log-normal volumes and packet sizes, one flow in twenty-five a scan.
func counters(r *rand.Rand, n int) (packets, bytes []uint64) {
	packets, bytes = make([]uint64, n), make([]uint64, n)
	for i := range packets {
		if r.IntN(25) == 0 {
			packets[i] = 1 + r.Uint64N(3)
			bytes[i] = 60 * packets[i]
			continue
		}
		volume := math.Min(math.Exp(8.5+1.9*r.NormFloat64()), 5e11)
		packets[i] = uint64(volume/(200+800*r.Float64())) + 1
		bytes[i] = max(uint64(volume), 52*packets[i])
	}
	return packets, bytes
}

// decoded decodes a chunk and fails the test if it is not well.
func decoded(t testing.TB, d *Decoder, chunk []byte) []uint64 {
	t.Helper()
	values, err := d.Decode(nil, chunk)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// sealed puts the checksum in order after a change.
func sealed(chunk []byte) []byte {
	end := len(chunk) - checksumSize
	return binary.LittleEndian.AppendUint32(slices.Clone(chunk[:end]), crc32.Checksum(chunk[:end], castagnoli()))
}
