package column

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// addresses makes n different sorted values: dense ones, sparse ones, and the ends of the range.
func addresses(r *rand.Rand, n int) []uint32 {
	values := []uint32{0, math.MaxUint32}[:min(n, 2)]
	for len(values) < n {
		for len(values) < n {
			if v := r.Uint32(); v%3 > 0 {
				values = append(values, v)
			} else {
				values = append(values, 0x0a000000+v%10_000)
			}
		}
		slices.Sort(values)
		values = slices.Compact(values)
	}
	return values
}

// networks is addresses for IPv6: few prefixes with many interfaces, of which some are dense, and many with one.
func networks(r *rand.Rand, n int) []Uint128 {
	values := []Uint128{{}, {math.MaxUint64, math.MaxUint64}}[:min(n, 2)]
	for len(values) < n {
		for len(values) < n {
			hi := uint64(0x2a00_0000_0000_0000) + r.Uint64N(1<<20)<<32
			switch r.IntN(3) {
			case 0:
				values = append(values, Uint128{0x2001_0db8_0000_0001, r.Uint64()})
			case 1:
				values = append(values, Uint128{0x2001_0db8_0000_0002, r.Uint64N(100_000)})
			default:
				values = append(values, Uint128{hi, r.Uint64N(1 << 16)})
			}
		}
		slices.SortFunc(values, Uint128.Compare)
		values = slices.Compact(values)
	}
	return values
}

var dictionaryLengths = []int{0, 1, 2, 127, 128, 129, 130, 256, 257, 5000, 20_000}

// TestSorted32 compares a dictionary with the slice it was made from.
func TestSorted32(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range dictionaryLengths {
		values := addresses(r, n)
		s, err := OpenSorted32(AppendSorted32(nil, values))
		if err != nil || s.Len() != n {
			t.Fatalf("%d values: %v", n, err)
		}
		got, err := s.Values(nil, 0, uint32(n))
		if err != nil || !slices.Equal(got, values) {
			t.Fatalf("%d values: %v", n, err)
		}
		near := func() uint32 {
			if n == 0 || r.IntN(4) == 0 {
				return r.Uint32()
			}
			return values[r.IntN(n)] + r.Uint32N(5) - 2
		}
		for range 400 {
			v, high := near(), near()
			at, want := slices.BinarySearch(values, v)
			code, found, err := s.Lookup(v)
			if err != nil || found != want || found && int(code) != at {
				t.Fatalf("%d values: %d is found at %d, %v, %v; want %d, %v", n, v, code, found, err, at, want)
			}
			to, included := slices.BinarySearch(values, high)
			if included {
				to++
			}
			a, b, err := s.Range(v, high)
			if wantLen := max(0, to-at); err != nil || int(b-a) != wantLen || wantLen > 0 && int(a) != at {
				t.Fatalf("%d values: %d to %d are codes %d to %d, %v; want %d to %d", n, v, high, a, b, err, at, to)
			}
			part, err := s.Values([]uint32{9}, a, b)
			if err != nil || !slices.Equal(part[1:], values[a:b]) || part[0] != 9 {
				t.Fatalf("%d values: codes %d to %d: %v", n, a, b, err)
			}
			if n > 0 {
				code = r.Uint32N(uint32(n))
				if got, err := s.At(code); err != nil || got != values[code] {
					t.Fatalf("%d values: code %d is %d, %v; want %d", n, code, got, err, values[code])
				}
			}
		}
		if _, err := s.At(uint32(n)); err == nil {
			t.Errorf("%d values: there is a code %d", n, n)
		}
		if _, err := s.Values(nil, 0, uint32(n)+1); err == nil {
			t.Errorf("%d values: there is a code %d", n, n)
		}
		set := []uint32{}
		for range 300 {
			set = append(set, near())
		}
		slices.Sort(set)
		want, found := map[int]uint32{}, map[int]uint32{}
		for i, v := range set {
			if at, ok := slices.BinarySearch(values, v); ok {
				want[i] = uint32(at)
			}
		}
		if err := s.Match(set, func(i int, code uint32) { found[i] = code }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("%d values: %s", n, diff)
		}
	}
}

