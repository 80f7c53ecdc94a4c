package segment

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/probe/vfs"
)

// TestPostings compares the postings with the destinations of all chunks.
func TestPostings(t *testing.T) {
	r := testenv.Random(t)
	for name, g := range shapes(r) {
		s := opened(t, written(t, Config{ChunkTuples: 50, ChunkRows: 200, RollupRows: 20}, nil, g.rows(4000)))
		want := destinations(t, s)
		all := make([]uint32, s.AddressCount())
		for i := range all {
			all[i] = uint32(i)
		}
		got := make([][]uint32, len(all))
		if err := s.MatchDestinations(all, func(i int, chunk uint32) { got[i] = append(got[i], chunk) }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", name, diff)
		}
		for range 30 {
			from, to := uint32(r.IntN(len(all)+1)), uint32(r.IntN(len(all)+1))
			var union []uint32
			for _, chunks := range want[min(from, to):to] {
				union = append(union, chunks...)
			}
			slices.Sort(union)
			got, err := s.DestinationChunks(nil, from, to)
			if err != nil || !slices.Equal(got, slices.Compact(union)) {
				t.Fatalf("%s: codes %d to %d: %v, want %v, %v", name, from, to, got, slices.Compact(union), err)
			}
			var some []uint32
			for range r.IntN(20) {
				some = append(some, uint32(r.IntN(len(all))))
			}
			slices.Sort(some)
			if err := s.MatchDestinations(slices.Compact(some), func(i int, chunk uint32) {
				if !slices.Contains(want[some[i]], chunk) {
					t.Fatalf("%s: code %d in chunk %d", name, some[i], chunk)
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// destinations returns the chunks of each code that is a destination.
func destinations(t *testing.T, s *Reader) [][]uint32 {
	t.Helper()
	chunks, err := s.Chunks()
	if err != nil {
		t.Fatal(err)
	}
	of := make([][]uint32, s.AddressCount())
	var tuples Tuples
	for i := range chunks {
		if err := s.Load(i, Destinations, &tuples); err != nil {
			t.Fatal(err)
		}
		for _, code := range tuples.Destination {
			if n := len(of[code]); n == 0 || of[code][n-1] != uint32(i) {
				of[code] = append(of[code], uint32(i))
			}
		}
	}
	return of
}

// TestPostingsInParts holds that going through the chunks several times gives the same bytes.
func TestPostingsInParts(t *testing.T) {
	g := &generator{r: testenv.Random(t), hosts: 300, outside: 5000, stamps: 10}
	rows := g.rows(5000)
	whole := written(t, DefaultConfig(), nil, rows)
	var v Vocabulary
	for i := range rows {
		v.Add(&rows[i])
	}
	files := vfs.NewMemory()
	w, err := Create(newFile(t, files, "/s"), DefaultConfig(), testMeta(), nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := w.Add(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	w.mostPostings = 100
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(whole, files.Bytes("/s")) {
		t.Error("other bytes")
	}
}

// TestWithoutPostings reads a segment that has none.
func TestWithoutPostings(t *testing.T) {
	g := &generator{r: testenv.Random(t), hosts: 30, outside: 500, stamps: 10}
	rows := g.rows(500)
	config := DefaultConfig()
	config.NoPostings = true
	s := opened(t, written(t, config, nil, rows))
	if s.HasPostings() || !slices.Equal(mustRead(t, s), summed(rows)) {
		t.Error("postings where there are none, or other rows")
	}
	if err := s.MatchDestinations([]uint32{0}, nil); err == nil {
		t.Error("postings found")
	}
}
