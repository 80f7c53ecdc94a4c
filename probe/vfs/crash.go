package vfs

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// StopAfter lets n more operations that change something succeed; the next one is done half and fails with
// ErrStopped, as everything after it does.
func (m *Memory) StopAfter(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopAt = m.operations + n + 1
}

// Crash returns the file system as the next boot finds it; m is stopped. Without r everything that was not synced
// is gone. With r each unsynced name and each unsynced part of a file survives or not, as it pleases r: cut short,
// or at full length with zeros or noise in it.
func (m *Memory) Crash(r *rand.Rand) *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	after := NewMemory()
	for _, name := range sortedNames(m.durable, m.seen) {
		survivor := m.durable[name]
		if now := m.seen[name]; now != survivor && r != nil && r.IntN(2) == 0 {
			survivor = now
		}
		if survivor == nil || after.seen[filepath.Dir(name)] == nil {
			continue // never durable, or in a directory that is not there any more
		}
		n := &node{dir: survivor.dir, mode: survivor.mode, data: survivor.afterCrash(r)}
		n.synced = slices.Clone(n.data)
		after.touch(n)
		after.seen[name], after.durable[name] = n, n
	}
	return after
}

// sortedNames is the union of the names of both states, parents before children.
func sortedNames(states ...map[string]*node) []string {
	var names []string
	for _, s := range states {
		for name := range s {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// afterCrash is what a file holds after power loss.
func (n *node) afterCrash(r *rand.Rand) []byte {
	if r == nil || slices.Equal(n.data, n.synced) {
		return slices.Clone(n.synced)
	}
	common := 0
	for common < min(len(n.data), len(n.synced)) && n.data[common] == n.synced[common] {
		common++
	}
	tail := slices.Clone(n.data[common:])
	switch r.IntN(4) {
	case 0:
		return slices.Clone(n.synced)
	case 1: // a prefix arrived
		tail = tail[:r.IntN(len(tail)+1)]
	case 2: // the length arrived, a part of the bytes did not
		clear(tail[r.IntN(len(tail)+1):])
	case 3: // an old block of the disk shows
		for i := r.IntN(len(tail) + 1); i < len(tail); i++ {
			tail[i] = byte(r.Uint32())
		}
	}
	return append(slices.Clone(n.data[:common]), tail...)
}

// change counts an operation that changes something. It returns whether the operation is the one at which the
// machine stops, or the error of a machine that has stopped. m.mu is held.
func (m *Memory) change() (last bool, err error) {
	if m.stopped {
		return false, ErrStopped
	}
	m.operations++
	if m.operations == m.stopAt {
		m.stopped = true
		return true, nil
	}
	return false, nil
}

// Bytes returns a copy of a file's bytes as the running machine sees them; for tests that damage files.
func (m *Memory) Bytes(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.seen[filepath.Clean(name)]; n != nil {
		return slices.Clone(n.data)
	}
	return nil
}

// SetBytes replaces a file's bytes, durably, making the file if it is absent; for tests that damage files.
func (m *Memory) SetBytes(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = filepath.Clean(name)
	n := m.seen[name]
	if n == nil {
		n = &node{mode: 0o640}
		m.seen[name], m.durable[name] = n, n
	}
	n.data, n.synced = slices.Clone(data), slices.Clone(data)
	m.touch(n)
}

// Files lists the paths of all files, sorted.
func (m *Memory) Files() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name, n := range m.seen {
		if !n.dir {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Stopped says whether the machine has stopped.
func (m *Memory) Stopped() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stopped
}