func TestSorted128(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, n := range dictionaryLengths {
		values := networks(r, n)
		s, err := OpenSorted128(AppendSorted128(nil, values))
		if err != nil || s.Len() != n {
			t.Fatalf("%d values: %v", n, err)
		}
		got, err := s.Values(nil, 0, uint32(n))
		if err != nil || !slices.Equal(got, values) {
			t.Fatalf("%d values: %v", n, err)
		}
		set := []Uint128{}
		for range 300 {
			v := Uint128{r.Uint64(), r.Uint64()}
			if n > 0 {
				v = values[r.IntN(n)]
				v.Lo += r.Uint64N(3) - 1
			}
			set = append(set, v)
			at, want := slices.BinarySearchFunc(values, v, Uint128.Compare)
			code, found, err := s.Lookup(v)
			if err != nil || found != want || found && int(code) != at {
				t.Fatalf("%d values: %x is found at %d, %v, %v; want %d, %v", n, v, code, found, err, at, want)
			}
			if found {
				if got, err := s.At(code); err != nil || got != v {
					t.Fatalf("%d values: code %d is %x, %v; want %x", n, code, got, err, v)
				}
			}
			// The /64 of the address is a range of codes.
			a, b, err := s.Range(Uint128{v.Hi, 0}, Uint128{v.Hi, math.MaxUint64})
			if err != nil {
				t.Fatal(err)
			}
			for i, x := range values {
				if inside := uint32(i) >= a && uint32(i) < b; inside != (x.Hi == v.Hi) {
					t.Fatalf("%d values: /64 of %x is codes %d to %d, not so %d", n, v, a, b, i)
				}
			}
		}
		slices.SortFunc(set, Uint128.Compare)
		hits := 0
		err = s.Match(set, func(i int, code uint32) {
			if values[code] != set[i] {
				t.Errorf("%d values: %x has code %d", n, set[i], code)
			}
			hits++
		})
		want := 0
		for _, v := range set {
			if _, ok := slices.BinarySearchFunc(values, v, Uint128.Compare); ok {
				want++
			}
		}
		if err != nil || hits != want {
			t.Errorf("%d values: %d hits, want %d, %v", n, hits, want, err)
		}
	}
}

// TestDictionaryDamage flips bits and cuts: opening fails, or reading all values does; what is in other groups is read.
func TestDictionaryDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	four, six := addresses(r, 300), networks(r, 300)
	b4, b6 := AppendSorted32(nil, four), AppendSorted128(nil, six)
	read4 := func(b []byte) error {
		s, err := OpenSorted32(b)
		if err != nil {
			return err
		}
		for i := range s.Len() {
			if v, err := s.At(uint32(i)); err == nil && v != four[i] {
				t.Fatalf("value %d is %d, want %d", i, v, four[i])
			}
		}
		_, err = s.Values(nil, 0, uint32(s.Len()))
		return err
	}
	read6 := func(b []byte) error {
		s, err := OpenSorted128(b)
		if err != nil {
			return err
		}
		_, err = s.Values(nil, 0, uint32(s.Len()))
		return err
	}
	for _, c := range []struct {
		b    []byte
		read func([]byte) error
	}{{b4, read4}, {b6, read6}} {
		if err := c.read(c.b); err != nil {
			t.Fatal(err)
		}
		for i := range c.b {
			c.b[i] ^= 1 << (i % 8)
			if err := c.read(c.b); !errors.Is(err, ErrDamaged) {
				t.Errorf("byte %d: %v", i, err)
			}
			c.b[i] ^= 1 << (i % 8)
			if err := c.read(c.b[:i]); !errors.Is(err, ErrDamaged) {
				t.Errorf("cut at %d: %v", i, err)
			}
		}
	}
	if _, err := OpenSorted32(b6); !errors.Is(err, ErrDamaged) {
		t.Errorf("opened as another kind: %v", err)
	}
	b4[len(b4)-1] ^= 1 // in the last group
	s, err := OpenSorted32(b4)
	if err != nil {
		t.Fatal(err)
	}
	if code, found, err := s.Lookup(four[10]); err != nil || !found || code != 10 {
		t.Errorf("a value of an unharmed group: %d, %v, %v", code, found, err)
	}
	if _, _, err := s.Lookup(four[299]); !errors.Is(err, ErrDamaged) {
		t.Errorf("a value of the harmed group: %v", err)
	}
}
