package segment

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/column"
	"github.com/weirflow/weir/probe/vfs"
)

// TestManyReadAtOnce has goroutines ask one Reader everything at once, from its first moment on.
func TestManyReadAtOnce(t *testing.T) {
	g := &generator{r: testenv.Random(t), hosts: 30, outside: 900, stamps: 48}
	rows := g.rows(2000)
	want := summed(rows)
	s := opened(t, written(t, Config{ChunkTuples: 100, ChunkRows: 300, RollupRows: 20}, testBlocks(g.r, 9), rows))
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			got, err := readRows(s, func(_ int, err error) { t.Error(err) })
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("other rows, %v", err)
			}
			if !s.Verify(func(e *DamageError) { t.Error(e) }) {
				t.Error("damaged")
			}
		})
	}
	wait.Wait()
}

// TestAddresses compares look-ups in the dictionaries with the addresses of the rows.
func TestAddresses(t *testing.T) {
	r := testenv.Random(t)
	g := &generator{r: r, hosts: 3000, outside: 50_000, stamps: 4}
	rows := g.rows(9000)
	s := opened(t, written(t, DefaultConfig(), nil, rows))
	all, err := s.Addresses(nil, 0, s.AddressCount())
	if err != nil {
		t.Fatal(err)
	}
	n4 := s.IPv4Count()
	four, _ := s.IPv4()
	six, _ := s.IPv6()
	if len(all) < 2*pageValues || four.Len()+six.Len() != len(all) {
		t.Fatalf("%d addresses", len(all))
	}
	var set4 []uint32
	var set6 []column.Uint128
	for range 2000 {
		code := uint32(r.IntN(len(all)))
		family := flow.IPv4
		if code >= n4 {
			family = flow.IPv6
		}
		a := all[code]
		for _, step := range []byte{0, 1} { // the address, and one that is most likely not there
			a[3] += step
			at, there := slices.BinarySearchFunc(all[:n4], a, compareAddresses)
			if family == flow.IPv6 {
				at, there = slices.BinarySearchFunc(all[n4:], a, compareAddresses)
				at += int(n4)
			}
			got, found, err := s.Lookup(a, family)
			if err != nil || found != there || (found && got != uint32(at)) {
				t.Fatalf("%v: code %d, %t, %v; want %d, %t", a, got, found, err, at, there)
			}
			if family == flow.IPv4 {
				set4 = append(set4, address4(&a))
				checkRange(t, at, func() (uint32, uint32, error) { return four.Range(address4(&a), 1<<32-1) }, n4)
			} else {
				set6 = append(set6, address6(&a))
				checkRange(t, at, func() (uint32, uint32, error) {
					return six.Range(address6(&a), column.Uint128{Hi: 1<<64 - 1, Lo: 1<<64 - 1})
				}, s.AddressCount())
			}
		}
	}
	slices.Sort(set4)
	slices.SortFunc(set6, column.Uint128.Compare)
	checkMatch(t, set4, four.Match, four.Lookup)
	checkMatch(t, set6, six.Match, six.Lookup)
	for range 50 {
		from, to := uint32(r.IntN(len(all))), uint32(r.IntN(len(all)+1))
		to = max(from, to)
		part, err := s.Addresses(nil, from, to)
		if err != nil || !slices.Equal(part, all[from:to]) {
			t.Fatalf("codes %d to %d: %v", from, to, err)
		}
	}
}

func compareAddresses(a, b flow.Address) int { return slices.Compare(a[:], b[:]) }

// checkRange checks the codes of the addresses from one on.
func checkRange(t *testing.T, at int, get func() (from, to uint32, err error), end uint32) {
	t.Helper()
	if from, to, err := get(); err != nil || int(from) != at || to != end {
		t.Fatalf("range %d to %d, %v; want %d to %d", from, to, err, at, end)
	}
}

// checkMatch compares Match with a look-up for each.
func checkMatch[T any](t *testing.T, set []T, match func([]T, func(int, uint32)) error, lookup func(T) (uint32, bool, error)) {
	t.Helper()
	got := map[int]uint32{}
	if err := match(set, func(i int, code uint32) { got[i] = code }); err != nil {
		t.Fatal(err)
	}
	for i, v := range set {
		code, found, err := lookup(v)
		if matched, ok := got[i]; err != nil || ok != found || (found && matched != code) {
			t.Fatalf("%v: code %d, %t, matched %d, %t, %v", v, code, found, matched, ok, err)
		}
	}
}

