package segment

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/vfs"
)

// small is a segment of n rows, a few kilobytes, with several chunks, pages of both families, rollups and blocks, and its rows
// by chunk.
func small(t testing.TB, n int) (b []byte, byChunk [][]Row) {
	t.Helper()
	g := &generator{r: rand.New(rand.NewPCG(3, 3)), hosts: 6, outside: 60, stamps: 48, extra: true, foldEvery: 40}
	b = written(t, Config{ChunkTuples: 30, ChunkRows: 60, RollupRows: 20}, testBlocks(g.r, 5), g.rows(n))
	r := opened(t, b)
	chunks, err := r.Chunks()
	if err != nil {
		t.Fatal(err)
	}
	rows := mustRead(t, r)
	for _, c := range chunks {
		byChunk = append(byChunk, rows[:c.Rows])
		rows = rows[c.Rows:]
	}
	if len(chunks) < 4 || len(b) > 100*n {
		t.Fatalf("%d chunks in %d bytes", len(chunks), len(b))
	}
	return b, byChunk
}

// TestEveryByteCounts flips bits of every byte. Whatever is hit, opening or reading fails by name, or the rows of
// named chunks are lost; Verify finds all of it; nothing else changes. A soak flips every bit of a larger segment.
func TestEveryByteCounts(t *testing.T) {
	whole, byChunk := small(t, 150)
	step := 1
	if raceEnabled { // ten times slower, and nothing here is concurrent
		step = 23
	}
	for i := 0; i < len(whole); i += step {
		for _, bit := range []int{i, i + 3} {
			b := slices.Clone(whole)
			b[i] ^= 1 << (bit % 8)
			checkDamaged(t, b, byChunk, i)
		}
	}
}

// TestSumsAreChecked: no byte of a rollup or of a page of sums by source can be another one without an error, what stands
// between the columns included.
func TestSumsAreChecked(t *testing.T) {
	whole, _ := small(t, 150)
	r := opened(t, whole)
	step := int64(1)
	if raceEnabled {
		step = 23
	}
	for _, id := range []sectionID{sectionRollups, sectionSourceSums} {
		s := r.find(id)
		for at := s.offset; at < s.offset+s.length; at += step {
			for bits := 1; bits < 256; bits += 9 + int(at%7) {
				b := slices.Clone(whole)
				b[at] ^= byte(bits)
				damaged := opened(t, b)
				if sumsWithoutError(damaged) {
					t.Fatalf("%v, byte %d, bits %#x: no error", id, at-s.offset, bits)
				}
			}
		}
	}
}

func sumsWithoutError(r *Reader) bool {
	n, err := r.RollupCount()
	for rank := range n {
		_, one := r.ServiceRollup(uint32(rank), new(Rollup))
		err = errors.Join(err, one)
	}
	for page := range r.SourcePages() {
		err = errors.Join(err, r.SourceSums(page, 1<<Quarters-1, allCounters, func(int, []uint32, *[CounterCount][]uint64) error { return nil }))
	}
	return err == nil
}

func checkDamaged(t *testing.T, b []byte, byChunk [][]Row, at int) {
	t.Helper()
	r, err := openBytes(b)
	if err != nil {
		checkDamageError(t, err, at)
		return
	}
	lost := map[int]bool{}
	rows, err := readRows(r, func(chunk int, err error) {
		checkDamageError(t, err, at)
		lost[chunk] = true
	})
	if err != nil {
		checkDamageError(t, err, at)
	} else {
		var want []Row
		for i, of := range byChunk {
			if !lost[i] {
				want = append(want, of...)
			}
		}
		if !slices.Equal(rows, want) {
			t.Fatalf("byte %d changed: other rows, %d of %d chunks lost", at, len(lost), len(byChunk))
		}
	}
	found := false
	if r.Verify(func(e *DamageError) {
		found = found || (e.Offset <= int64(at) && int64(at) < e.Offset+e.Bytes)
		checkDamageError(t, e, at)
	}) || !found {
		t.Fatalf("byte %d changed: not found by Verify", at)
	}
}

func checkDamageError(t *testing.T, err error, at int) {
	t.Helper()
	var damage *DamageError
	if !errors.As(err, &damage) || damage.File != "s" || (!errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion)) {
		t.Fatalf("byte %d: %T: %v", at, err, err)
	}
}

// TestCutFiles opens every prefix of a segment: it is refused by name.
func TestCutFiles(t *testing.T) {
	whole, _ := small(t, 150)
	for n := range whole {
		_, err := openBytes(whole[:n])
		if err == nil {
			t.Fatalf("the first %d bytes are taken for a segment", n)
		}
		checkDamageError(t, err, n)
	}
	if !opened(t, whole).Verify(func(e *DamageError) { t.Error(e) }) {
		t.Error("a whole segment is damaged")
	}
}

