package segment

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weirflow/weir/pkg/flow"
)

// sealed puts all checksums in order that stand outside of columns, so that the fuzzer gets past them. Bytes that are
// no segment are returned as they are.
func sealed(b []byte) []byte {
	b = slices.Clone(b)
	if len(b) < headerFixed+4+trailerSize {
		return b
	}
	if n := headerFixed + int(binary.LittleEndian.Uint16(b[10:])); n+4 <= len(b) {
		putChecksum(b[:n+4])
	}
	trailer := b[len(b)-trailerSize:]
	end := len(b) - trailerSize
	if n := int(binary.LittleEndian.Uint32(trailer)); n <= end {
		var f footer
		foot := b[end-n : end]
		// The table of sections is the end of the footer.
		if f.parse(foot, int64(end-n)) == nil {
			for i, s := range f.sections {
				at := len(foot) - sectionSize*(len(f.sections)-i)
				binary.LittleEndian.PutUint32(foot[at+4:], checksum(b[s.offset:s.offset+s.length]))
			}
		}
		binary.LittleEndian.PutUint32(trailer[4:], checksum(foot))
	}
	putChecksum(trailer[:16])
	return b
}

// FuzzOpen reads any bytes as a segment whose checksums are in order: there are rows, or errors that say what is
// damaged; nothing panics, and what is read can be written and read again.
func FuzzOpen(f *testing.F) {
	g := &generator{r: rand.New(rand.NewPCG(3, 3)), hosts: 6, outside: 60, stamps: 48, extra: true, foldEvery: 40}
	f.Add(written(f, Config{ChunkTuples: 30, ChunkRows: 60, RollupRows: 20}, testBlocks(g.r, 5), g.rows(100)))
	f.Add(written(f, DefaultConfig(), nil, nil))
	blocks, rows := goldenRows()
	f.Add(written(f, Config{ChunkTuples: 3, ChunkRows: 100, RollupRows: 1}, blocks, rows))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, sealed(b)} {
			r, err := openBytes(b)
			if err != nil {
				checkFuzzed(t, err)
				continue
			}
			r.Verify(func(e *DamageError) { checkFuzzed(t, e) })
			if r.Rows() > 1<<20 {
				continue
			}
			rows, err := readRows(r, func(_ int, err error) { checkFuzzed(t, err) })
			if err != nil {
				checkFuzzed(t, err)
				continue
			}
			for i := range rows {
				rows[i].Counters = flow.Counters{BytesSent: rows[i].Counters.BytesSent} // sums of the rest may not fit
			}
			sortRows(rows)
			rows = summed(rows)
			if !slices.Equal(mustRead(t, opened(t, written(t, DefaultConfig(), nil, inBounds(rows)))), inBounds(rows)) {
				t.Fatal("written again: other rows")
			}
		}
	})
}

// inBounds leaves out what does not fit the tests' day.
func inBounds(rows []Row) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Stamp < testMeta().First || r.Stamp > testMeta().Last })
}

func checkFuzzed(t *testing.T, err error) {
	t.Helper()
	var damage *DamageError
	if !errors.As(err, &damage) || (!errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion)) {
		t.Fatalf("%T: %v", err, err)
	}
}

// FuzzRoundTrip makes rows of any bytes: what is written is read.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("some rows that are made of text, some rows that are made of more text"), uint16(3), uint16(9))
	f.Add(make([]byte, 400), uint16(100), uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, tuples, most uint16) {
		rows := fuzzedRows(b)
		config := Config{ChunkTuples: int(tuples) + 1, ChunkRows: int(most) + 1, RollupRows: uint64(most % 50)}
		s := opened(t, written(t, config, nil, rows))
		if got := mustRead(t, s); !slices.Equal(got, summed(rows)) {
			t.Fatal("other rows")
		}
		if !s.Verify(func(e *DamageError) { t.Error(e) }) {
			t.Fatal("damaged")
		}
		checkSums(t, s, summed(rows), config)
	})
}

// fuzzedRows makes a row of every 12 bytes.
func fuzzedRows(b []byte) []Row {
	var rows []Row
	for part := range slices.Chunk(b, 12) {
		if len(part) < 12 {
			break
		}
		k := flow.Key{Family: flow.IPv4, Protocol: flow.Protocol(part[4] & 3), DestinationPort: uint16(part[5])}
		k.Source[0], k.Source[3], k.Destination[0], k.Destination[3] = part[0]&3, part[1], part[2]&3, part[3]
		if part[0]&4 != 0 {
			k.Family = flow.IPv6
			k.Source[15], k.Destination[7] = part[6], part[7]
		}
		v := uint64(part[8]) << (part[9] & 63)
		c := flow.Counters{BytesReceived: v, PacketsReceived: uint64(part[9]), BytesSent: uint64(part[10]) << (part[11] & 31), PacketsSent: uint64(part[10])}
		if part[11]&64 != 0 {
			c.Attempts, c.Accepts, c.RoundTrips, c.RoundTripNanoseconds = 1, uint64(part[8]&1), 1, v
		}
		rows = append(rows, Row{Key: k, Stamp: testMeta().First + int64(part[11]), Counters: c})
	}
	sortRows(rows)
	return rows
}
