package capture

import (
	"errors"
	"io"
	"slices"
)

// Bounds of what a trace may claim.
const (
	windowSize  = 256 << 10
	maxCaptured = 1 << 20              // captured bytes of a frame
	maxLength   = 1 << 24              // length of a frame on the link
	maxBlock    = maxCaptured + 64<<10 // bytes of a pcapng block that is looked at
)

// errPinned says that more has to be read from the file, which would move the frames that were handed out.
var errPinned = errors.New("window is pinned")

// window is the part of a trace that is in memory: the bytes from offset on, which records are read from.
type window struct {
	reader     io.Reader
	buffer     []byte
	start, end int   // what is not yet consumed is buffer[start:end]
	base       int64 // offset of buffer[0] in the trace
	pinned     bool  // frames were handed out: the buffer must stay as it is
}

// offset is the place in the trace of the next byte.
func (w *window) offset() int64 { return w.base + int64(w.start) }

// peek returns the next n bytes without consuming them: io.EOF if there are none, io.ErrUnexpectedEOF if there
// are fewer, errPinned if they are not in memory and must not be read now. n is bounded by the caller.
func (w *window) peek(n int) ([]byte, error) {
	if w.end-w.start < n {
		if w.pinned {
			return nil, errPinned
		}
		if err := w.fill(n); err != nil {
			return nil, err
		}
	}
	return w.buffer[w.start : w.start+n : w.start+n], nil
}

// fill reads from the file until n bytes are in memory.
func (w *window) fill(n int) error {
	w.base += int64(w.start)
	w.end = copy(w.buffer, w.buffer[w.start:w.end])
	w.start = 0
	if len(w.buffer) < n {
		w.buffer = slices.Grow(w.buffer[:w.end], max(n, windowSize)-w.end)
		w.buffer = w.buffer[:cap(w.buffer)]
	}
	read, err := io.ReadAtLeast(w.reader, w.buffer[w.end:], n-w.end)
	w.end += read
	if errors.Is(err, io.EOF) && w.end > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// skip consumes bytes that were peeked.
func (w *window) skip(n int) { w.start += n }

// unexpected turns the end of a file within a record into what it is.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
