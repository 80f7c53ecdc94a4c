package table

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// takePages maps zeroed memory of at least size bytes. The system gives all its pages at once, or each when it is first
// touched, which costs a new conversation a quarter more time.
func takePages(size int, atOnce bool) unsafe.Pointer {
	flags := unix.MAP_ANON | unix.MAP_PRIVATE
	if atOnce {
		flags |= unix.MAP_POPULATE
	}
	at, err := unix.MmapPtr(-1, 0, nil, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, flags)
	if err != nil { // as with the Go runtime: there is nothing to go on with
		panic(fmt.Sprintf("table: map %d bytes: %v", size, err))
	}
	return at
}

func givePages(at unsafe.Pointer, size int) {
	if err := unix.MunmapPtr(at, uintptr(size)); err != nil {
		panic("table: unmap: " + err.Error())
	}
}
