package vfs

import "math"

// SetQuota bounds what all files take together, in bytes; writes beyond it end short with ENOSPC. 0 lifts the bound.
// What is there already stays, be it more. A file counts as long as it has a name.
func (m *Memory) SetQuota(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.quota = bytes
}

// Space implements FS: the quota, and what is left of it.
func (m *Memory) Space(name string) (Space, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.lookup("statfs", name); err != nil {
		return Space{}, err
	}
	if m.quota == 0 {
		return Space{Total: math.MaxInt64, Free: math.MaxInt64}, nil
	}
	return Space{Total: uint64(m.quota), Free: uint64(max(m.quota-m.used(), 0))}, nil
}

// room is how many of n bytes can be written. m.mu is held.
func (m *Memory) room(n int) int {
	if m.quota == 0 {
		return n
	}
	return int(min(int64(n), max(m.quota-m.used(), 0)))
}

// used is what all files take. m.mu is held.
func (m *Memory) used() (sum int64) {
	for _, n := range m.seen {
		sum += int64(len(n.data))
	}
	return sum
}
