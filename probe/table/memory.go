package table

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"time"

	"github.com/weirflow/weir/pkg/flow"
)

// Memory writes down the directions that packets alone would not give again, so that a conversation keeps its own
// over a restart of the probe. It goes over the table in steps, between which packets may be added.
//
//	memory = magic "weirdir2" (8), saved int64 (the table's clock, ns), wall int64 (Unix ns), conversations (remember.go),
//	         CRC-32C of all that uint32
type Memory struct {
	table  *Table
	cursor uint32
	parts  [][]byte // nothing is copied while it grows; all but the last are in sum
	sum    uint32
	length int
}

const (
	memoryMagic = "weirdir2"
	memoryHead  = len(memoryMagic) + 8 + 8
	memoryPart  = 32 << 10
)

var memorySums = crc32.MakeTable(crc32.Castagnoli)

// Memory begins to write down; now is the table's clock, wall the clock on the wall, both in Unix nanoseconds.
func (t *Table) Memory(now, wall int64) *Memory {
	head := append(make([]byte, 0, memoryPart), memoryMagic...)
	head = binary.LittleEndian.AppendUint64(head, uint64(now))
	return &Memory{table: t, parts: [][]byte{binary.LittleEndian.AppendUint64(head, uint64(wall))}}
}

// Step visits up to limit conversations and says whether that were all.
func (m *Memory) Step(limit int) (done bool) {
	for ; limit > 0 && m.cursor < m.table.slab.used; limit-- {
		if e := m.table.slab.at(m.cursor); !e.free() && !m.table.services.derivable(e) {
			m.add(e)
		}
		m.cursor++
	}
	return m.cursor >= m.table.slab.used
}

func (m *Memory) add(e *entry) {
	last := &m.parts[len(m.parts)-1]
	if memoryPart-len(*last) < maxRemembered {
		m.close(*last)
		m.parts = append(m.parts, make([]byte, 0, memoryPart))
		last = &m.parts[len(m.parts)-1]
	}
	*last = m.table.remember(*last, e, false)
	m.length++
}

// close takes a part that is complete into the checksum.
func (m *Memory) close(part []byte) { m.sum = crc32.Update(m.sum, memorySums, part) }

// Len is the number of conversations written down so far.
func (m *Memory) Len() int { return m.length }

// Parts returns what was written down, one part behind the other, once Step has said that it is whole. It is called once.
func (m *Memory) Parts() [][]byte {
	m.close(m.parts[len(m.parts)-1])
	return append(m.parts, binary.LittleEndian.AppendUint32(nil, m.sum))
}

func addressLength(family flow.Family) int {
	if family == flow.IPv4 {
		return 4
	}
	return 16
}

var errMemory = errors.New("directions are damaged or of another version")

// Recall takes in what another table wrote down, before the first packet; now and wall are as for Memory. What has
// been at rest for too long by now is left out, and what there is no room for. The time between counts as rest, if the
// wall clock has not gone back. It says how many conversations it took; after an error it took none.
func (t *Table) Recall(memory []byte, now, wall int64) (int, error) {
	end := len(memory) - 4
	if end < memoryHead || string(memory[:len(memoryMagic)]) != memoryMagic ||
		crc32.Checksum(memory[:end], memorySums) != binary.LittleEndian.Uint32(memory[end:]) {
		return 0, errMemory
	}
	saved := int64(binary.LittleEndian.Uint64(memory[len(memoryMagic):]))
	between := max(wall-int64(binary.LittleEndian.Uint64(memory[len(memoryMagic)+8:])), 0)
	var all []remembered
	for rest := memory[memoryHead:end]; len(rest) > 0; {
		r, n := recalled(rest)
		if n == 0 || r.stage != stageNone {
			return 0, errMemory
		}
		rest = rest[n:]
		silent := max(saved-r.lastSeen, 0)
		if silent > math.MaxInt64-between || time.Duration(silent+between) > t.cfg.IdleLifetime {
			continue
		}
		r.lastSeen = now - silent - between
		all = append(all, r)
	}
	before := t.slab.live
	for i := range all {
		t.place(&all[i].entry)
	}
	return t.slab.live - before, nil
}
