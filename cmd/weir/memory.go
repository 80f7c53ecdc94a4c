package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

// firstCollection is the memory up to which no garbage is collected: most command lines end before, and to collect some
// megabytes again and again would take a third of their processor time.
const firstCollection = 48 << 20

// growing is by how many percent memory grows between collections where a command line works on much for long: half as
// much as usual costs it nothing that could be measured.
const growing = 40

// collectLate puts the first garbage collection off; from then on all is as usual, or as what it returns was told. Where
// the environment says how to collect, it is left alone.
func collectLate(getenv func(string) string) (then func(percent int)) {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return func(int) {}
	}
	usual := new(atomic.Int64)
	usual.Store(int64(debug.SetGCPercent(-1)))
	debug.SetMemoryLimit(firstCollection)
	// The mark has a size of its own, as small ones without pointers share a block with others.
	mark := new([64]byte)
	runtime.AddCleanup(mark, func(percent *atomic.Int64) {
		debug.SetGCPercent(int(percent.Load()))
		debug.SetMemoryLimit(math.MaxInt64)
	}, usual)
	mark[0] = 1
	return func(percent int) { usual.Store(int64(percent)) }
}
