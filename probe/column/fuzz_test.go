package column

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"
)

// FuzzDecode decodes any bytes as a chunk whose checksum is in order: there are as many values as announced, or an
// error that says the chunk is damaged. What decodes is encoded again to the same values.
func FuzzDecode(f *testing.F) {
	chunks, _ := smallChunks(f)
	for _, chunk := range chunks {
		f.Add(chunk)
	}
	var e Encoder
	var d Decoder
	f.Fuzz(func(t *testing.T, chunk []byte) {
		if len(chunk) > checksumSize {
			chunk = sealed(chunk)
		}
		info, err := Inspect(chunk)
		context := make([]uint64, info.Count)
		for i := range context {
			context[i] = uint64(i) % 97
		}
		values, decodeErr := d.DecodeGiven(nil, chunk, context)
		if decodeErr != nil {
			if !errors.Is(decodeErr, ErrDamaged) {
				t.Fatal(decodeErr)
			}
			return
		}
		if err != nil || len(values) != info.Count || cap(values) > MaxValues {
			t.Fatalf("%+v, %v: %d values", info, err, len(values))
		}
		if _, err := d.DecodeSome(nil, chunk, context, []uint32{uint32(info.Count / 3), uint32(info.Count / 2)}); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err) // marks may be untrue
		}
		again, err := d.Decode(nil, e.Append(nil, values))
		if err != nil || !slices.Equal(again, values) {
			t.Fatalf("%d values encoded again: %v", len(values), err)
		}
	})
}

// FuzzRoundTrip takes bytes as values of a width and repeats them: decode(encode(x)) = x.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint8(1), uint16(500), false)
	f.Add([]byte("some text that is a column of bytes"), uint8(2), uint16(5), true)
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 128}, uint8(8), uint16(2000), true)
	var e Encoder
	var d Decoder
	f.Fuzz(func(t *testing.T, b []byte, width uint8, times uint16, running bool) {
		step := int(width%8) + 1
		var values []uint64
		sum := uint64(0)
		for len(values) < MaxValues && times > 0 && len(b) >= step {
			times--
			for part := range slices.Chunk(b, step) {
				var word [8]byte
				copy(word[:], part)
				v := binary.LittleEndian.Uint64(word[:])
				if sum += v; running {
					v = sum
				}
				if len(values) < MaxValues {
					values = append(values, v)
				}
			}
		}
		got, err := d.Decode(nil, e.Append(nil, values))
		if err != nil || !slices.Equal(got, values) {
			t.Fatalf("%d values: %v", len(values), err)
		}
		context := slices.Clone(values)
		slices.Reverse(context)
		got, err = d.DecodeGiven(nil, e.AppendGiven(nil, values, context), context)
		if err != nil || !slices.Equal(got, values) {
			t.Fatalf("%d values with context: %v", len(values), err)
		}
		if place := len(values) / 3 * 2; place < len(values) {
			some, err := d.DecodeSome(nil, e.AppendGiven(nil, values, context), context, []uint32{uint32(place)})
			if err != nil || some[place] != values[place] {
				t.Fatalf("place %d of %d values with context: %v", place, len(values), err)
			}
		}
	})
}

// FuzzDictionary opens any bytes as a dictionary whose checksums are in order, and uses it.
func FuzzDictionary(f *testing.F) {
	f.Add(AppendSorted32(nil, []uint32{1, 2, 3, 1000}), uint32(1), uint32(900))
	f.Add(AppendSorted128(nil, []Uint128{{1, 2}, {1, 9}, {1 << 40, 7}}), uint32(0), uint32(2))
	f.Fuzz(func(t *testing.T, b []byte, low, high uint32) {
		b = sealedDictionary(b)
		if s, err := OpenSorted32(b); err == nil {
			use(t, s.Len(), func(from, to uint32) (int, error) { v, err := s.Values(nil, from, to); return len(v), err })
			_, _, lookup := s.Lookup(low)
			_, _, bounds := s.Range(low, high)
			damagedOrNil(t, lookup, bounds, s.Match([]uint32{min(low, high), max(low, high)}, func(int, uint32) {}))
		}
		if s, err := OpenSorted128(b); err == nil {
			use(t, s.Len(), func(from, to uint32) (int, error) { v, err := s.Values(nil, from, to); return len(v), err })
			_, _, lookup := s.Lookup(Uint128{0, uint64(low)})
			_, _, bounds := s.Range(Uint128{0, uint64(low)}, Uint128{uint64(high), 0})
			damagedOrNil(t, lookup, bounds, s.Match([]Uint128{{0, uint64(low)}, {1, uint64(high)}}, func(int, uint32) {}))
		}
	})
}

func use(t *testing.T, n int, values func(from, to uint32) (int, error)) {
	got, err := values(0, uint32(n))
	if err == nil && got != n {
		t.Fatalf("%d values of %d", got, n)
	}
	damagedOrNil(t, err)
}

func damagedOrNil(t *testing.T, errs ...error) {
	for _, err := range errs {
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	}
}

// sealedDictionary puts count, size and all checksums in order as far as the bytes go.
func sealedDictionary(b []byte) []byte {
	b = slices.Clone(b)
	if len(b) < sortedHeader || b[0] == 0 || b[0] > 2 {
		return b
	}
	le := binary.LittleEndian
	groups := (int(le.Uint32(b[4:])) + groupSize - 1) / groupSize
	starts := sortedHeader + groups*kind(b[0]).valueLen()
	end := starts + 8*groups
	if end+checksumSize > len(b) {
		return b
	}
	area := b[end+checksumSize:]
	le.PutUint32(b[8:], uint32(len(area)))
	for i := range groups {
		from, to := int(le.Uint32(b[starts+4*i:])), len(area)
		if i+1 < groups {
			to = int(le.Uint32(b[starts+4*i+4:]))
		}
		if from <= to && to <= len(area) {
			le.PutUint32(b[starts+4*(groups+i):], crc32.Checksum(area[from:to], castagnoli()))
		}
	}
	le.PutUint32(b[end:], crc32.Checksum(b[:end], castagnoli()))
	return b
}
