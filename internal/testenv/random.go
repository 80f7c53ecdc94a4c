package testenv

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Random returns random numbers for a test of properties, from Seed.
func Random(t testing.TB) *rand.Rand {
	t.Helper()
	return rand.New(rand.NewPCG(Seed(t), 0))
}

// Seed returns the seed of a test's random numbers, and says it where the test fails. It is another one in each run;
// WEIR_SEED=N repeats the run of seed N. The gate (.ci/run) gives one, so that it judges a change and not luck; other
// runs go on looking, for longest `go tool mage soak`.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("WEIR_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal("WEIR_SEED: ", err)
		}
	}
	t.Logf("WEIR_SEED=%d repeats this run", seed)
	return seed
}
