package query

import (
	"testing"

	"github.com/weirflow/weir/internal/testenv"
)

// TestHashSpreads: a table that is full gives up the upper half of its hashes, so each 64th of them must have about as
// many keys as any other, whatever the seed is, also where keys are numbers in a row, as addresses and bins are.
func TestHashSpreads(t *testing.T) {
	random := testenv.Random(t)
	keys := map[string]func(i uint64) packed{
		"pairs":             func(i uint64) packed { return packed{i / 64 << 32, i % 64} },
		"destinations":      func(i uint64) packed { return packed{7<<32 | i, 0} },
		"sources":           func(i uint64) packed { return packed{(10<<24 + i) << 32, 1 << packedInterface} },
		"ports":             func(i uint64) packed { return packed{0, 6<<packedProtocol | i} },
		"bins":              func(i uint64) packed { return packed{0, i << packedBin} },
		"sources and bins":  func(i uint64) packed { return packed{i % 64 << 32, i / 64 << packedBin} },
		"networks and bins": func(i uint64) packed { return packed{i % 64 << 40, i / 64 << packedBin} },
	}
	const count, parts = 4096, maxPasses
	for name, key := range keys {
		for range 2000 {
			table := table{seed: [2]uint64{random.Uint64(), random.Uint64()}}
			var in [parts]int
			for i := range uint64(count) {
				in[table.hash(key(i))>>58]++
			}
			for part, n := range in {
				if n > 2*count/parts { // eight times the standard deviation above the mean
					t.Fatalf("%s, seed %#x: part %d of %d has %d of %d keys", name, table.seed, part, parts, n, count)
				}
			}
		}
	}
}
