package table

import "unsafe"

// arena hands out the memory of a table: whole pages outside of the garbage collector's heap, where there is such a
// thing (pages_linux.go). Nothing in it holds pointers, so the collector has nothing to look for; it does not take the
// table for a reason to let twice as much garbage pile up; and what is given back, the system has at once.
type arena struct {
	bytes int // handed out and not given back
}

// allocate returns zeroed memory for a T. It stays where it is until free. All of it is to be in use soon, else the pages
// that are not touched take no memory: of the many tables of an interface most are small.
func allocate[T any](a *arena, soon bool) *T {
	size := int(unsafe.Sizeof(*new(T)))
	a.bytes += size
	return (*T)(takePages(size, soon))
}

func free[T any](a *arena, t *T) {
	size := int(unsafe.Sizeof(*t))
	a.bytes -= size
	givePages(unsafe.Pointer(t), size)
}

// words returns n zeroed words, all to be in use soon.
func (a *arena) words(n int) []uint64 {
	a.bytes += 8 * n
	return unsafe.Slice((*uint64)(takePages(8*n, true)), n)
}

func (a *arena) freeWords(words []uint64) {
	a.bytes -= 8 * len(words)
	givePages(unsafe.Pointer(unsafe.SliceData(words)), 8*len(words))
}