// TestForeignFiles opens what is no segment, or one of a later version, or two halves of different ones.
func TestForeignFiles(t *testing.T) {
	whole, _ := small(t, 150)
	for name, b := range map[string][]byte{
		"empty": nil, "zeros": make([]byte, 5000), "text": []byte("no segment at all, but some text that is long enough for a header"),
		"doubled": append(slices.Clone(whole), whole...), "appended": append(slices.Clone(whole), 0),
	} {
		_, err := openBytes(b)
		if err == nil {
			t.Fatalf("%s: taken for a segment", name)
		}
		checkDamageError(t, err, 0)
	}
	later := slices.Clone(whole)
	later[8]++
	n := headerFixed + len("eth0")
	putChecksum(later[:n+4])
	if _, err := openBytes(later); !errors.Is(err, ErrVersion) {
		t.Errorf("later header: %v", err)
	}
	later = slices.Clone(whole)
	trailer := later[len(later)-trailerSize:]
	trailer[8]++
	putChecksum(trailer[:16])
	if _, err := openBytes(later); !errors.Is(err, ErrVersion) {
		t.Errorf("later trailer: %v", err)
	}
	other := testMeta()
	other.Interface = "eth1"
	mixed := append(other.header(), whole[len(other.header()):]...)
	if _, err := openBytes(mixed); err == nil {
		t.Error("a segment with the header of another interface is taken")
	}
}

// TestTruncatedWhileOpen reads from a file that was cut after it was opened: an error each time, no signal.
func TestTruncatedWhileOpen(t *testing.T) {
	whole, _ := small(t, 150)
	for _, keep := range []int{0, 1000, len(whole) / 2} {
		files := vfs.NewMemory()
		files.SetBytes("/s", whole)
		f, err := files.Open("/s")
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(f, "s")
		if err != nil {
			t.Fatal(err)
		}
		files.SetBytes("/s", whole[:keep])
		_, err = readRows(r, func(_ int, err error) { checkDamageError(t, err, keep) })
		if keep == 0 && err == nil {
			t.Error("rows of an empty file")
		}
		if err != nil {
			checkDamageError(t, err, keep)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestWriterRefuses gives the writer what it must not write.
func TestWriterRefuses(t *testing.T) {
	k := flow.Key{Source: flow.Address{10, 0, 0, 1}, Destination: flow.Address{10, 0, 0, 2}, DestinationPort: 443, Protocol: flow.TCP, Family: flow.IPv4}
	stamp := testMeta().First
	good := []Row{{Key: k, Stamp: stamp}}
	block := flow.Interval{End: stamp}
	for name, try := range map[string]struct {
		meta   Meta
		blocks []flow.Interval
		rows   []Row
	}{
		"no interface":       {meta: Meta{Day: testDay, First: stamp, Last: stamp}, rows: good},
		"bounds of two days": {meta: Meta{Interface: "eth0", Day: testDay, First: stamp - 1, Last: stamp}, rows: good},
		"row before":         {meta: testMeta(), rows: []Row{{Key: k, Stamp: stamp - 1}}},
		"row after":          {meta: testMeta(), rows: []Row{{Key: k, Stamp: testMeta().Last + 1}}},
		"block twice":        {meta: testMeta(), blocks: []flow.Interval{block, block}, rows: good},
		"block outside":      {meta: testMeta(), blocks: []flow.Interval{{End: stamp - 1}}, rows: good},
		"stamps not sorted":  {meta: testMeta(), rows: []Row{{Key: k, Stamp: stamp + 1}, {Key: k, Stamp: stamp}}},
		"no family":          {meta: testMeta(), rows: []Row{{Key: flow.Key{}, Stamp: stamp}}},
	} {
		files := vfs.NewMemory()
		if _, err := Write(newFile(t, files, "/s"), DefaultConfig(), try.meta, try.blocks, try.rows); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

// TestWriterPassesErrorsOn fails every operation of the file in turn.
func TestWriterPassesErrorsOn(t *testing.T) {
	g := &generator{r: rand.New(rand.NewPCG(3, 3)), hosts: 6, outside: 60, stamps: 48}
	rows := g.rows(20_000)
	broken := errors.New("broken")
	for n := 1; ; n++ {
		files := vfs.NewFaulty(vfs.NewMemory())
		f, err := files.Create("/s", 0o640)
		if err != nil {
			t.Fatal(err)
		}
		before := files.Operations()
		files.FailOperation(n, broken)
		_, err = Write(f, DefaultConfig(), testMeta(), nil, rows)
		if files.Operations()-before < n {
			if err != nil || n < 3 {
				t.Fatalf("%d operations: %v", n-1, err)
			}
			return
		}
		if !errors.Is(err, broken) {
			t.Fatalf("operation %d fails: %v", n, err)
		}
	}
}
