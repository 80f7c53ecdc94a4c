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
// Integers are little-endian. The bytes are private to the probe and its version:
//
//	memory       = magic "weirdir1" (8), saved int64 (the table's clock, ns), wall int64 (Unix ns), conversations,
//	               CRC-32C of all that uint32
//	conversation = family uint8 (4 or 6), protocol uint8, evidence uint8 with 128 added where the high end
//	               initiated, last seen int64 (the table's clock, ns), low and high address (4 or 16 bytes each),
//	               low and high port uint16
type Memory struct {
	table  *Table
	cursor uint32
	bytes  []byte
	length int
}

const (
	memoryMagic = "weirdir1"
	memoryHead  = len(memoryMagic) + 8 + 8
	highMark    = 128
)

var memorySums = crc32.MakeTable(crc32.Castagnoli)

// Memory begins to write down; now is the table's clock, wall the clock on the wall, both in Unix nanoseconds.
func (t *Table) Memory(now, wall int64) *Memory {
	m := &Memory{table: t, bytes: append([]byte(nil), memoryMagic...)}
	m.bytes = binary.LittleEndian.AppendUint64(m.bytes, uint64(now))
	m.bytes = binary.LittleEndian.AppendUint64(m.bytes, uint64(wall))
	return m
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
	evidence := uint8(e.evidence)
	if e.reversed {
		evidence |= highMark
	}
	m.bytes = append(m.bytes, byte(e.key.family()), byte(e.key.protocol()), evidence)
	m.bytes = binary.LittleEndian.AppendUint64(m.bytes, uint64(e.lastSeen))
	f := e.key.flowKey(false)
	n := addressLength(f.Family)
	m.bytes = append(append(m.bytes, f.Source[:n]...), f.Destination[:n]...)
	m.bytes = binary.LittleEndian.AppendUint16(m.bytes, e.key.lowPort())
	m.bytes = binary.LittleEndian.AppendUint16(m.bytes, e.key.highPort())
	m.length++
}

// Len is the number of conversations written down so far.
func (m *Memory) Len() int { return m.length }

// Bytes returns what was written down, whole, once Step has said so. It is called once.
func (m *Memory) Bytes() []byte {
	return binary.LittleEndian.AppendUint32(m.bytes, crc32.Checksum(m.bytes, memorySums))
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
	var remembered []entry
	for rest := memory[memoryHead:end]; len(rest) > 0; {
		e, n := recalled(rest)
		if n == 0 {
			return 0, errMemory
		}
		rest = rest[n:]
		silent := max(saved-e.lastSeen, 0)
		if silent > math.MaxInt64-between || time.Duration(silent+between) > t.cfg.IdleLifetime {
			continue
		}
		e.lastSeen = now - silent - between
		remembered = append(remembered, e)
	}
	return t.recall(remembered), nil
}

func (t *Table) recall(remembered []entry) (n int) {
	for i := range remembered {
		e := &remembered[i]
		h := t.index.hash(&e.key)
		if _, known := t.index.find(h, &e.key, &t.slab); known != nil || t.slab.live >= t.cfg.MaxFlows {
			continue
		}
		e.pass = t.pass
		id, place := t.slab.take()
		*place = *e
		t.index.insert(h, id)
		n++
	}
	return n
}

// recalled decodes the first conversation of rest and says how many bytes it has, 0 if it is none.
func recalled(rest []byte) (e entry, n int) {
	if len(rest) < 3 || rest[0] != byte(flow.IPv4) && rest[0] != byte(flow.IPv6) || evidence(rest[2]&^highMark) > evidenceSyn {
		return entry{}, 0
	}
	size := addressLength(flow.Family(rest[0]))
	n = 3 + 8 + 2*size + 4
	if len(rest) < n {
		return entry{}, 0
	}
	e.evidence, e.reversed = evidence(rest[2]&^highMark), rest[2]&highMark != 0
	e.lastSeen = int64(binary.LittleEndian.Uint64(rest[3:]))
	var low, high flow.Address
	copy(low[:], rest[11:11+size])
	copy(high[:], rest[11+size:11+2*size])
	ports := rest[11+2*size:]
	e.key = key{
		lowHead: binary.BigEndian.Uint64(low[0:8]), lowTail: binary.BigEndian.Uint64(low[8:16]),
		highHead: binary.BigEndian.Uint64(high[0:8]), highTail: binary.BigEndian.Uint64(high[8:16]),
		meta: uint64(binary.LittleEndian.Uint16(ports))<<48 | uint64(binary.LittleEndian.Uint16(ports[2:]))<<32 |
			uint64(rest[1])<<16 | uint64(rest[0])<<8 | fixedNot,
	}
	return e, n
}
