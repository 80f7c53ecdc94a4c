package lookup

import (
	"encoding/binary"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
)

// A set holds what it was made of and nothing else, be the addresses random, in a row, a multiple apart, or zero.
func TestSets(t *testing.T) {
	random := testenv.Random(t)
	for _, size := range []int{0, 1, 2, 3, 31, 1000} {
		for name, next := range map[string]func(i int) uint64{
			"random": func(int) uint64 { return random.Uint64() },
			"row":    func(i int) uint64 { return uint64(i) },
			"apart":  func(i int) uint64 { return uint64(i) << 22 },
			"few":    func(int) uint64 { return random.Uint64N(5) },
		} {
			in4, in6 := map[uint32]bool{}, map[[16]byte]bool{}
			var list4 []uint32
			var list6 [][16]byte
			for i := range size {
				n := next(i)
				list4 = append(list4, uint32(n))
				list6 = append(list6, sixteen(n, random.Uint64N(2)), sixteen(random.Uint64N(2), n))
			}
			for _, a := range list4 {
				in4[a] = true
			}
			for _, a := range list6 {
				in6[a] = true
			}
			set4, set6 := New4(list4), New6(list6)
			for i := range 2*size + 10 {
				n := next(i)
				for _, a := range []uint32{uint32(n), uint32(n) + 1, 0} {
					if set4.Contains(a) != in4[a] {
						t.Fatalf("%s, %d entries: %#x is in the set: %t", name, size, a, !in4[a])
					}
				}
				for _, a := range [][16]byte{sixteen(n, 0), sixteen(0, n), sixteen(n, n), {}} {
					if set6.Contains(Numbers6(&a)) != in6[a] {
						t.Fatalf("%s, %d entries: %x is in the set: %t", name, size, a, !in6[a])
					}
				}
			}
			for _, a := range list4 {
				if !set4.Contains(a) {
					t.Fatalf("%s, %d entries: %#x is lost", name, size, a)
				}
			}
			for _, a := range list6 {
				if !set6.Contains(Numbers6(&a)) {
					t.Fatalf("%s, %d entries: %x is lost", name, size, a)
				}
			}
		}
	}
}

func sixteen(high, low uint64) (a [16]byte) {
	binary.BigEndian.PutUint64(a[:8], high)
	binary.BigEndian.PutUint64(a[8:], low)
	return a
}
