package column

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// atPlaces picks places, ascending.
func atPlaces(r *rand.Rand, count, n int) []uint32 {
	places := []uint32{}
	for range n {
		places = append(places, uint32(r.IntN(count)))
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// What some values decode to is what all decode to, at the places asked for, in every codec, with and without context.
func TestDecodeSome(t *testing.T) {
	var e Encoder
	var d Decoder
	r := rand.New(rand.NewPCG(7, 7))
	for _, s := range samples() {
		for _, n := range []int{1, 255, 256, 511, 513, 1024, 1025, 4096, 5000, MaxValues} {
			values := s.make(r, n)
			context, _ := counters(r, n)
			plain, given := e.Append(nil, values), e.AppendGiven(nil, values, context)
			for _, wanted := range []int{0, 1, 2, 9, 40} {
				places := atPlaces(r, n, wanted)
				if wanted == 9 {
					places = []uint32{0, uint32(n / 2), uint32(n - 1)}
				}
				for name, chunk := range map[string][]byte{"plain": plain, "given": given} {
					dst := make([]uint64, n)
					got, err := d.DecodeSome(dst, chunk, map[string][]uint64{"given": context}[name], places)
					if err != nil {
						t.Fatalf("%s, %s, %d values: %v", s.name, name, n, err)
					}
					for _, p := range places {
						if got[p] != values[p] {
							t.Fatalf("%s, %s, %d values, place %d: %d, want %d", s.name, name, n, p, got[p], values[p])
						}
					}
				}
			}
		}
	}
	if _, err := d.DecodeSome(nil, e.AppendGiven(nil, []uint64{1}, []uint64{2}), []uint64{1, 2}, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("a context of another length: %v", err)
	}
}

// Marks that are not true are damage, also where the checksum is in order.
func TestDamagedMarks(t *testing.T) {
	var e Encoder
	var d Decoder
	values := samples()[2].make(rand.New(rand.NewPCG(3, 3)), 4096)
	chunk := e.Append(nil, values)
	info, body, err := open(chunk)
	if err != nil || info.Codec != Classes {
		t.Fatal(info, err)
	}
	b, err := d.readTables(body, 1)
	if err != nil {
		t.Fatal(err)
	}
	at := len(chunk) - checksumSize - len(b)
	for range 3 { // sizes of streams of more than 127 bytes
		for chunk[at] >= 0x80 {
			at++
		}
		at++
	}
	for mark := range marksOf(len(values)) {
		for _, bit := range []byte{1, 0x80} {
			broken := slices.Clone(chunk)
			broken[at+2*mark] ^= bit
			per := (streamLength(len(values)) - 1) / markEvery
			place := uint32(mark/per*streamLength(len(values)) + mark%per*markEvery)
			if _, err := d.DecodeSome(nil, sealed(broken), nil, []uint32{place}); !errors.Is(err, ErrDamaged) {
				t.Errorf("mark %d: %v", mark, err)
			}
		}
	}
}
