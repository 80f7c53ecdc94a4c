package lookup

import (
	"cmp"
	"slices"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
)

type pair struct{ high, low uint64 }

func comparePairs(a, b pair) int {
	return cmp.Or(cmp.Compare(a.high, b.high), cmp.Compare(a.low, b.low))
}

// Whatever the numbers have in common, lists are sorted as by comparison alone.
func TestSort(t *testing.T) {
	random := testenv.Random(t)
	for name, next := range map[string]func(i int) pair{
		"random":        func(int) pair { return pair{random.Uint64(), random.Uint64()} },
		"one network":   func(int) pair { return pair{1 << 60, random.Uint64()} },
		"across":        func(int) pair { return pair{7<<32 | random.Uint64N(4), random.Uint64()} },
		"ends":          func(int) pair { return pair{random.Uint64N(2) << 63, random.Uint64N(2)} },
		"low bits":      func(int) pair { return pair{5, 1<<40 | random.Uint64N(3)} },
		"equal":         func(int) pair { return pair{5, 5} },
		"in order":      func(i int) pair { return pair{3, uint64(i)} },
		"against order": func(i int) pair { return pair{uint64(-i), 0} },
		"skewed":        func(i int) pair { return pair{random.Uint64() >> (i % 64), random.Uint64()} },
	} {
		for _, length := range []int{0, 1, fewToSort - 1, fewToSort, 5000} {
			list := make([]pair, length)
			for i := range list {
				list[i] = next(i)
			}
			want := slices.Clone(list)
			slices.SortFunc(want, comparePairs)
			Sort(list, func(p *pair) (uint64, uint64) { return p.high, p.low }, comparePairs)
			if !slices.Equal(list, want) {
				t.Errorf("%s, %d numbers: not sorted", name, length)
			}
		}
	}
}