// TestLittleIsRead holds what look-ups over many segments cost.
func TestLittleIsRead(t *testing.T) {
	g := &generator{r: testenv.Random(t), hosts: 3000, outside: 50_000, stamps: 48}
	s := opened(t, written(t, DefaultConfig(), testBlocks(g.r, 48), g.rows(40_000)))
	open := s.BytesRead()
	if open > tailSize+maxHeader {
		t.Errorf("opening reads %d bytes", open)
	}
	if _, found, err := s.Lookup(flow.Address{1, 2, 3, 4}, flow.IPv4); found || err != nil {
		t.Fatalf("%t, %v", found, err)
	}
	if n := s.BytesRead() - open; n > 8000 {
		t.Errorf("looking for an address reads %d bytes of %d", n, s.Size())
	}
	var tuples Tuples
	before := s.BytesRead()
	chunks, err := s.Chunks()
	if err != nil {
		t.Fatal(err)
	}
	directory := s.BytesRead() - before
	if err := s.Load(1, Sources, &tuples); err != nil {
		t.Fatal(err)
	}
	if n := s.BytesRead() - before - directory; n != chunks[1].BytesOfTuples || tuples.BytesRead() != n {
		t.Errorf("sources read %d bytes of %+v", n, chunks[1])
	}
}

// TestLoadDoesNotAllocate holds for every set of columns, once the buffers are there.
func TestLoadDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	g := &generator{r: testenv.Random(t), hosts: 100, outside: 3000, stamps: 288, extra: true}
	s := opened(t, written(t, DefaultConfig(), nil, g.rows(6000)))
	var tuples Tuples
	load := func() {
		if err := s.Load(0, allColumns, &tuples); err != nil {
			t.Fatal(err)
		}
	}
	load()
	if n := testing.AllocsPerRun(20, load); n > 4 { // Huffman tables of the library
		t.Errorf("%v allocations", n)
	}
}

// TestMergeStops when it is told to, and where an input is damaged, which it names.
func TestMergeStops(t *testing.T) {
	g := &generator{r: testenv.Random(t), hosts: 30, outside: 900, stamps: 48}
	config := Config{ChunkTuples: 50, ChunkRows: 300, RollupRows: 20}
	b := written(t, config, nil, g.rows(2000))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	files := vfs.NewMemory()
	if _, err := Merge(ctx, newFile(t, files, "/a"), config, testMeta(), FromReader(opened(t, b))); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	s := opened(t, b)
	b[s.find(sectionChunks).offset+100] ^= 1
	_, err := Merge(context.Background(), newFile(t, files, "/b"), config, testMeta(), FromReader(opened(t, b)))
	var damage *DamageError
	if !errors.As(err, &damage) || damage.File != "s" {
		t.Errorf("damaged input: %v", err)
	}
	block := testBlocks(g.r, 3)
	_, err = Merge(context.Background(), newFile(t, files, "/c"), config, testMeta(), FromRows(nil, block), FromRows(nil, block[1:2]))
	if err == nil {
		t.Error("a block of two inputs is merged")
	}
}

// TestLaterSections reads a segment with a section that this version does not know.
func TestLaterSections(t *testing.T) {
	blocks, rows := goldenRows()
	b := written(t, DefaultConfig(), blocks, rows)
	s := opened(t, b)
	last := s.footer.sections[len(s.footer.sections)-1]
	addition := []byte("something that a later version has added")
	end := last.offset + last.length
	f := s.footer
	f.sections = append(slices.Clone(f.sections), section{id: 200, crc: checksum(addition), offset: end, length: int64(len(addition))})
	foot := f.append(nil)
	later := append(slices.Clone(b[:end]), addition...)
	later = append(later, appendTrailer(foot, foot)...)
	s = opened(t, later)
	if !slices.Equal(mustRead(t, s), rows) || !s.Verify(func(e *DamageError) { t.Error(e) }) {
		t.Error("other rows, or damaged")
	}
	later[end] ^= 1
	if opened(t, later).Verify(func(*DamageError) {}) {
		t.Error("damage in it is not found")
	}
}

// TestOpening: whoever asks first is charged with what it took to open a segment, and its blocks, not with what others read
// of it before.
func TestOpening(t *testing.T) {
	g := &generator{r: testenv.Random(t), hosts: 6, outside: 60, stamps: 48}
	whole := written(t, DefaultConfig(), testBlocks(g.r, 288), g.rows(20000))
	fresh := opened(t, whole)
	open := fresh.BytesRead()
	if n := fresh.Opening(); n != open || fresh.Opening() != 0 {
		t.Errorf("opening takes %d bytes, %d were read", n, open)
	}
	shared := opened(t, whole)
	if _, err := shared.Blocks(); err != nil {
		t.Fatal(err)
	}
	blocks := shared.BytesRead() - open
	mustRead(t, shared)
	if n := shared.Opening(); blocks == 0 || n != open+blocks || shared.BytesRead() < 2*n {
		t.Errorf("opening took %d bytes and the blocks %d, %d are charged, %d were read", open, blocks, n, shared.BytesRead())
	}
}
