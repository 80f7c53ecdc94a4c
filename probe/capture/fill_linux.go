package capture

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Fill is the part of the ring's blocks that the kernel has handed over and the reader has not given back, 0 to 1. Any
// goroutine may ask, at any time.
func (r *ring) Fill() float64 {
	r.mu.Lock() // Close unmaps the memory
	defer r.mu.Unlock()
	if r.closed || len(r.memory) == 0 {
		return 0
	}
	full := 0
	for at := 0; at < len(r.memory); at += r.blockSize {
		status := (*uint32)(unsafe.Pointer(&r.memory[at+blockStatus]))
		if atomic.LoadUint32(status)&unix.TP_STATUS_USER != 0 {
			full++
		}
	}
	return float64(full) / float64(len(r.memory)/r.blockSize)
}
