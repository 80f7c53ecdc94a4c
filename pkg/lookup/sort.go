package lookup

import (
	"math/bits"
	"slices"
)

// fewToSort is the length up to which sorting by comparison alone is as fast.
const fewToSort = 256

// Sort sorts a list whose elements compare as a number of 128 bits does, elements of one number in any order. Elements
// are dealt out by the bits that follow those which all have in common, then each heap is sorted by comparison: addresses
// are mostly spread well, and where they are not, this takes no longer than comparison alone.
func Sort[E any](list []E, number func(*E) (high, low uint64), compare func(a, b E) int) {
	if len(list) < fewToSort {
		slices.SortFunc(list, compare)
		return
	}
	firstHigh, firstLow := number(&list[0])
	var differHigh, differLow uint64
	sorted := true
	for i, lastHigh, lastLow := 1, firstHigh, firstLow; i < len(list); i++ {
		high, low := number(&list[i])
		differHigh |= high ^ firstHigh
		differLow |= low ^ firstLow
		sorted = sorted && (high > lastHigh || high == lastHigh && low > lastLow)
		lastHigh, lastLow = high, low
	}
	if sorted || differHigh|differLow == 0 {
		return
	}
	common := bits.LeadingZeros64(differHigh)
	if differHigh == 0 {
		common += bits.LeadingZeros64(differLow)
	}
	// A quarter as many heaps as elements: the counters stay in a cache, and a heap has few elements.
	shift := 64 - uint(min(bits.Len(uint(len(list)))-2, 16))
	heap := func(e *E) uint64 {
		high, low := number(e)
		if common < 64 {
			return (high<<common | low>>(64-common)) >> shift
		}
		return low << (common - 64) >> shift
	}
	ends := make([]int32, 1<<(64-shift)+1)
	for i := range list {
		ends[heap(&list[i])+1]++
	}
	for i := 1; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	dealt := make([]E, len(list))
	for i := range list {
		h := heap(&list[i])
		dealt[ends[h]] = list[i]
		ends[h]++
	}
	start := int32(0)
	for _, end := range ends[:len(ends)-1] {
		if end-start > 1 {
			slices.SortFunc(dealt[start:end], compare)
		}
		start = end
	}
	copy(list, dealt)
}
