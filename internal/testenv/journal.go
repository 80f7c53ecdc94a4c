package testenv

import (
	"bytes"
	"sync"
)

// Journal keeps what is written, for readers while others still write: logs, and what processes say.
type Journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write satisfies io.Writer.
func (j *Journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// String is what was written so far.
func (j *Journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
