package main

import (
	"math"
	"runtime"
	"runtime/debug"
)

// firstCollection is the memory up to which no garbage is collected: most command lines end before, and to collect some
// megabytes again and again would take a third of their processor time.
const firstCollection = 48 << 20

// collectLate puts the first garbage collection off; from then on all is as usual. Where the environment says how to
// collect, it is left alone.
func collectLate(getenv func(string) string) {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return
	}
	usual := debug.SetGCPercent(-1)
	debug.SetMemoryLimit(firstCollection)
	// The mark has a size of its own, as small ones without pointers share a block with others.
	mark := new([64]byte)
	runtime.AddCleanup(mark, func(percent int) {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(math.MaxInt64)
	}, usual)
	mark[0] = 1
}
